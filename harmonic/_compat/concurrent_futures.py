"""The executors of `concurrent.futures` and of loky: how many workers they have."""

from __future__ import annotations

from concurrent.futures import Executor


def max_workers(executor: Executor) -> int | None:
    """The number of workers that an executor was built for; None of one that does not keep it as these do.

    Where it was left to the executor, nothing public tells what it has taken. Threads and processes of the standard
    library and loky's have it under one name.
    """
    workers: int | None = getattr(executor, "_max_workers", None)
    return workers
