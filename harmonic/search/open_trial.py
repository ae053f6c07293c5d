"""An open trial: asked and not yet told. Its replicates are trained stage by stage; their means are its values.

A stage's value is the mean of its replicates: what the pruner is told, and in the end what Optuna is told.
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
from harmonic.search.stages import Stage
from harmonic.training.status import Status

STATES: dict[str, TrialState] = {
    Status.COMPLETE: TrialState.COMPLETE,
    Status.PRUNED: TrialState.PRUNED,
    Status.DIVERGED: TrialState.FAIL,
    Status.FAILED: TrialState.FAIL,
}


@dataclass(eq=False)
class Replicate:
    """One seed of a trial, as far as it has come.

    overrides: of its job; job: the number that a launcher gives it; run: None where Hydra's launcher runs it, and
    writes; outcome: of what is trained of it; retries: times that it was tried again.
    """

    overrides: Sequence[str]
    job: int
    run: Run | None = None
    outcome: Outcome | None = None
    retries: int = 0

    @property
    def status(self) -> str:
        return "waiting" if self.outcome is None else str(self.outcome.columns["status"])

    @property
    def ended(self) -> bool:
        return self.status in STATES

    def value(self, column: str) -> float:
        """A column of its outcome; NaN where it has none."""
        value = self.outcome.columns.get(column) if self.outcome else None
        return math.nan if value is None else float(value)


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
    _waiting: deque[Replicate] = field(default_factory=deque)
    _training: int = 0

    def __post_init__(self) -> None:
        self._queue_stage()

    @property
    def number(self) -> int:
        return self.trial.number

    @property
    def stage(self) -> Stage:
        return self.stages[self._reached]

    @property
    def at_last_stage(self) -> bool:
        return self.stage is self.stages[-1]

    @property
    def at_rest(self) -> bool:
        """Whether the stage is done."""
        return not self._waiting and not self._training

    @property
    def spoilt(self) -> bool:
        """Whether a replicate ended badly: the trial has no value then."""
        return any(one.status in (Status.DIVERGED, Status.FAILED) for one in self.replicates)

    @property
    def error(self) -> str | None:
        """Why it failed or diverged."""
        errors = [one.outcome.columns.get("error") for one in self.replicates if one.outcome and one.ended]
        return next((str(error) for error in errors if error), None)

    def next_replicate(self) -> Replicate | None:
        """What is to be trained now, until the end of the stage; None: all that there is, is in training."""
        if not self._waiting:
            return None
        self._training += 1
        return self._waiting.popleft()

    def receive(self, replicate: Replicate, outcome: Outcome, max_retries: int) -> bool:
        """Take what training gave; whether its run has come to an end. A run that raised is tried again."""
        self._training -= 1
        if outcome.columns["status"] == Status.FAILED and replicate.retries < max_retries:
            replicate.retries += 1
            self._waiting.append(replicate)
            return False
        replicate.outcome = outcome
        return replicate.ended

    def next_stage(self) -> None:
        """Go on to the next stage."""
        self._reached += 1
        self._queue_stage()

    def end(self, pruned: bool) -> None:
        """Settle how the trial ended, and with it the replicates that are in mid-run."""
        statuses = {one.status for one in self.replicates}
        ends_well = Status.PRUNED if pruned else Status.COMPLETE
        self.status = str(next((bad for bad in (Status.FAILED, Status.DIVERGED) if bad in statuses), ends_well))
        for one in self.replicates:
            if one.status == Status.PAUSED and one.outcome is not None:
                one.outcome = replace(one.outcome, columns={**one.outcome.columns, "status": str(Status.PRUNED)})

    def mean(self, column: str) -> float:
        """The stage's mean of a column; NaN where a replicate has none."""
        return _mean([self.replicates[index].value(column) for index in self.stage.replicates])

    def results(self) -> list[float]:
        """The trial's values, one an objective: means over its replicates."""
        return [_mean([one.value(name) for one in self.replicates]) for name in self.objectives]

    def spread(self) -> list[float | None] | None:
        """The standard deviations over the replicates; None of a single one, and of values that have none."""
        if len(self.replicates) < 2:
            return None
        return [_deviation([one.value(name) for one in self.replicates]) for name in self.objectives]

    def _queue_stage(self) -> None:
        self._waiting += (self.replicates[index] for index in self.stage.replicates if not self.replicates[index].ended)


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
