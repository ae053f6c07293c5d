"""`harmonic` as a process of its own, forked from one that has imported everything: in a twentieth of the time.

(That a newly started interpreter does the same is tested on the wheel.)
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil

from harmonic.cli import application

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(
    ["harmonic.cli.application", "harmonic.execution.hydra_launch", "harmonic.search.sweep",
     "harmonic.training.native_engine", "harmonic.training.torch_engine", "pandas", "distributed", "psycopg"]
)  # fmt: skip
PATIENCE_S = 240.0  # before a command is taken to hang, on a machine that has much else to do


class Command:
    """A running `harmonic`, with what of `subprocess.Popen` tests use.

    Args:
        prepare: called in the process before it begins.
    """

    def __init__(self, *arguments: str, cwd: Path, prepare: Callable[[], None] | None = None) -> None:
        self._output = Path(tempfile.mkdtemp(prefix="harmonic-test-"))
        for name in ("out", "err"):
            (self._output / name).touch()
        self._process = _forks.Process(target=_main, args=(arguments, cwd, self._output, prepare))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def __enter__(self) -> Command:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._process.join()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float = PATIENCE_S) -> int:
        """Its exit code.

        Raises:
            TimeoutError: it does not end.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            self.kill()
            raise TimeoutError(f"'harmonic' must end within {timeout} s; what it has said: {self.said}")
        return self._process.exitcode

    def communicate(self, timeout: float = PATIENCE_S) -> tuple[str, str]:
        """What it has said by its end, on stdout and on stderr."""
        self.wait(timeout)
        return self.said

    @property
    def said(self) -> tuple[str, str]:
        out, err = ((self._output / name).read_text() for name in ("out", "err"))
        return out, err

    def until(self, ready: Callable[[], object], timeout: float = PATIENCE_S) -> None:
        """Wait for something that it does."""
        began = time.monotonic()
        while not ready():
            assert self.poll() is None, self.said
            assert time.monotonic() - began < timeout, self.said
            time.sleep(0.01)


def _main(arguments: Sequence[str], cwd: Path, output: Path, prepare: Callable[[], None] | None) -> None:
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(output / name, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(cwd)
    if prepare is not None:
        prepare()
    sys.argv = ["harmonic", *arguments]
    application.main()


def left_running(family: Sequence[psutil.Process], within_s: float) -> Sequence[psutil.Process]:
    """Those of some processes that still run after so many seconds."""
    began = time.monotonic()
    while left := [one for one in family if _runs(one)]:
        if time.monotonic() - began > within_s:
            break
        time.sleep(0.05)
    return left


def _runs(process: psutil.Process) -> bool:
    """Whether a process is still at it: one that has ended and whose parent did not ask how is none."""
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False
