"""Between Hydra's launcher interface and `grid`: jobs in, `JobReturn`s out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

from hydra.core.utils import JobReturn, configure_log
from hydra.types import HydraContext
from omegaconf import DictConfig

from harmonic._compat.hydra import instantiate
from harmonic.config.sweep_compose import Snapshot
from harmonic.errors import ConfigError, HarmonicError
from harmonic.execution.console import say
from harmonic.execution.executors import Workers
from harmonic.execution.grid import prepare_runs, train_runs
from harmonic.execution.job_callbacks import HydraJobCallbacks
from harmonic.execution.job_return import job_return
from harmonic.execution.progress import SweepProgress
from harmonic.execution.run_writer import Run, RunWriter

LOCAL_LAUNCHERS = ("BasicLauncher", "JoblibLauncher")


def trains_here(launcher: Any) -> bool:
    """Whether the jobs of a launcher are trained on this machine.

    Raises:
        ConfigError: its executor cannot be had as configured.
    """
    if not getattr(launcher, "checks_jobs", False):
        return type(launcher).__name__ in LOCAL_LAUNCHERS
    return bool(launcher.workers is not Workers.OTHERS)


def check_jobs(
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
    return prepare_runs([snapshot.job(first + index, one) for index, one in enumerate(overrides)], snapshot.home, here)


def launch_jobs(launcher: Any, runs: Sequence[Run], rows: dict[str, str]) -> Sequence[JobReturn]:
    """Train the runs of harmonic's jobs; one return a job, in their order.

    Args:
        launcher: Hydra's, set up for the sweep.
        runs: as `check_jobs` gave them.
        rows: as `grid.train_runs` has them.

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
    return [job_return(run) for run in runs]


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
