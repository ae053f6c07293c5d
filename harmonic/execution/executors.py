"""Where the runs of a sweep are trained: `concurrent.futures` executors, built from config.

`threads` suits the native engine, whose kernels release the GIL. `processes` suits models that only torch
can train, `cluster.dask` takes other machines to it. Anything else that builds a
`concurrent.futures.Executor` can stand in their place by `_target_`.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from enum import Enum
from multiprocessing.process import BaseProcess
from typing import Any

from harmonic._compat.concurrent_futures import max_workers
from harmonic.errors import ConfigError, RunFailed

# Seconds for which the main thread may keep the interpreter from a thread that is back from its kernel.
SWITCH_S = 1e-4
WATCH_S = 1.0  # seconds between two looks at whether the parent is there
_WATCH = "harmonic-watch"


class Stopped(BaseException):
    """Raised inside training to end it; not an `Exception`, so that no run takes it for its own."""


class WorkerDied(Exception):
    """The worker that trained a segment is gone, the executor is not."""


class WorkersLost(RunFailed):
    """There is nobody any more who could train."""


def workers_or_cores(workers: int | None) -> int:
    """The number of workers asked for, or one a core that this process may use.

    Raises:
        ConfigError: fewer than one is asked for.
    """
    if workers is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ConfigError.broken("hydra.launcher.executor.workers", "a whole number >= 1, or null: one a core", workers)
    return workers


def threads(workers: int | None = None) -> Executor:
    """Threads of this process, torch held to one thread inside each."""
    import torch

    count = workers_or_cores(workers)
    torch.set_num_threads(1)
    sys.setswitchinterval(SWITCH_S)
    return ThreadPoolExecutor(count, thread_name_prefix="harmonic")


def processes(workers: int | None = None) -> Executor:
    """Processes of their own (loky), torch held to one thread in each."""
    from loky import ProcessPoolExecutor

    executor: Executor = ProcessPoolExecutor(
        workers_or_cores(workers), initializer=_begin_process, initargs=(os.getpid(),)
    )
    return executor


def _begin_process(leader: int) -> None:
    end_with(leader)
    hold_torch_to_one_thread()


def end_with(parent: int, is_there: Callable[[], bool] = lambda: True) -> None:
    """Have this process end soon after its parent, however that ends.

    The end of a pipe would tell only where nobody else holds it, and siblings do; PR_SET_PDEATHSIG is about a thread of
    the parent.

    Args:
        is_there: another sign of life, where a fork server is the parent, which lives as long as its processes do.
    """
    if any(thread.name == _WATCH for thread in threading.enumerate()):
        return

    def watch() -> None:
        while os.getppid() == parent and is_there():
            time.sleep(WATCH_S)
        os._exit(1)

    threading.Thread(target=watch, name=_WATCH, daemon=True).start()


def begin_segment() -> None:
    """Make ready whoever is about to train, in case that its executor is somebody else's."""
    if (leader := multiprocessing.parent_process()) is not None:
        end_with(os.getppid(), leader.is_alive)
    hold_torch_to_one_thread()


def hold_torch_to_one_thread() -> None:
    """The runs side by side keep the cores busy."""
    import torch

    torch.set_num_threads(1)


class Workers(Enum):
    """What trains side by side."""

    THREADS = "threads of this process"
    PROCESSES = "processes of this machine"
    OTHERS = "whatever an executor of another kind has"

    @classmethod
    def of(cls, executor: Executor) -> Workers:
        """Those of an executor, as far as can be told."""
        if isinstance(executor, ThreadPoolExecutor):
            return cls.THREADS
        return cls.PROCESSES if isinstance(executor, ProcessPoolExecutor) or _is_lokys(executor) else cls.OTHERS


def workers_of(executor: Executor) -> int:
    """How many segments an executor trains at once: its attribute `workers`, or what the standard library's have."""
    workers: int = getattr(executor, "workers", 0) or max_workers(executor) or 2
    return workers


def end(executor: Executor, unfinished: Sequence[Future[Any]], older: Collection[BaseProcess]) -> None:
    """End an executor, and what it still trains where there is a way to.

    Args:
        unfinished: what it was given and has not finished; one of threads has been told to end it.
        older: processes that were there before the executor.
    """
    if _is_lokys(executor):
        executor.shutdown(wait=True, kill_workers=True)  # type: ignore[call-arg]
        return
    for future in unfinished:
        future.cancel()
    if isinstance(executor, ProcessPoolExecutor) and any(not future.done() for future in unfinished):
        executor.shutdown(wait=False)
        for process in set(multiprocessing.active_children()) - set(older):  # from Python 3.14 on: `kill_workers`
            process.kill()
    executor.shutdown(wait=isinstance(executor, ThreadPoolExecutor | ProcessPoolExecutor))


def _is_lokys(executor: Executor) -> bool:
    loky = sys.modules.get("loky")
    return loky is not None and isinstance(executor, loky.ProcessPoolExecutor)
