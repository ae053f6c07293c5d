"""A sampler whose draws depend on the trial's number alone, and what a sampler or a pruner raises as a line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.exceptions import OptunaError
from optuna.samplers import BaseSampler, GridSampler, QMCSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from harmonic.errors import ConfigError, HarmonicError
from harmonic.results.outcome import reason

# Samplers whose seed names one order of points for the whole study, wherever it is taken up.
_SEQUENCES = (QMCSampler, GridSampler)

# What the storage of a study raises, and what has a line already.
_NOT_ITS_OWN = (HarmonicError, OptunaError, SQLAlchemyError, OSError)

Value = TypeVar("Value")


def guarded_call(key: str, one: object, act: Callable[[], Value]) -> Value:
    """What a call of a sampler or a pruner gives.

    Args:
        key: of `hydra.sweeper`.
        one: the sampler or the pruner.
        act: calls it.

    Raises:
        ConfigError: it has raised an exception of its own.
    """
    try:
        return act()
    except _NOT_ITS_OWN:
        raise
    except Exception as error:  # it may be anybody's
        rule = f"hydra.sweeper.{key} must be one that works here and as it is configured"
        raise ConfigError(f"{rule}; {type(one).__name__} got {reason(error)}") from error


class ReproducibleSampler(BaseSampler):
    """A sampler whose draws for a trial follow from the seed, the trial's number and the trials before it.

    Optuna's samplers keep a generator that a new process would start from the beginning. This one builds
    its sampler anew for every trial, seeded by (seed, number): a study that was interrupted goes on as it
    would have gone, and no two processes that share one draw the same.

    Args:
        build: the sampler with a given seed.
        seed: of the study.
    """

    def __init__(self, build: Callable[[int | None], BaseSampler], seed: int | None) -> None:
        self._build, self._seed = build, seed
        self._sampler = build(seed)
        self._reseeds = seed is not None and not isinstance(self._sampler, _SEQUENCES)
        self.exhausted = False  # a finite space has been searched

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        if self._reseeds:
            (seed,) = np.random.SeedSequence([int(self._seed or 0), trial.number]).generate_state(1)
            self._sampler = self._build(int(seed))
        self._call(lambda: self._sampler.before_trial(study, trial))

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._call(lambda: self._sampler.infer_relative_search_space(study, trial))

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._call(lambda: self._sampler.sample_relative(study, trial, search_space))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._call(lambda: self._sampler.sample_independent(study, trial, param_name, param_distribution))

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        if isinstance(self._sampler, GridSampler) and "grid_id" not in trial.system_attrs:
            return  # enqueued, and no point of the grid
        try:
            self._call(lambda: self._sampler.after_trial(study, trial, state, values))
        except ConfigError as error:  # so a finite space ends; Optuna knows `stop` inside `optimize` alone
            if "Study.stop" not in str(error.__cause__):
                raise
            self.exhausted = True

    def reseed_rng(self) -> None:
        self._sampler.reseed_rng()

    def _call(self, act: Callable[[], Value]) -> Value:
        return guarded_call("sampler", self._sampler, act)
