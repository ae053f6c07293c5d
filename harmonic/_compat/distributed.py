"""Dask's workers as the scheduler shows them, and their end without waiting for what they train.

The keys of `Client.scheduler_info` are documented nowhere. Of what they tell `Client.nthreads` and `Client.processing`
are public, at the price of another question to the scheduler each; that a worker is paused, and its memory, is not.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

Worker = Mapping[str, Any]  # as `Client.scheduler_info()["workers"]` shows each by its address


def threads_of(workers: Iterable[Worker]) -> int:
    """How many segments workers train at once."""
    return sum(worker["nthreads"] for worker in workers)


def is_paused(worker: Worker) -> bool:
    """Whether Dask has paused it."""
    return bool(worker["status"] == "paused")


def is_executing(worker: Worker) -> bool:
    """Whether a worker is at something, paused or not."""
    counts = worker["metrics"].get("task_counts", {})
    return any(count for state, count in counts.items() if "executing" in str(state))


def memory_of(worker: Worker) -> tuple[int, int]:
    """The bytes that it uses, and those that it may; 0 of the latter where there is no limit."""
    return worker["metrics"].get("memory", 0), worker["memory_limit"] or 0


def kill_workers(cluster: Any) -> None:
    """Kill the workers of a `LocalCluster`, whose closing waits for what they train. Public is `close` alone, and
    nannies start anew what is killed; the attributes of a nanny are documented nowhere."""
    for nanny in cluster.workers.values():
        nanny.auto_restart = False
        if nanny.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(nanny.pid, signal.SIGKILL)
