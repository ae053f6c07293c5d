"""Where the runs of a sweep are trained: `concurrent.futures` executors, built from config.

`threads` suits the native engine, whose kernels release the GIL. `processes` suits models that only torch
can train, `cluster.dask` takes other machines to it. Anything else that builds a
`concurrent.futures.Executor` can stand in their place by `_target_`.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from enum import Enum

from harmonic.errors import ConfigError, RunFailed

# Seconds for which the main thread may keep the interpreter from a thread that is back from its kernel.
SWITCH_S = 1e-4


class Stopped(BaseException):
    """Raised inside training to end it; not an `Exception`, so that no run takes it for its own."""


class WorkerDied(Exception):
    """The worker that trained a piece is gone, the executor is not."""


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

    executor: Executor = ProcessPoolExecutor(workers_or_cores(workers), initializer=hold_torch_to_one_thread)
    return executor


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
        """Those of an executor."""
        if isinstance(executor, ThreadPoolExecutor):
            return cls.THREADS
        # loky's, and the standard library's
        return cls.PROCESSES if hasattr(executor, "_executor_manager_thread") else cls.OTHERS
