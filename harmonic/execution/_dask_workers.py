"""What runs in the workers of a Dask cluster, and how those of this machine are started."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import shorten
from typing import Any, TypeVar

from harmonic import __version__
from harmonic.errors import ConfigError
from harmonic.execution.executors import SWITCH_S, Stopped, WorkersLost, begin_segment

Value = TypeVar("Value")

_ended = set[str]()  # in a worker: the sweeps that have ended


@dataclass(frozen=True)
class StopListener:
    """A listener that ends training in a worker once its sweep has ended. sweep: its token."""

    sweep: str

    def __call__(self, _step: int, _losses: Any) -> None:
        if self.sweep in _ended:
            raise Stopped


def of_version(version: str, fn: Callable[..., Value], /, *args: Any, **kwargs: Any) -> Value:
    """In a worker: call it, if leader and worker are of one version.

    Raises:
        WorkersLost: they are not.
    """
    if version != __version__:
        raise WorkersLost(f"the Dask workers must have harmonic {version}; got one with {__version__}")
    return fn(*args, **kwargs)


async def end_sweep(sweep: str) -> None:
    _ended.add(sweep)


def plugin() -> Any:
    from distributed import WorkerPlugin

    class Prepared(WorkerPlugin):  # type: ignore[misc]
        """Makes a worker ready, one that joins later too."""

        name = f"harmonic-{__version__}"
        idempotent = True

        def __init__(self, version: str) -> None:
            self.version = version

        def setup(self, worker: Any) -> None:
            _prepare(worker.address, self.version)

    return Prepared(__version__)


def _prepare(worker: str, version: str) -> None:
    if version != __version__:
        raise ConfigError(f"harmonic {__version__} at {worker}")
    begin_segment()
    sys.setswitchinterval(SWITCH_S)


def local_cluster(workers: int) -> Any:
    """Processes on this machine.

    Raises:
        ConfigError: they cannot be started.
    """
    import dask
    from distributed import LocalCluster

    # a run that kills its worker is the pool's to try again
    with _interrupts_held(), dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        try:
            return LocalCluster(
                n_workers=workers, threads_per_worker=1, silence_logs=logging.CRITICAL,
                dashboard_address="127.0.0.1:0",  # the usual port may be another cluster's
            )  # fmt: skip
        except Exception as error:  # whatever Dask's own config makes of it
            raise ConfigError(f"a Dask cluster must start on this machine; got {in_a_line(error)}") from error


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Have Ctrl-C wait, and not reach the processes that start meanwhile, nor those that follow them: the leader's to
    deal with, who is of the same terminal."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def in_a_line(error: BaseException) -> str:
    return shorten(f"{type(error).__name__}: {error}", 300, placeholder=" ...")
