"""What does not go together in a search is refused before anything is trained: a list of rules, each a function."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from harmonic.config.job_settings import JobSettings
from harmonic.errors import ConfigError
from harmonic.execution.grid import check_job
from harmonic.execution.job_callbacks import HydraJobCallbacks
from harmonic.results.record import Place
from harmonic.search import confirm, results
from harmonic.search.journal import JOURNAL
from harmonic.search.spec import SearchSpec
from harmonic.search.task import Task

PROBE = 10**9 + 7  # a trial's number that no value of a config is likely to hold


def check_search(spec: SearchSpec, task: Task) -> HydraJobCallbacks | None:
    """Refuse what does not go together, and configs that break a rule at the ends of the ranges.

    Returns:
        The callbacks of the task's runs; None where Hydra's launcher calls them.

    Raises:
        ConfigError: something cannot be had as configured.
    """
    for rule in RULES:
        rule(spec)
    jobs = _check_corners(spec, task)
    if not task.streams:
        return None
    callbacks = HydraJobCallbacks(task.launcher, jobs)
    _one_run_at_a_time_needs_whole_runs(spec, callbacks)
    return callbacks


def _a_direction_for_each_objective(spec: SearchSpec) -> None:
    if len(spec.settings.direction) != len(spec.objectives):
        rule = f"one direction, or one for each of {spec.objectives}"
        raise ConfigError.broken("hydra.sweeper.direction", rule, spec.settings.direction)


def _seeds_are_not_searched(spec: SearchSpec) -> None:
    if spec.settings.seeds and any(one.name == "seed" for one in spec.space.parameters):
        raise ConfigError("seeds are replicates where hydra.sweeper.seeds is set; got seed as a parameter too")


def _fresh_seeds_are_new(spec: SearchSpec) -> None:
    known: set[Any] = set(spec.settings.seeds) or {base.get("seed") for base in spec.bases}
    if used := sorted(known.intersection(spec.settings.fresh_seeds)):
        raise ConfigError.broken("hydra.sweeper.fresh_seeds", "seeds that no trial uses", used)


def _fresh_seeds_need_one_best(spec: SearchSpec) -> None:
    if spec.settings.fresh_seeds and (spec.several or not spec.streams):
        raise ConfigError(
            "hydra.sweeper.fresh_seeds needs one objective and hydra/launcher=harmonic; got "
            + ("several objectives" if spec.several else "another launcher or task")
        )


def _rungs_need_a_pruner_of_steps(spec: SearchSpec) -> None:
    if spec.settings.rungs is not None and not spec.prunes_steps:
        raise ConfigError("hydra.sweeper.rungs needs a pruner that looks at steps, as optuna.pruners.MedianPruner")


def _prune_by_needs_a_pruner(spec: SearchSpec) -> None:
    if spec.settings.prune_by is not None and not spec.prunes:
        raise ConfigError("hydra.sweeper.prune_by needs a hydra.sweeper.pruner, as optuna.pruners.MedianPruner")


def _a_pruner_goes_by_one_column(spec: SearchSpec) -> None:
    if spec.several and spec.prunes and spec.settings.prune_by is None:
        raise ConfigError(
            f"a pruner needs one column to go by; got the objectives {spec.objectives}: set hydra.sweeper.prune_by"
        )


def _a_pruner_can_stop_runs(spec: SearchSpec) -> None:
    if spec.prunes and not spec.streams:
        raise ConfigError("a pruner needs hydra/launcher=harmonic, which can stop a run; got another launcher or task")


def _a_pruner_of_seeds_has_several(spec: SearchSpec) -> None:
    if spec.prunes_seeds and len(spec.settings.seeds) < 2:
        rule = "two or more seeds for a pruner that compares them"
        raise ConfigError.broken("hydra.sweeper.seeds", rule, spec.settings.seeds)


def _target_and_patience_need_one_objective(spec: SearchSpec) -> None:
    if spec.several and (spec.settings.target is not None or spec.settings.patience is not None):
        raise ConfigError("hydra.sweeper.target and patience need one objective; got " + ", ".join(spec.objectives))


RULES: Sequence[Callable[[SearchSpec], None]] = (
    _a_direction_for_each_objective,
    _seeds_are_not_searched,
    _fresh_seeds_are_new,
    _fresh_seeds_need_one_best,
    _rungs_need_a_pruner_of_steps,
    _prune_by_needs_a_pruner,
    _a_pruner_goes_by_one_column,
    _a_pruner_can_stop_runs,
    _a_pruner_of_seeds_has_several,
    _target_and_patience_need_one_objective,
)


def _check_corners(spec: SearchSpec, task: Task) -> list[JobSettings]:
    """Check the configs at the ends of the ranges, as runs do; what their jobs ask Hydra for."""
    here, settings = task.here, list[JobSettings]()
    for corner in spec.space.corners() if task.trains else ():
        job = task.job(0, spec.space, corner)
        check_job(job, Place(job.folder, task.home), here)
        settings.append(job.settings)
        _check_folder(spec, task, corner)
    return settings


def _check_folder(spec: SearchSpec, task: Task, corner: Mapping[str, Any]) -> None:
    """Refuse a `hydra.sweep.subdir` that may give two trials one folder. Two may draw the same values, so that the
    number must be in it, and not beside another number: 1 and 12 would be 11 and 2."""
    name = Place(task.job(PROBE, spec.space, corner).folder, task.home).name
    alone = re.search(rf"(?<!\d){PROBE}(?!\d)", name)
    if not alone or Path(name).parts[0] in (confirm.SUBFOLDER, results.FILE, JOURNAL):
        rule = "a folder of its own for each trial, as ${hydra.job.num} in it gives, and none of a search's own"
        given = OmegaConf.to_container(task.master.hydra.sweep)["subdir"]  # type: ignore[call-overload, index]
        raise ConfigError.broken("hydra.sweep.subdir", rule, given)


def _one_run_at_a_time_needs_whole_runs(spec: SearchSpec, callbacks: HydraJobCallbacks) -> None:
    """Callbacks that follow one run at a time need each trained from its begin to its end, no other in between."""
    several = len(spec.settings.seeds) > 1
    if callbacks.one_by_one and several and (spec.prunes_steps or spec.settings.storage):
        raise ConfigError(
            f"one run at a time must be trained ({callbacks.one_by_one}); got several hydra.sweeper.seeds that "
            "are trained in turns for a pruner of steps, or written together for a hydra.sweeper.storage: take one "
            "seed, or hydra/launcher=basic"
        )
