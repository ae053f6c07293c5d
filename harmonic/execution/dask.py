"""A Dask cluster as an executor: runs are trained by its workers, on this machine or on many.

A segment of a run carries its config and state in, rows and state out, so that workers need no folder that
they share, nothing but harmonic and whatever modules a config names by `_target_`. What becomes of a
worker that dies is the scheduler's to know: it has its segments trained by others.
"""

from __future__ import annotations

import logging
import secrets
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Executor, Future
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harmonic import __version__
from harmonic._compat.distributed import kill_workers, threads_of
from harmonic.errors import ConfigError
from harmonic.execution._dask_pauses import Pauses
from harmonic.execution._dask_workers import (
    StopListener,
    Value,
    end_sweep,
    in_a_line,
    local_cluster,
    of_version,
    plugin,
)
from harmonic.execution.executors import WorkerDied, WorkersLost, workers_or_cores

if TYPE_CHECKING:
    from distributed import Client

CLOSE_S = 2  # seconds that closing may take
CONNECT_S = 10  # seconds in which a scheduler must answer
COUNT_S = 1.0  # seconds for which the number of workers is taken to stand
PAUSED_TIMEOUT_S = 600.0  # seconds for which a sweep waits, by default, for workers of which all are paused


def dask(
    address: str | None = None,
    workers: int | None = None,
    cluster: Mapping[str, Any] | None = None,
    paused_timeout: float = PAUSED_TIMEOUT_S,
) -> Executor:
    """Workers of a Dask cluster.

    Args:
        address: of a scheduler that runs already.
        workers: processes on this machine where there is no address; of a `cluster` the number of its workers.
        cluster: a config that builds a Dask cluster by `_target_`, such as `dask_jobqueue.SLURMCluster`.
        paused_timeout: seconds after which the sweep ends where all workers are paused and none trains.

    Raises:
        ConfigError: an address is given, and workers or a cluster too, or the timeout is no positive number.
    """
    if isinstance(paused_timeout, bool) or not isinstance(paused_timeout, int | float) or not paused_timeout > 0:
        raise ConfigError.broken("hydra.launcher.executor.paused_timeout", "a number of seconds > 0", paused_timeout)
    if address is not None and (cluster is not None or workers is not None):
        raise ConfigError(
            "hydra.launcher.executor.address is of a cluster that has its workers; got workers or cluster beside it"
        )
    return Cluster(address, workers_or_cores(workers), cluster, Pauses(paused_timeout))


class Cluster(Executor):
    """The workers of a Dask cluster; connected when first needed.

    Args:
        address: of a scheduler; None: a cluster is started, and ended with this.
        workers: of the cluster that is started.
        section: config of the cluster that is started; None: processes on this machine.
        pauses: watches for paused workers.
    """

    def __init__(self, address: str | None, workers: int, section: Mapping[str, Any] | None, pauses: Pauses) -> None:
        self._address, self._workers, self._section, self._pauses = address, workers, section, pauses
        self.listener = StopListener(secrets.token_hex(8))
        self._counted = (-COUNT_S, 0)

    @property
    def workers(self) -> int:
        """Threads of all workers at present: they may come and go.

        Raises:
            WorkersLost: the scheduler is gone, or all workers have been paused for too long.
        """
        when, count = self._counted
        if time.monotonic() - when >= COUNT_S:
            known = self._asked(self._client.scheduler_info, n_workers=-1)["workers"]
            count = threads_of(known.values())
            self._pauses.see(known, time.monotonic())
            self._counted = (time.monotonic(), count)
            if count == 0 and when < 0:  # at the start; later their successors are on the way
                warnings.warn(f"the Dask cluster {self._address or ''} has no workers (yet): waiting", stacklevel=2)
        return max(count, 1)

    def submit(self, fn: Callable[..., Value], /, *args: Any, **kwargs: Any) -> Future[Value]:
        """Have a worker call it.

        Raises:
            WorkersLost: the scheduler is gone.
        """
        submitted = self._asked(self._executor.submit, of_version, __version__, fn, *args, **kwargs)
        future = Future[Value]()
        submitted.add_done_callback(lambda done: self._hand_over(done, future))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - all are cancelled
        """End what still runs for this sweep, and the cluster if it is its own."""
        if "_client" not in self.__dict__:
            return
        client = self._client
        if client.status == "running":
            client.run(end_sweep, self.listener.sweep, wait=False, on_error="ignore")
            self._executor.shutdown(wait=False)
        del self._client
        self._leave(client)

    def _leave(self, client: Client) -> None:
        """Close a client, and the cluster if it is the sweep's own, whose workers have nothing to lose."""
        cluster = client.cluster if self._address is None else None
        if cluster is not None and self._section is None:
            kill_workers(cluster)
        with suppress(TimeoutError):  # what does not answer is left
            client.close(timeout=CLOSE_S)
        if cluster is not None:
            with suppress(TimeoutError):
                cluster.close(timeout=CLOSE_S)

    @cached_property
    def _client(self) -> Client:
        try:
            from distributed import Client
        except ImportError as error:
            raise ConfigError(
                "hydra/launcher/executor=dask needs the package distributed: pip install distributed"
            ) from error
        # what is a user's to know is raised; where the scheduler dies all of these would print tracebacks of it
        for name in ("distributed", "distributed.client", "tornado.application", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        target = self._address or self._own_cluster()
        try:
            client = Client(target, timeout=CONNECT_S, name="harmonic", set_as_default=False)
        except (OSError, ValueError) as error:
            raise ConfigError.broken(
                "hydra.launcher.executor.address", f"that of a Dask scheduler that answers ({in_a_line(error)})", target
            ) from error
        ours = plugin()
        try:
            client.register_plugin(ours)
        except Exception as error:  # whatever a worker without harmonic raises
            if client.status == "running":
                client.unregister_worker_plugin(ours.name)  # it would go on refusing, for other sweeps too
            self._leave(client)
            raise ConfigError(
                f"the workers at {target} must have harmonic {__version__}; got {in_a_line(error)}"
            ) from error
        return client

    @cached_property
    def _executor(self) -> Executor:
        executor: Executor = self._client.get_executor(pure=False)
        return executor

    def _own_cluster(self) -> Any:
        if self._section is not None:
            from harmonic._compat.hydra import instantiate

            try:
                cluster = instantiate(self._section)
                cluster.scale(self._workers)
            except Exception as error:  # somebody's cluster may refuse its arguments in any way
                raise ConfigError(
                    f"hydra.launcher.executor.cluster must build a Dask cluster; got {in_a_line(error)}"
                ) from error
            return cluster
        return local_cluster(self._workers)

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

        if not future.set_running_or_notify_cancel():
            return
        if done.cancelled():
            future.set_exception(self._lost())
        elif isinstance(error := done.exception(), KilledWorker):
            future.set_exception(WorkerDied(in_a_line(error)))
        elif error is not None:
            future.set_exception(error)
        else:
            future.set_result(done.result())
