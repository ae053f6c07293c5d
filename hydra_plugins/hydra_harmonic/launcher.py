"""The launcher: runs harmonic's jobs on an executor, and any other task as Hydra's own launcher does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from hydra.core.utils import JobReturn

from harmonic._compat.hydra_plugins import BasicLauncher

from . import config  # noqa: F401 - registers the plugins' config


class HarmonicLauncher(BasicLauncher):
    """Composes all jobs, refuses the sweep if one is wrong, then trains them side by side.

    Args:
        executor: config of what builds the `concurrent.futures.Executor`.
    """

    checks_jobs = True  # all of a call, before the first one runs

    def __init__(self, executor: Any) -> None:
        super().__init__()
        self.executor = executor
        self.checked: Sequence[Any] | None = None  # the runs of all batches, where the sweeper has checked them
        self._built: Any = None  # the executor that was built to look at it, until it is taken
        self._rows: dict[str, str] = {}  # of all batches: the folder of each run by its id

    @cached_property
    def workers(self) -> Any:
        """What trains side by side, an `executors.Workers`.

        Raises:
            ConfigError: the executor cannot be had as configured.
        """
        from harmonic.execution.executors import Workers

        self._built = self.build()
        return Workers.of(self._built)

    def build(self) -> Any:
        """An executor: at first the one that was built to look at it, later another.

        Raises:
            ConfigError: it cannot be had as configured.
        """
        from harmonic.execution.hydra_launch import build_executor

        built, self._built = self._built, None
        return built or build_executor(self.executor)

    def close(self) -> None:
        """End the executor that was built and not taken, as where the sweep is refused."""
        if self._built is not None:
            self._built.shutdown()
            self._built = None

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs; their returns in the order of the jobs, the exception of a failed one in its own."""
        assert self.config is not None
        assert self.hydra_context is not None
        if not getattr(self.task_function, "trains", False):
            return super().launch(job_overrides, initial_job_idx)
        from harmonic.execution.hydra_launch import check_jobs, launch_jobs

        if self.checked is None:
            runs = check_jobs(self.hydra_context, self.config, self, job_overrides, initial_job_idx)
        else:
            runs = list(self.checked[initial_job_idx : initial_job_idx + len(job_overrides)])
        return launch_jobs(self, runs, self._rows)
