"""The stages of a trial: what is trained between two reports to the pruner.

Without a pruner a trial is one stage: all its seeds, to the end. A pruner of steps looks in between, so that all seeds
advance rung by rung; Wilcoxon's looks at one seed after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """What is trained between two reports. step: as the pruner knows it; until: the step at which runs pause, None:
    their end; replicates: by index."""

    step: int
    until: int | None
    replicates: Sequence[int]


def plan_stages(steps: int, rung: int | None, seeds: int, one_by_one: bool) -> list[Stage]:
    """The stages of a trial.

    Args:
        steps: of a run.
        rung: steps between two reports; None: the pruner does not look at steps.
        seeds: replicates.
        one_by_one: the pruner looks at one seed after the other.
    """
    everyone = range(seeds)
    if one_by_one:
        return [Stage(index, None, [index]) for index in everyone]
    rungs = range(rung, steps, rung) if rung else ()
    return [*(Stage(step, step, everyone) for step in rungs), Stage(steps, None, everyone)]
