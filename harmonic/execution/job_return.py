"""What Hydra's launcher gives back of a job."""

from __future__ import annotations

from pathlib import Path

from hydra.core.utils import JobReturn, JobRuntime, JobStatus
from omegaconf import DictConfig, OmegaConf

from harmonic.config.job import Job
from harmonic.errors import RunFailed
from harmonic.execution.run_writer import Run
from harmonic.results.record import objective


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


def job_return(run: Run) -> JobReturn:
    """The return of a run that has ended: its objective, or what it raised."""
    folder = str(run.place.folder)
    stood = folder if run.job.settings.chdir else str(Path.cwd())
    returned = _Return(list(run.job.overrides), working_dir=stood, task_name=JobRuntime.instance().get("name"))
    returned.job = run.job
    if run.error is None:
        assert run.row is not None
        returned.status, returned.return_value = JobStatus.COMPLETED, objective(run.config, run.row)
    else:
        table = run.place.table
        returned.status = JobStatus.FAILED
        returned.return_value = RunFailed(f"job {run.job.number} failed with {run.error}; its row is in '{table}'")
    return returned
