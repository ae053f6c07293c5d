"""A Dask cluster as an executor: runs are trained by its workers, on this machine or on many.

A piece of a run carries its config and state in, rows and state out, so that workers need no folder that
they share, nothing but harmonic and whatever modules a config names by `_target_`. What becomes of a
worker that dies is the scheduler's to know: it has its pieces trained by others.
"""

from __future__ import annotations

import logging
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from harmonic import __version__
from harmonic.errors import ConfigError
from harmonic.executors import SWITCH_S, Stopped, WorkerDied, WorkersLost, hold_torch_to_one_thread, workers_or_cores

if TYPE_CHECKING:
    from distributed import Client

CONNECT_S = 10  # seconds in which a scheduler must answer
COUNT_S = 1.0  # seconds for which the number of workers is taken to stand

Value = TypeVar("Value")

_ended = set[str]()  # in a worker: the sweeps that have ended


def dask(address: str | None = None, workers: int | None = None, cluster: Mapping[str, Any] | None = None) -> Executor:
    """Workers of a Dask cluster.

    Args:
        address: of a scheduler that runs already.
        workers: processes on this machine where there is no address; of a `cluster` the number of its workers.
        cluster: a config that builds a Dask cluster by `_target_`, such as `dask_jobqueue.SLURMCluster`.

    Raises:
        ConfigError: an address is given, and workers or a cluster too.
    """
    if address is not None and (cluster is not None or workers is not None):
        raise ConfigError(
            "hydra.launcher.executor.address is of a cluster that has its workers; got workers or cluster beside it"
        )
    return Cluster(address, workers_or_cores(workers), cluster)


@dataclass(frozen=True)
class Ear:
    """A listener that ends training in a worker once its sweep has ended. sweep: its token."""

    sweep: str

    def __call__(self, _step: int, _losses: Any) -> None:
        if self.sweep in _ended:
            raise Stopped


async def _end(sweep: str) -> None:
    _ended.add(sweep)


class Cluster(Executor):
    """The workers of a Dask cluster; connected when first needed.

    Args:
        address: of a scheduler; None: a cluster is started, and ended with this.
        workers: of the cluster that is started.
        section: config of the cluster that is started; None: processes on this machine.
    """

    def __init__(self, address: str | None, workers: int, section: Mapping[str, Any] | None) -> None:
        self._address, self._workers, self._section = address, workers, section
        self.listener = Ear(secrets.token_hex(8))
        self._counted = (-COUNT_S, 0)

    @property
    def _max_workers(self) -> int:
        """Threads of all workers at present: they may come and go."""
        when, count = self._counted
        if time.monotonic() - when >= COUNT_S:
            count = sum(self._asked(self._client.nthreads).values())
            self._counted = (time.monotonic(), count)
        return max(count, 1)

    def submit(self, fn: Callable[..., Value], /, *args: Any, **kwargs: Any) -> Future[Value]:
        """Have a worker call it.

        Raises:
            WorkersLost: the scheduler is gone.
        """
        submitted = self._asked(self._executor.submit, fn, *args, **kwargs)
        future = Future[Value]()
        submitted.add_done_callback(lambda done: self._hand_over(done, future))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - all are cancelled
        """End what still runs for this sweep, and the cluster if it is its own."""
        if "_client" not in self.__dict__:
            return
        client = self._client
        if client.status == "running":
            client.run(_end, self.listener.sweep, wait=False, on_error="ignore")
            self._executor.shutdown(wait=False)
        client.close(timeout=CONNECT_S)
        if self._address is None and client.cluster is not None:
            client.cluster.close(timeout=CONNECT_S)
        del self._client

    @cached_property
    def _client(self) -> Client:
        try:
            from distributed import Client
        except ImportError as error:
            raise ConfigError(
                "hydra/launcher/executor=dask needs the package distributed: pip install 'harmonic[dask]'"
            ) from error
        for name in ("distributed", "distributed.client"):  # what is a user's to know is raised
            logging.getLogger(name).setLevel(logging.CRITICAL)
        target = self._address or self._own_cluster()
        try:
            client = Client(target, timeout=CONNECT_S, name="harmonic", set_as_default=False)
        except (OSError, ValueError) as error:
            raise ConfigError.broken(
                "hydra.launcher.executor.address", f"that of a Dask scheduler that answers ({_line(error)})", target
            ) from error
        try:
            client.register_plugin(_plugin())
        except Exception as error:  # whatever a worker without harmonic raises
            client.close()
            raise ConfigError(
                f"the workers at {target} must have harmonic {__version__}; got {_line(error)}"
            ) from error
        return client

    @cached_property
    def _executor(self) -> Executor:
        executor: Executor = self._client.get_executor(pure=False)
        return executor

    def _own_cluster(self) -> Any:
        if self._section is not None:
            from hydra.utils import instantiate

            try:
                cluster = instantiate(self._section)
                cluster.scale(self._workers)
            except Exception as error:  # somebody's cluster may refuse its arguments in any way
                raise ConfigError(
                    f"hydra.launcher.executor.cluster must build a Dask cluster; got {_line(error)}"
                ) from error
            return cluster
        from distributed import LocalCluster

        # the usual port of the dashboard may be another cluster's
        return LocalCluster(n_workers=self._workers, threads_per_worker=1, dashboard_address="127.0.0.1:0")

    def _asked(self, question: Callable[..., Value], *args: Any, **kwargs: Any) -> Value:
        try:
            answer = question(*args, **kwargs) if self._client.status == "running" else None
        except (OSError, CancelledError, RuntimeError) as error:
            raise self._lost() from error
        if answer is None:
            raise self._lost()
        return answer

    def _lost(self) -> WorkersLost:
        return WorkersLost(f"the Dask scheduler {self._address or 'of the sweep'} must stay up; it is gone")

    def _hand_over(self, done: Future[Value], future: Future[Value]) -> None:
        """A result of Dask's, in the terms of the standard library."""
        from distributed.scheduler import KilledWorker

        if done.cancelled():
            future.set_exception(self._lost())
        elif isinstance(error := done.exception(), KilledWorker):
            future.set_exception(WorkerDied(_line(error)))
        elif error is not None:
            future.set_exception(error)
        else:
            future.set_result(done.result())


def _plugin() -> Any:
    from distributed import WorkerPlugin

    class Prepared(WorkerPlugin):  # type: ignore[misc]
        """Makes a worker ready, one that joins later too."""

        name = "harmonic"
        idempotent = True

        def __init__(self, version: str) -> None:
            self.version = version

        def setup(self, worker: Any) -> None:
            _prepare(worker.address, self.version)

    return Prepared(__version__)


def _prepare(worker: str, version: str) -> None:
    if version != __version__:
        raise ConfigError(f"harmonic {__version__} at {worker}")
    hold_torch_to_one_thread()
    sys.setswitchinterval(SWITCH_S)


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
