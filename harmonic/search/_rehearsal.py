"""A sampler and a pruner tried out on fake trials: what they refuse, many refuse only when they are used."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import optuna
from optuna.samplers import RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from harmonic.search.reproducible_sampler import guarded_call
from harmonic.search.samplers import build_pruner, build_sampler
from harmonic.search.settings import Settings
from harmonic.search.space import Space

TRIED = 24  # fake trials; more than most samplers draw at random
REPORTS = 8  # to a pruner, at most


def try_out(settings: Settings, space: Space, directions: Sequence[StudyDirection], rung: int, steps: int) -> None:
    """Draw from a study of fake trials, and prune in it.

    Args:
        settings: name the sampler and the pruner.
        rung: steps between two reports to the pruner.
        steps: of a whole run.

    Raises:
        ConfigError: names the sampler or the pruner, and what it raised.
    """
    reports = range(rung, max(steps, rung) + 1, rung)[:REPORTS]
    pruner, section = build_pruner(settings.pruner, rung, steps), dict(settings.sampler)
    if isinstance(startup := section.get("n_startup_trials"), int):
        section["n_startup_trials"] = min(startup, TRIED // 2)  # what is drawn at random tries nothing out
    study = optuna.create_study(directions=directions, sampler=RandomSampler(seed=0), pruner=pruner)
    study.add_trials(_fakes(study, space, reports))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is asked twice they speak when it is in earnest
        study.sampler = build_sampler(section, space)
        trial, base = study.ask(), space.bases()[0]
        for one in space.parameters:
            if one.name in base:
                one.draw(trial)
        if len(directions) == 1:
            _prune(trial, reports)
        study.tell(trial, [0.5] * len(directions))
        if len(directions) > 1:
            pruning = optuna.create_study(sampler=RandomSampler(seed=0), pruner=pruner)
            pruning.add_trials(_fakes(pruning, space, reports))
            _prune(pruning.ask(), reports)


def _fakes(study: Study, space: Space, reports: Sequence[int]) -> list[FrozenTrial]:
    """Trials as a search may leave them: complete, and some pruned or failed."""
    chance = np.random.default_rng(0)
    points = space.samples(TRIED, lambda one: study.sampler.sample_independent(study, None, one.name, one.distribution))  # type: ignore[arg-type]  # a random draw looks at no trial
    kinds = {one.name: one.distribution for one in space.parameters}
    ends = [TrialState.COMPLETE] * (TRIED - 2) + [TrialState.PRUNED, TrialState.FAIL]
    several = len(study.directions) > 1
    return [
        create_trial(
            state=state,
            values=list(chance.random(len(study.directions))) if state is TrialState.COMPLETE else None,
            params=point,
            distributions={name: kinds[name] for name in point},
            intermediate_values={} if several else {step: float(chance.random()) for step in reports},
        )
        for point, state in zip(points, ends, strict=True)
    ]


def _prune(trial: Trial, reports: Sequence[int]) -> None:
    worse = 1 if trial.study.direction is StudyDirection.MINIMIZE else -1
    for step in reports:
        trial.report(float(worse * step), step)
        guarded_call("pruner", trial.study.pruner, trial.should_prune)
