"""Where the commands start: here until everything is imported, an interrupt ends them without a traceback."""

from __future__ import annotations

import signal
import sys


def _quietly() -> None:
    """Let a signal end the process at once, as it does a program that is not Python's."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where a shell has it ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _as_python() -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def harmonic() -> None:
    """The command `harmonic`."""
    _quietly()
    from harmonic.cli.application import main

    _as_python()
    try:
        main()
    finally:
        _quietly()  # what is finished is written, and there is nothing to say about the rest


def report() -> None:
    """The command `harmonic-report`."""
    _quietly()
    from harmonic.reports import main

    _as_python()
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    finally:
        _quietly()
