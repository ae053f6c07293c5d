"""Signals that end a sweep: what is finished is written, and the exit code is the signal's.

A signal raises `KeyboardInterrupt` wherever Python stands. A library may take that for an error of its own or
drop it (PyArrow does, in an import); so that a signal has come is remembered, and asked for at every turn of a sweep.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_came = list[int]()


@contextmanager
def by_signals() -> Iterator[None]:
    """Have SIGINT (where the shell does not have it ignored) and SIGTERM, as schedulers send it, end what runs here."""
    _came.clear()
    wanted = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        wanted.append(signal.SIGINT)
    before = {number: signal.signal(number, _end) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    _came.append(number)
    raise KeyboardInterrupt


def code() -> int | None:
    """The exit code that says which signal came, as shells have it; None: none did."""
    return 128 + _came[0] if _came else None


def check() -> None:
    """Raise where a signal has come.

    Raises:
        KeyboardInterrupt: one has.
    """
    if _came:
        raise KeyboardInterrupt
