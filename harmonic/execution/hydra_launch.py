"""Between Hydra's launcher interface and `launch`: jobs in, `JobReturn`s out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobRuntime, JobStatus, configure_log
from hydra.experimental.callback import Callback
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from harmonic._compat.hydra import instantiate
from harmonic.config.job import Job
from harmonic.config.job_settings import JobSettings, RunContext, as_hydras
from harmonic.config.sweep_compose import Snapshot
from harmonic.errors import ConfigError, HarmonicError, RunFailed
from harmonic.execution import progress
from harmonic.execution.executors import Workers
from harmonic.execution.grid import prepare, train_runs
from harmonic.execution.progress import SweepProgress, say, summary
from harmonic.execution.run_writer import JobCallbacks, Run, RunWriter
from harmonic.results import record
from harmonic.results.outcome import Outcome
from harmonic.run import log as run_log

LOCAL_LAUNCHERS = ("BasicLauncher", "JoblibLauncher")


def trains_here(launcher: Any) -> bool:
    """Whether the jobs of a launcher are trained on this machine.

    Raises:
        ConfigError: its executor cannot be had as configured.
    """
    if not getattr(launcher, "checks_jobs", False):
        return type(launcher).__name__ in LOCAL_LAUNCHERS
    return bool(launcher.workers is not Workers.OTHERS)


def check(
    context: HydraContext, master: DictConfig, launcher: Any, overrides: Sequence[Sequence[str]], first: int = 0
) -> list[Run]:
    """Compose harmonic's jobs and refuse them all where one is wrong.

    Args:
        launcher: whoever will run them.
        first: the number of the first job.

    Raises:
        ConfigError: one of the jobs, or the launcher's executor, cannot be had as configured.
    """
    here = trains_here(launcher)
    snapshot = Snapshot(context.config_loader, master)
    return prepare([snapshot.job(first + index, one) for index, one in enumerate(overrides)], snapshot.home, here)


def launch(launcher: Any, runs: Sequence[Run], rows: dict[str, str]) -> Sequence[JobReturn]:
    """Train the runs of harmonic's jobs; one return a job, in their order.

    Args:
        launcher: Hydra's, set up for the sweep.
        runs: as `check` gave them.
        rows: as `launch.launch` has them.

    Raises:
        RowsMissing: rows of the sweep were removed while it went on.
        ConfigError: another run lies in the place of one of them.
    """
    hydra = launcher.config.hydra
    configure_log(hydra.hydra_logging, hydra.verbose)
    if runs:
        RunWriter(runs[0].place.table).adopt(runs)
    shown = SweepProgress()
    callbacks = HydraJobCallbacks(launcher, [run.job.settings for run in runs])
    if callbacks.one_by_one:
        say(shown.console, f"one run at a time: {callbacks.one_by_one}")
    train_runs(runs, launcher.build, shown, rows, callbacks)
    return [_job_return(run) for run in runs]


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
            self._callbacks.on_job_end(config=whole, job_return=_job_return(run))
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


def build_executor(executor: Any) -> Executor:
    """The executor that a config names.

    Raises:
        ConfigError: nothing of that name builds one.
    """
    rule = "hydra.launcher.executor must build a concurrent.futures.Executor"
    try:
        built = instantiate(executor)
    except HarmonicError:
        raise
    except Exception as error:
        cause = error.__cause__ or error
        if isinstance(cause, HarmonicError):
            raise cause from None
        reason = " ".join(f"{type(cause).__name__}: {cause}".split())
        raise ConfigError(f"{rule}; got {reason}") from error
    if not isinstance(built, Executor):
        raise ConfigError(f"{rule}; got {built!r}")
    return built


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
    progress.log.info(f"#{run.job.number} {summary({**run.row, 'dir': str(run.place.folder)})}")


class _Return(JobReturn):
    """A `JobReturn` whose configs are made when somebody asks for them: that takes longer than all else of it."""

    job: Job

    @property
    def hydra_cfg(self) -> DictConfig:
        return self.job.whole()

    @hydra_cfg.setter
    def hydra_cfg(self, value: DictConfig | None) -> None:
        """The dataclass sets its default, which is None."""

    @property
    def cfg(self) -> DictConfig:
        config = OmegaConf.create(self.job.yaml)
        assert isinstance(config, DictConfig)
        return config

    @cfg.setter
    def cfg(self, value: DictConfig | None) -> None:
        """The dataclass sets its default, which is None."""


def _job_return(run: Run) -> JobReturn:
    folder = str(run.place.folder)
    stood = folder if run.job.settings.chdir else str(Path.cwd())
    returned = _Return(list(run.job.overrides), working_dir=stood, task_name=JobRuntime.instance().get("name"))
    returned.job = run.job
    if run.error is None:
        assert run.row is not None
        returned.status, returned.return_value = JobStatus.COMPLETED, record.objective(run.config, run.row)
    else:
        table = run.place.table
        returned.status = JobStatus.FAILED
        returned.return_value = RunFailed(f"job {run.job.number} failed with {run.error}; its row is in '{table}'")
    return returned
