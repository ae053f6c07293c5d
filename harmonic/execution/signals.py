"""Signals that end a sweep: what is finished is written, and the exit code is the signal's.

A signal raises `KeyboardInterrupt` wherever Python stands. A library may take that for an error of its own or
drop it (PyArrow does, in an import); so that a signal has come is remembered, and asked for at every turn of a sweep.
Whoever sends SIGTERM sends SIGKILL soon after: where something does not answer in time, the process leaves without it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

GRACE_S = 4.0  # seconds after SIGTERM in which everything has to answer

_came = list[int]()
_deadline: threading.Timer | None = None


@contextmanager
def by_signals() -> Iterator[None]:
    """Have SIGINT (where the shell does not have it ignored) and SIGTERM, as schedulers send it, end what runs here.

    Only the main thread hears signals: in another one it changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _came.clear()
    wanted = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        wanted.append(signal.SIGINT)
    before = {number: signal.signal(number, _end) for number in wanted}
    try:
        yield
    finally:
        if _deadline is not None:
            _deadline.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    global _deadline
    if number == signal.SIGTERM and number not in _came:
        _deadline = threading.Timer(GRACE_S, _leave)
        _deadline.daemon = True
        _deadline.start()
    _came.append(number)
    raise KeyboardInterrupt


def _leave() -> None:
    print(f"harmonic: interrupted: left what did not answer within {GRACE_S:g} s", file=sys.stderr, flush=True)
    os._exit(128 + signal.SIGTERM)


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
