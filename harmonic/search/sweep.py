"""One call of the sweeper, from what Hydra hands over to what the search found: read this file first.

hydra.sweeper + overrides -> spec, checked -> study, opened or resumed -> search loop -> results -> fresh seeds
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from hydra.core.utils import configure_log
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig
from optuna.exceptions import ExperimentalWarning
from optuna.study import Study
from optuna.trial import FrozenTrial
from rich.console import Console

from harmonic.config.sweep_compose import Snapshot
from harmonic.execution.console import say
from harmonic.execution.executors import WorkersLost
from harmonic.execution.grid import Interrupted
from harmonic.execution.job_callbacks import HydraJobCallbacks
from harmonic.execution.progress import SweepProgress
from harmonic.execution.run_writer import verify_rows
from harmonic.execution.sweep_lock import SweepLock
from harmonic.results import tables
from harmonic.search import confirm, results
from harmonic.search._rehearsal import try_out
from harmonic.search.identity import changed_at
from harmonic.search.loop import Search
from harmonic.search.printed_results import print_results
from harmonic.search.reconnection import with_reconnections
from harmonic.search.resume import resume_study
from harmonic.search.sharing import ExclusiveStudy, SharedStudy
from harmonic.search.spec import SearchSpec
from harmonic.search.study import record_sweep
from harmonic.search.task import Task
from harmonic.search.trial_attributes import count_finished
from harmonic.search.validation import check_search


def sweep(
    context: HydraContext,
    master: DictConfig,
    launcher: Launcher,
    trains: bool,
    section: Mapping[str, Any],
    arguments: Sequence[str],
) -> None:
    """Search, or go on with a search, and write what was found.

    Args:
        master: the sweep's own config.
        launcher: Hydra's, set up for the sweep.
        trains: whether the task is harmonic's own.
        section: `hydra.sweeper`.
        arguments: the command line's overrides.

    Raises:
        ConfigError: something cannot be had as configured, or the study is another's. Nothing was trained.
        Interrupted: on SIGINT; what is finished is kept.
        RunFailed: the sweep ended by its failures.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", ExperimentalWarning)
    warnings.filterwarnings("ignore", "Heartbeat of storage is supposed to be used with Study.optimize")
    configure_log(master.hydra.hydra_logging, master.hydra.verbose)
    task = Task(master, launcher, trains, Snapshot(context.config_loader, master))
    spec = task.search_spec(section, arguments, context.config_loader)
    callbacks = check_search(spec, task)
    spec.sampler()  # as it is configured; the one that is tried out draws less at random
    steps, rung = spec.steps_and_rung
    try_out(spec.settings, spec.space, spec.directions, rung, steps)
    with SweepLock(task.home, spec.settings.storage is not None) as lock:
        with_reconnections(lambda: _search(spec, task, callbacks, lock), spec, task)


def _search(spec: SearchSpec, task: Task, callbacks: HydraJobCallbacks | None, lock: SweepLock) -> None:
    console, settings, table = Console(), spec.settings, task.home / tables.FOLDER
    study = resume_study(spec, task, console)
    record_sweep(task.master, study, task.home, settings.storage)
    progress = _progress(console, settings.n_trials, count_finished(study))
    if callbacks is not None and callbacks.one_by_one:
        say(console, f"one run at a time: {callbacks.one_by_one}")
    study_access, owner = ExclusiveStudy(study, settings.n_trials), None
    if settings.storage is not None:
        owner = lock.owner
        study_access = SharedStudy(study, settings.n_trials, owner, settings.heartbeat)
    to_retrain = _trials_to_retrain(study, task, owner, console)
    with progress, study_access, task.runner(spec, callbacks) as runner:
        search = Search(spec, study_access, runner, progress, to_retrain)
        try:
            search.run()
            runner.flush()
            progress.lost(len(results.trials_without_rows(study, table, owner)))
        except (KeyboardInterrupt, WorkersLost) as error:
            runner.flush()
            raise _with_what_is_kept(error, study, spec, task) from (error if isinstance(error, WorkersLost) else None)
        finally:
            solutions = results.write_results(
                study, task.home, spec.objectives, lambda best: _repeat_command(best, study, spec, task)
            )
            if task.streams:  # else a row's `trial` is a job's number
                results.mark_lost(study, table)
    if search.ended:
        say(console, f"ended: {search.ended}")
    print_results(study, task.home, spec.objectives, solutions, task.trains)
    if settings.fresh_seeds and solutions and lock.first and callbacks is not None:
        _train_fresh_seeds(study, spec, task, callbacks, console)
    verify_rows(table, {run: f"trial {one.number}" for run, one in results.trials_by_run(study, owner).items()})


def _progress(console: Console, n_trials: int, there: int) -> SweepProgress:
    progress = SweepProgress(console, unit="trials")
    progress.begin(max(n_trials, there), there)
    if there >= n_trials:
        say(console, f"nothing to do: n_trials={n_trials}, and the study has {there} finished trials")
    return progress


def _trials_to_retrain(study: Study, task: Task, owner: str | None, console: Console) -> list[FrozenTrial]:
    """The trials whose rows are lost. What was trained under another space or config cannot be trained again; it is
    named at the end."""
    rowless = results.trials_without_rows(study, task.home / tables.FOLDER, owner)
    trials = [one for one in rowless if one.number >= changed_at(study)]
    if trials:
        say(console, f"{len(trials)} trials have rows that are missing in the table: their runs are trained again")
    return trials


def _repeat_command(best: FrozenTrial, study: Study, spec: SearchSpec, task: Task) -> str | None:
    if not task.streams or best.number < changed_at(study):
        return None  # another application's task, one that another launcher composes, or another config
    return results.repeat_command(task.job(best.number, spec.space, best.params), spec.settings.seeds)


def _with_what_is_kept(error: BaseException, study: Study, spec: SearchSpec, task: Task) -> BaseException:
    """What ended the sweep, with what it leaves."""
    rows = len({row["dir"] for row in tables.read_rows(task.home / tables.FOLDER)})
    left = (
        f"{count_finished(study)} of {spec.settings.n_trials} trials are in the study, {rows} runs in the table; "
        "the same command goes on"
    )
    return WorkersLost(f"{error}; {left}") if isinstance(error, WorkersLost) else Interrupted(f"interrupted: {left}")


def _train_fresh_seeds(
    study: Study, spec: SearchSpec, task: Task, callbacks: HydraJobCallbacks, console: Console
) -> None:
    best, seeds = study.best_trial, spec.settings.fresh_seeds
    if best.number < changed_at(study):
        say(console, f"not trained from fresh seeds: trial {best.number} has another space or config than now")
        return
    runs = confirm.train_fresh_seeds(best, seeds, spec.space, task.snapshot, task.executor, task.here, callbacks)
    confirm.print_fresh_seeds(console, runs)
