"""Hydra's callbacks and loggers around the runs of a sweep."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hydra.core.utils import configure_log
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict, read_write

from harmonic.config.job_settings import JobSettings, RunContext, as_hydras
from harmonic.execution import console
from harmonic.execution.console import run_summary
from harmonic.execution.executors import Workers
from harmonic.execution.job_return import job_return
from harmonic.execution.run_writer import JobCallbacks, Run
from harmonic.results.outcome import Outcome
from harmonic.run import log as run_log


class HydraJobCallbacks(JobCallbacks):
    """Hydra's callbacks and loggers around the runs of a sweep: what `run_job` does around a task, in its order.

    Args:
        launcher: Hydra's, set up for the sweep.
        asked: what its jobs ask for, or those of them that are known.
    """

    def __init__(self, launcher: Any, asked: Sequence[JobSettings]) -> None:
        self._callbacks, self._task = launcher.hydra_context.callbacks, launcher.task_function
        self._hydra = launcher.config.hydra
        self._workers = launcher.workers
        self._starts, self._ends = (self._defined(name) for name in ("on_job_start", "on_job_end"))
        self.one_by_one = self._reason(asked)

    def context(self, run: Run) -> RunContext:
        return run.job.settings.context(
            run.place.folder, collects=not (self._workers is Workers.THREADS and self.follows(run))
        )

    def begin(self, run: Run) -> None:
        if not self.follows(run):
            return
        run.place.folder.mkdir(parents=True, exist_ok=True)
        whole, wanted = _whole(run), run.job.settings
        with as_hydras(whole), wanted.context(run.place.folder, collects=False)():
            configure_log(whole.hydra.job_logging, whole.hydra.verbose)
            self._callbacks.on_job_start(config=whole, task_function=self._task)
        if self._workers is not Workers.THREADS:
            configure_log(self._hydra.hydra_logging, self._hydra.verbose)

    def end(self, run: Run, outcome: Outcome) -> None:
        whole = _whole(run)
        with as_hydras(whole), replace(run.job.settings, env={}).context(run.place.folder, collects=False)():
            if self._workers is not Workers.THREADS:
                configure_log(whole.hydra.job_logging, whole.hydra.verbose)
            _log(run, outcome)
            self._callbacks.on_job_end(config=whole, job_return=job_return(run))
        configure_log(self._hydra.hydra_logging, self._hydra.verbose)

    def follows(self, run: Run) -> bool:
        """Whether this process sets up a run's loggers and calls its callbacks."""
        return self._starts or self._ends or run.job.settings.own_log

    def _defined(self, name: str) -> bool:
        """Whether one of the callbacks has a method of its own for this."""
        return any(getattr(type(one), name, None) is not getattr(Callback, name) for one in self._callbacks.callbacks)

    def _reason(self, asked: Sequence[JobSettings]) -> str | None:
        if self._starts:
            return "hydra.callbacks have on_job_start, which is followed by the end of the same job"
        threads = self._workers is Workers.THREADS
        if threads and self._ends:
            return "hydra.callbacks have on_job_end, and threads share their loggers (see hydra/launcher/executor)"
        if threads and any(one.own_log for one in asked):
            return "threads share the loggers of hydra.job_logging and hydra.verbose (see hydra/launcher/executor)"
        if self._workers is not Workers.PROCESSES and any(one.of_a_process for one in asked):
            return "threads share what hydra.job.env_set and chdir set (see hydra/launcher/executor)"
        return None


def _whole(run: Run) -> DictConfig:
    """The config of a run's job, in the place of the run: one from a fresh seed does not lie where its trial does."""
    whole = run.job.whole()
    with read_write(whole.hydra), open_dict(whole.hydra):
        whole.hydra.runtime.output_dir = str(run.place.folder)
    return whole


def _log(run: Run, outcome: Outcome) -> None:
    """Say of a run what its log should hold, where the loggers are its own."""
    assert run.row is not None
    for told in outcome.records:
        logger = logging.getLogger(told.name)
        if logger.isEnabledFor(told.levelno):
            logger.handle(told)
    if outcome.trace is not None:
        run_log.info(outcome.trace)
    console.log.info(f"#{run.job.number} {run_summary({**run.row, 'dir': str(run.place.folder)})}")
