"""What a search is, from its first trial to its last: settings, space, objectives, and the stages of its trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from optuna.pruners import BasePruner
from optuna.study import StudyDirection

from harmonic.results.columns import leaves
from harmonic.search.identity import Identity
from harmonic.search.open_trial import Replicate
from harmonic.search.reproducible_sampler import ReproducibleSampler
from harmonic.search.samplers import build_pruner, build_sampler, prunes_seeds, prunes_steps
from harmonic.search.settings import Settings
from harmonic.search.space import Space
from harmonic.search.stages import Stage, plan_stages


@dataclass(frozen=True)
class SearchSpec:
    """What a search is, and stays.

    Args:
        settings: of `hydra.sweeper`.
        space: what is searched.
        objectives: columns whose means over the seeds are a trial's values.
        bases: the first config of every combination of groups, all parameters at their lower ends.
        streams: whether runs are trained piece by piece; else only what comes out at their end is known.
    """

    settings: Settings
    space: Space
    objectives: Sequence[str]
    bases: Sequence[Mapping[str, Any]]
    streams: bool = True

    @property
    def several(self) -> bool:
        """Whether there are several objectives."""
        return len(self.objectives) > 1

    @property
    def directions(self) -> list[StudyDirection]:
        return [StudyDirection[one.upper()] for one in self.settings.direction]

    @property
    def prune_by(self) -> str:
        """The column that the pruner looks at."""
        return self.settings.prune_by or self.objectives[0]

    @cached_property
    def prunes_steps(self) -> bool:
        return prunes_steps(self.settings.pruner)

    @cached_property
    def prunes_seeds(self) -> bool:
        return prunes_seeds(self.settings.pruner)

    @property
    def prunes(self) -> bool:
        """Whether there is a pruner."""
        return self.prunes_steps or self.prunes_seeds

    @cached_property
    def steps_and_rung(self) -> tuple[int, int]:
        """The steps of a run, and those between two reports to a pruner."""
        if not self.streams:
            return 1, 1
        training = self.bases[0]["training"]
        return int(training["steps"]), int(self.settings.rungs or training["evaluate_every"])

    def sampler(self) -> ReproducibleSampler:
        """The sampler, built; it depends on the order of the space's options.

        Raises:
            ConfigError: it cannot be built as configured.
        """
        return build_sampler(self.settings.sampler, self.space)

    def pruner(self) -> BasePruner:
        """The pruner, built.

        Raises:
            ConfigError: it cannot be built as configured.
        """
        steps, rung = self.steps_and_rung
        return build_pruner(self.settings.pruner, rung, steps)

    def stages(self, replicates: Sequence[Replicate]) -> list[Stage]:
        """The stages of a trial with these replicates, whose configs say how many steps they take."""
        run = replicates[0].run
        if run is None:
            return plan_stages(1, None, len(replicates), one_by_one=False)
        training = run.config.training
        rung = (self.settings.rungs or training.evaluate_every) if self.prunes_steps else None
        return plan_stages(training.steps, rung, len(replicates), self.prunes_seeds)

    def identity(self) -> Identity:
        """What all trials share, under every combination of groups."""
        searched, config = {one.name for one in self.space.parameters}, dict[str, Any]()
        for groups, base in zip(self.space.combinations(), self.bases, strict=True):
            choice = " ".join(f"{name}={option}" for name, option in groups.items())
            for key, value in leaves(base).items():
                if key not in searched and key != "figures" and not (key == "seed" and self.settings.seeds):
                    config[f"{key} ({choice})" if choice else key] = value
        space = {one.name: one.text for one in self.space.parameters}
        return Identity(space, self.settings.seeds, config)
