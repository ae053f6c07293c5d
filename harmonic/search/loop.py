"""The search itself: ask, train, report, tell.

No trial waits for another. A new one is asked when a worker would otherwise idle, so that as few as
possible are in flight and each knows as much as possible of those before it.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from harmonic.errors import ConfigError, PlaceTaken, RunFailed
from harmonic.execution.progress import SweepProgress
from harmonic.results.outcome import Outcome
from harmonic.search.open_trial import STATES, OpenTrial, Replicate, Segment, Stage
from harmonic.search.pruning import Pruning
from harmonic.search.runners import Runner
from harmonic.search.samplers import Numbered
from harmonic.search.settings import Settings
from harmonic.search.sharing import ExclusiveStudy
from harmonic.search.space import Space
from harmonic.search.study import FINISHED, KEPT, kept

SAME_ERRORS = 3  # of a sweep's first trials: the fault is not theirs


@dataclass
class Search:
    """One sweep of a study.

    Args:
        objectives: columns whose means are a trial's values.
        stages: of every trial.
        prune_by: the column that the pruner looks at.
        share: whether others work at the study too, and what follows.
        rowless: trials that have ended and whose rows are lost.
    """

    study: Study
    space: Space
    runner: Runner
    settings: Settings
    sampler: Numbered
    pruning: Pruning
    progress: SweepProgress
    objectives: Sequence[str]
    stages: Callable[[Sequence[Replicate]], Sequence[Stage]]
    prune_by: str
    share: ExclusiveStudy
    rowless: deque[FrozenTrial]
    in_flight: list[OpenTrial] = field(default_factory=list)
    ended: str | None = None  # why no more trials are asked

    def run(self) -> None:
        """Go on until the study holds `n_trials`, or one of the other ends is reached.

        Raises:
            RunFailed: too many trials failed, or the first of them all with the same error.
        """
        self._began, self._told, self._errors = time.monotonic(), 0, list[str]()
        self._best, self._since_best = self._best_so_far()
        self._note = ""
        while True:
            while self.runner.capacity > 0 and (segment := self._next_segment()):
                self.runner.submit(segment)
            goes_on = bool(self.in_flight)
            if goes_on:
                self._go_on()
            elif self.ended is None:
                goes_on = self.share.wait()
            if self.share.elsewhere is not None:
                self.progress.kept(self.share.elsewhere)
            if not goes_on:
                break

    def _go_on(self) -> None:
        """Take what has finished meanwhile, and tell the trials that are done."""
        self.progress.running(self.runner.running)
        for segment, outcome in self.runner.collect() if self.runner.pending else ():
            self._receive(segment, outcome)
        done = [one for one in list(self.in_flight) if one.at_rest and self._still_ours(self._ends, one)]
        self.runner.flush()  # a trial is told when its rows are on disk
        for open_trial in done:
            self._still_ours(self._tell, open_trial)
        self.share.tend()

    def _still_ours(self, act: Callable[[OpenTrial], bool], open_trial: OpenTrial) -> bool:
        """Do something to a trial, unless it was taken over while this sweep stood still (its machine slept)."""
        try:
            return act(open_trial)
        except UpdateFinishedTrialError:
            self.in_flight.remove(open_trial)
            return False

    def _next_segment(self) -> Segment | None:
        """A segment of the oldest trial that has one, or else of a new trial."""
        for open_trial in self.in_flight:
            if segment := open_trial.next_segment():
                return segment
        if self.rowless and not self._crowded:
            return self._take_up_again(self.rowless.popleft()).next_segment()
        while self._may_ask():
            try:
                trial = self.share.ask()
                if trial is None:
                    return None
                if begun := self._take_up(trial):
                    return begun.next_segment()
            except UpdateFinishedTrialError:  # taken over while its parameters were drawn
                return None
        return None

    @property
    def _crowded(self) -> bool:
        """Whether as many trials are in flight as may be."""
        return self.settings.n_jobs is not None and len(self.in_flight) >= self.settings.n_jobs

    def _may_ask(self) -> bool:
        settings = self.settings
        if self._crowded or self.rowless:
            return False
        if settings.timeout is not None and time.monotonic() - self._began >= settings.timeout:
            self.ended = f"the timeout of {settings.timeout:g} s has passed"
        elif settings.target is not None and not self._better(settings.target, self._best):
            self.ended = f"the target {settings.target:g} is reached"
        elif settings.patience is not None and self._since_best >= settings.patience:
            self.ended = f"{self._since_best} trials have brought no improvement"
        elif self.sampler.exhausted:
            self.ended = "every point of the space has been tried"
        return self.ended is None

    def _take_up(self, trial: Trial) -> OpenTrial | None:
        """Train a trial from now on; None: its values cannot be trained, and it has failed."""
        values = None
        try:
            values = self.space.suggest(trial)
            replicates = self.runner.replicates(trial.number, self.space.overrides(values))
        except ConfigError as error:
            enqueued = bool(trial._fixed_params)
            if not enqueued and values is None:
                raise
            trial.set_user_attr(KEPT, {"status": "failed", "error": str(error)})
            self.study.tell(trial, state=TrialState.FAIL)  # it would be refused again
            self.share.told(trial)
            if isinstance(error, PlaceTaken):
                raise
            self.progress.finished("failed", self._note)
            if not enqueued:  # what was drawn counts as any failure does
                self._told += 1
                self._errors.append(str(error))
                self._check_failures()
            return None
        self.in_flight.append(OpenTrial(trial, values, replicates, self.stages(replicates), self.objectives))
        return self.in_flight[-1]

    def _take_up_again(self, trial: FrozenTrial) -> OpenTrial:
        """Train a trial once more, its runs under the ids that the study knows."""
        replicates = self.runner.replicates(trial.number, self.space.overrides(trial.params))
        for replicate, run in zip(replicates, kept(trial)["runs"], strict=False):
            if replicate.run is not None:
                replicate.run.id = run
        self.in_flight.append(OpenTrial(trial, trial.params, replicates, self.stages(replicates), self.objectives))
        return self.in_flight[-1]

    def _receive(self, segment: Segment, outcome: Outcome) -> None:
        """Take what a segment gave, and write its run if that has ended."""
        if segment.open_trial.receive(segment, outcome, self.settings.max_retries) and self.share.writes_early:
            self.runner.write(segment.replicate)

    def _ends(self, open_trial: OpenTrial) -> bool:
        """Whether the trial ends after this stage; else the next one is on its way."""
        pruned = False
        if not open_trial.spoilt and len(open_trial.stages) > 1:
            pruned = self.pruning.prunes(open_trial.trial, open_trial.stage.step, open_trial.mean(self.prune_by))
        if not (open_trial.spoilt or pruned or open_trial.at_last_stage):
            open_trial.next_stage()
            return False
        if isinstance(open_trial.trial, Trial) and not self.share.holds(open_trial.trial):
            raise UpdateFinishedTrialError
        open_trial.end(pruned and not open_trial.at_last_stage)
        for replicate in open_trial.replicates:
            if replicate.ended:
                self.runner.write(replicate)
        return True

    def _tell(self, open_trial: OpenTrial) -> bool:
        """Tell Optuna how a trial ended."""
        if isinstance(open_trial.trial, FrozenTrial):  # it knows
            self.in_flight.remove(open_trial)
            return True
        values, state = open_trial.results(), STATES[open_trial.status]
        if state is TrialState.COMPLETE and any(map(math.isnan, values)):
            state = TrialState.FAIL
        open_trial.trial.set_user_attr(KEPT, _kept(open_trial, state))
        complete = state is TrialState.COMPLETE
        self.pruning.end(open_trial.trial, state, open_trial.mean(self.prune_by) if complete else None)
        told = self.study.tell(open_trial.trial, values if complete else None, state=state, skip_if_finished=True)
        if told.state is not state:
            raise UpdateFinishedTrialError
        self.share.told(open_trial.trial)
        self.in_flight.remove(open_trial)
        if complete and len(values) == 1 and self._better(values[0], self._best):
            self._best, self._since_best = values[0], 0
            self._note = f"best {self.objectives[0]} {best_text(open_trial)}"
        else:
            self._since_best += 1
        self.progress.finished(open_trial.status, self._note)
        self._told += 1
        if open_trial.status == "failed":
            self._errors.append(str(open_trial.error))
            self._check_failures()
        return True

    def _check_failures(self) -> None:
        """End the sweep where more trials have failed than may, or where from its first on all have failed alike."""
        rate, failed = self.settings.max_failure_rate, len(self._errors)
        if failed > rate * self.settings.n_trials:
            raise RunFailed(
                f"hydra.sweeper.max_failure_rate lets {rate:g} of the {self.settings.n_trials} trials fail; "
                f"{failed} have, the last with {self._errors[-1]}"
            )
        if rate < 1 and self._told == failed >= SAME_ERRORS and len(set(self._errors)) == 1:
            raise RunFailed(
                f"the sweep ends, for its first {failed} trials failed alike with {self._errors[-1]}; "
                "with hydra.sweeper.max_failure_rate=1 it would go on"
            )

    def _better(self, value: float, than: float) -> bool:
        """Whether a value is strictly better than another."""
        return value > than if self.study.directions[0] is StudyDirection.MAXIMIZE else value < than

    def _best_so_far(self) -> tuple[float, int]:
        """The best value of the study as it is, and the number of trials since."""
        best, since = -math.inf if self.study.directions[0] is StudyDirection.MAXIMIZE else math.inf, 0
        for one in self.study.get_trials(deepcopy=False, states=FINISHED):
            value = one.values[0] if one.state is TrialState.COMPLETE and one.values else None
            if value is not None and len(self.study.directions) == 1 and self._better(value, best):
                best, since = value, 0
            else:
                since += 1
        return best, since


def _kept(open_trial: OpenTrial, state: TrialState) -> Mapping[str, Any]:
    """What the study keeps of a trial beside its values: one attribute, for each costs a write to disk."""
    rows = [one.run.row for one in open_trial.replicates if one.run is not None and one.run.row is not None]
    kept: dict[str, Any] = {"status": open_trial.status, "replicates": len(open_trial.replicates)}
    if rows:
        kept["runs"] = [str(row["run"]) for row in rows]
        kept["dir"] = os.path.commonpath([one.run.place.name for one in open_trial.replicates if one.run is not None])
    if state is TrialState.COMPLETE and (spread := open_trial.spread()) is not None:
        kept["spread"] = spread
    if open_trial.error:
        kept["error"] = open_trial.error
    return kept


def best_text(open_trial: OpenTrial) -> str:
    """A trial's first value with its spread, and its parameters."""
    spread = open_trial.spread()
    tolerance = f" ± {spread[0]:.2g}" if spread and spread[0] is not None else ""
    values = " ".join(f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
                      for name, value in open_trial.values.items())  # fmt: skip
    return f"{open_trial.results()[0]:.4g}{tolerance} at {values}"
