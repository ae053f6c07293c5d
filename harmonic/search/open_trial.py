"""A trial on its way: its replicates, trained stage by stage, and what they come to.

Without a pruner a trial is one stage: all its seeds, to the end. A pruner of steps looks in between, so
that all seeds advance rung by rung; Wilcoxon's looks at one seed after the other. A stage's value is the
mean of its replicates: what the pruner is told, and in the end what Optuna is told.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.trial import FrozenTrial, Trial, TrialState

from harmonic.execution.run_writer import Run
from harmonic.results.outcome import Outcome

STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "diverged": TrialState.FAIL,
    "failed": TrialState.FAIL,
}


@dataclass
class Replicate:
    """One seed of a trial. run: where it goes; outcome: as far as it has come."""

    seed: int | None
    overrides: Sequence[str]
    run: Run | None = None  # None where Hydra's launcher runs it, and writes
    outcome: Outcome | None = None
    retries: int = 0

    @property
    def status(self) -> str:
        return "waiting" if self.outcome is None else str(self.outcome.columns["status"])

    @property
    def ended(self) -> bool:
        return self.status in STATES


@dataclass(frozen=True)
class Stage:
    """What is trained between two looks of the pruner. step: as the pruner knows it; until: the step at
    which runs pause, None: their end; replicates: by index."""

    step: int
    until: int | None
    replicates: Sequence[int]


@dataclass(frozen=True)
class Segment:
    """One replicate of a open_trial, to be trained until a step."""

    open_trial: OpenTrial
    replicate: Replicate
    until: int | None


@dataclass(eq=False)
class OpenTrial:
    """A trial, asked and not yet told.

    Args:
        trial: Optuna's; one that has ended already is trained once more, for its rows are lost.
        values: of its parameters.
        replicates: one a seed.
        stages: in their order.
        objectives: columns whose means are the trial's values.
    """

    trial: Trial | FrozenTrial
    values: Mapping[str, Any]
    replicates: Sequence[Replicate]
    stages: Sequence[Stage]
    objectives: Sequence[str]
    status: str = "running"
    _reached: int = 0
    _waiting: deque[Segment] = field(default_factory=deque)
    _training: int = 0

    def __post_init__(self) -> None:
        self._queue_stage()

    @property
    def number(self) -> int:
        return self.trial.number

    @property
    def stage(self) -> Stage:
        return self.stages[self._reached]

    def next_segment(self) -> Segment | None:
        """What may be trained now; None: all that there is, is in training."""
        if not self._waiting:
            return None
        self._training += 1
        return self._waiting.popleft()

    def receive(self, segment: Segment, outcome: Outcome, max_retries: int) -> bool:
        """Take what a segment gave; whether its run has come to an end. A run that raised is tried again."""
        self._training -= 1
        if outcome.columns["status"] == "failed" and segment.replicate.retries < max_retries:
            segment.replicate.retries += 1
            self._waiting.append(segment)
            return False
        segment.replicate.outcome = outcome
        return segment.replicate.ended

    @property
    def at_rest(self) -> bool:
        """Whether the stage is done."""
        return not self._waiting and not self._training

    def mean(self, column: str) -> float:
        """The stage's mean of a column; NaN where a replicate has none."""
        return _mean([self._value(self.replicates[index], column) for index in self.stage.replicates])

    @property
    def spoilt(self) -> bool:
        """Whether a replicate ended badly: the trial has no value then."""
        return any(one.status in ("diverged", "failed") for one in self.replicates)

    @property
    def at_last_stage(self) -> bool:
        return self.stage is self.stages[-1]

    def next_stage(self) -> None:
        """Go on to the next stage."""
        self._reached += 1
        self._queue_stage()

    def end(self, pruned: bool) -> None:
        """Settle how the trial ended, and with it the replicates that are in mid-run."""
        statuses = {one.status for one in self.replicates}
        self.status = next(
            (bad for bad in ("failed", "diverged") if bad in statuses), "pruned" if pruned else "complete"
        )
        for one in self.replicates:
            if one.status == "paused" and one.outcome is not None:
                one.outcome = replace(one.outcome, columns={**one.outcome.columns, "status": "pruned"})

    def results(self) -> list[float]:
        """The trial's values, one an objective: means over its replicates."""
        return [_mean([self._value(one, name) for one in self.replicates]) for name in self.objectives]

    def spread(self) -> list[float | None] | None:
        """The standard deviations over the replicates; None of a single one, and of values that have none."""
        if len(self.replicates) < 2:
            return None
        return [_deviation([self._value(one, name) for one in self.replicates]) for name in self.objectives]

    @property
    def error(self) -> str | None:
        """Why it failed or diverged."""
        errors = [one.outcome.columns.get("error") for one in self.replicates if one.outcome and one.ended]
        return next((str(error) for error in errors if error), None)

    def _queue_stage(self) -> None:
        for index in self.stage.replicates:
            one = self.replicates[index]
            if not one.ended:
                self._waiting.append(Segment(self, one, self.stage.until))

    @staticmethod
    def _value(replicate: Replicate, column: str) -> float:
        value = replicate.outcome.columns.get(column) if replicate.outcome else None
        return math.nan if value is None else float(value)


def _mean(values: Sequence[float]) -> float:
    try:
        return math.fsum(values) / len(values)
    except (OverflowError, ValueError):  # their sum is no float, or they hold both infinities
        return float(statistics.mean(values))


def _deviation(values: Sequence[float]) -> float | None:
    """The standard deviation; None where one of the values is not finite, or no float holds it."""
    if not all(map(math.isfinite, values)):
        return None
    with suppress(OverflowError):
        return statistics.stdev(values)
    return None


def plan(steps: int, rung: int | None, seeds: int, one_by_one: bool) -> list[Stage]:
    """The stages of a trial.

    Args:
        steps: of a run.
        rung: steps between two looks of the pruner; None: it does not look at steps.
        seeds: replicates.
        one_by_one: the pruner looks at one seed after the other.
    """
    everyone = range(seeds)
    if one_by_one:
        return [Stage(index, None, [index]) for index in everyone]
    rungs = range(rung, steps, rung) if rung else ()
    return [*(Stage(step, step, everyone) for step in rungs), Stage(steps, None, everyone)]
