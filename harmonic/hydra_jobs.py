"""Between Hydra's launcher interface and `launch`: jobs in, `JobReturn`s out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.utils import JobReturn, JobStatus, configure_log
from hydra.types import HydraContext
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from harmonic import executors, job
from harmonic.errors import ConfigError, HarmonicError, RunFailed
from harmonic.launch import launch as launch_runs
from harmonic.launch import prepare
from harmonic.ledger import Ledger, Run
from harmonic.progress import SweepProgress
from harmonic.snapshot import Job, Snapshot

LOCAL_LAUNCHERS = ("BasicLauncher", "JoblibLauncher")


def trains_here(launcher: Any) -> bool:
    """Whether the jobs of a launcher are trained on this machine.

    Raises:
        ConfigError: its executor cannot be had as configured.
    """
    if not getattr(launcher, "checks_jobs", False):
        return type(launcher).__name__ in LOCAL_LAUNCHERS
    with build_executor(launcher.executor) as built:
        return executors.trains_here(built)


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
    assert isinstance(context.config_loader, ConfigLoaderImpl)
    snapshot = Snapshot(context.config_loader, master)
    return prepare([snapshot.job(first + index, one) for index, one in enumerate(overrides)], snapshot.home, here)


def launch(master: DictConfig, executor: Any, runs: Sequence[Run], rows: dict[str, str]) -> Sequence[JobReturn]:
    """Train the runs of harmonic's jobs; one return a job, in their order.

    Args:
        runs: as `check` gave them.
        rows: as `launch.launch` has them.

    Raises:
        RowsMissing: rows of the sweep were removed while it went on.
        ConfigError: another run lies in the place of one of them.
    """
    configure_log(master.hydra.hydra_logging, master.hydra.verbose)
    if runs:
        Ledger(runs[0].place.table).adopt(runs)
    launch_runs(runs, lambda: build_executor(executor), SweepProgress(), rows)
    return [_job_return(run, str(master.hydra.job.name)) for run in runs]


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


class _Return(JobReturn):
    """A `JobReturn` whose config is made when somebody asks for it: that takes longer than all else of it."""

    job: Job

    @property
    def cfg(self) -> DictConfig:
        config = OmegaConf.create(self.job.yaml)
        assert isinstance(config, DictConfig)
        return config

    @cfg.setter
    def cfg(self, value: DictConfig | None) -> None:
        """The dataclass sets its default, which is None."""


def _job_return(run: Run, name: str) -> JobReturn:
    returned = _Return(list(run.job.overrides), working_dir=str(run.place.folder), task_name=name)
    returned.job = run.job
    if run.error is None:
        assert run.row is not None
        returned.status, returned.return_value = JobStatus.COMPLETED, job.objective(run.config, run.row)
    else:
        table = run.place.table
        returned.status = JobStatus.FAILED
        returned.return_value = RunFailed(f"job {run.job.number} failed with {run.error}; its row is in '{table}'")
    return returned
