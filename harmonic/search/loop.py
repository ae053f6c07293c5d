"""The search loop: ask, train, report, tell.

No trial waits for another. A new one is asked when a worker would otherwise idle, so that as few as
possible are in flight and each knows as much as possible of those before it.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from harmonic._compat.optuna import enqueued_values
from harmonic.errors import ConfigError, PlaceTaken
from harmonic.execution.progress import SweepProgress
from harmonic.results.outcome import Outcome
from harmonic.search.failure_limit import FailureLimit
from harmonic.search.open_trial import STATES, OpenTrial, Replicate
from harmonic.search.pruning import Pruning
from harmonic.search.runners import Runner
from harmonic.search.sharing import ExclusiveStudy
from harmonic.search.spec import SearchSpec
from harmonic.search.stopping import StoppingCriteria
from harmonic.search.trial_attributes import ATTRIBUTES, attributes_of
from harmonic.training.status import Status


class Search:
    """One sweep of a study.

    Args:
        spec: what is searched, and how.
        study_access: the study, with whatever follows from others who work at it.
        runner: trains.
        progress: shows what has come.
        to_retrain: trials that have ended and whose rows are lost.
        clock: seconds, for the timeout.
    """

    def __init__(
        self,
        spec: SearchSpec,
        study_access: ExclusiveStudy,
        runner: Runner,
        progress: SweepProgress,
        to_retrain: Iterable[FrozenTrial] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spec, self._study_access, self._runner, self._progress = spec, study_access, runner, progress
        self._study, self._to_retrain = study_access.study, deque(to_retrain)
        self._pruning = Pruning(self._study)
        self._stopping = StoppingCriteria(spec.settings, self._study, clock)
        self._failures = FailureLimit(spec.settings)
        self._in_flight: list[OpenTrial] = []
        self._best_note = ""
        self.ended: str | None = None  # why no more trials are asked

    def run(self) -> None:
        """Go on until the study holds `n_trials`, or one of the other ends is reached.

        Raises:
            RunFailed: too many trials failed, or the first of them all with the same error.
        """
        while self.step():
            pass

    def step(self) -> bool:
        """Submit what there is room for and take what has finished; whether the search goes on."""
        while self._runner.capacity > 0 and (replicate := self._next_replicate()):
            self._runner.submit(replicate, self._owner_of(replicate).stage.until)
        goes_on = bool(self._in_flight)
        if goes_on:
            self._receive_finished()
        elif self.ended is None:
            goes_on = self._study_access.wait_for_others()
        if self._study_access.finished_elsewhere is not None:
            self._progress.kept(self._study_access.finished_elsewhere)
        return goes_on

    def _receive_finished(self) -> None:
        """Take what has finished meanwhile, and tell the trials that are done."""
        self._progress.running(self._runner.running)
        for replicate, outcome in self._runner.collect() if self._runner.pending else ():
            self._receive(replicate, outcome)
        done = [one for one in list(self._in_flight) if one.at_rest and self._if_ours(self._ends, one)]
        self._runner.flush()  # a trial is told when its rows are on disk
        for open_trial in done:
            self._if_ours(self._tell, open_trial)
        self._study_access.check_others()

    def _if_ours(self, act: Callable[[OpenTrial], bool], open_trial: OpenTrial) -> bool:
        """Do something to a trial, unless it was taken over while this sweep stood still (its machine slept)."""
        try:
            return act(open_trial)
        except UpdateFinishedTrialError:
            self._in_flight.remove(open_trial)
            return False

    def _owner_of(self, replicate: Replicate) -> OpenTrial:
        return next(one for one in self._in_flight if replicate in one.replicates)

    def _next_replicate(self) -> Replicate | None:
        """A replicate of the oldest trial that has one to train, or else of a new trial."""
        for open_trial in self._in_flight:
            if replicate := open_trial.next_replicate():
                return replicate
        if self._to_retrain and not self._crowded:
            return self._retrain(self._to_retrain.popleft()).next_replicate()
        while self._may_ask():
            try:
                trial = self._study_access.ask()
                if trial is None:
                    return None
                if started := self._start(trial):
                    return started.next_replicate()
            except UpdateFinishedTrialError:  # taken over while its parameters were drawn
                return None
        return None

    @property
    def _crowded(self) -> bool:
        """Whether as many trials are in flight as may be."""
        n_jobs = self._spec.settings.n_jobs
        return n_jobs is not None and len(self._in_flight) >= n_jobs

    def _may_ask(self) -> bool:
        if self._crowded or self._to_retrain:
            return False
        exhausted = getattr(self._study.sampler, "exhausted", False)
        self.ended = self._stopping.reason(exhausted) or self.ended  # what is in flight may yet improve on the best
        return self.ended is None

    def _start(self, trial: Trial) -> OpenTrial | None:
        """Train a trial from now on; None: its values cannot be trained, and it has failed."""
        values = None
        try:
            values = self._spec.space.suggest(trial)
            replicates = self._runner.replicates(trial.number, self._spec.space.overrides(values))
        except ConfigError as error:
            enqueued = bool(enqueued_values(trial))
            if not enqueued and values is None:
                raise
            self._refuse(trial, error, enqueued)
            return None
        return self._open(trial, values, replicates)

    def _refuse(self, trial: Trial, error: ConfigError, enqueued: bool) -> None:
        """Have a trial fail whose values cannot be trained: asked once more, it would be refused again."""
        trial.set_user_attr(ATTRIBUTES, {"status": str(Status.FAILED), "error": str(error)})
        self._study.tell(trial, state=TrialState.FAIL)
        self._study_access.trial_ended(trial)
        if isinstance(error, PlaceTaken):
            raise error
        self._progress.finished(str(Status.FAILED), self._best_note)
        if not enqueued:  # what was drawn counts as any failure does
            self._failures.add(str(error))

    def _retrain(self, trial: FrozenTrial) -> OpenTrial:
        """Train a trial once more, its runs under the ids that the study knows."""
        replicates = self._runner.replicates(trial.number, self._spec.space.overrides(trial.params))
        for replicate, run in zip(replicates, attributes_of(trial)["runs"], strict=False):
            if replicate.run is not None:
                replicate.run.id = run
        return self._open(trial, trial.params, replicates)

    def _open(
        self, trial: Trial | FrozenTrial, values: Mapping[str, Any], replicates: Sequence[Replicate]
    ) -> OpenTrial:
        spec = self._spec
        self._in_flight.append(OpenTrial(trial, values, replicates, spec.stages(replicates), spec.objectives))
        return self._in_flight[-1]

    def _receive(self, replicate: Replicate, outcome: Outcome) -> None:
        """Take what training gave, and write the run if it has ended."""
        ended = self._owner_of(replicate).receive(replicate, outcome, self._spec.settings.max_retries)
        if ended and self._study_access.writes_rows_early:
            self._runner.write(replicate)

    def _ends(self, open_trial: OpenTrial) -> bool:
        """Whether the trial ends after this stage; else the next one is on its way."""
        pruned = False
        if not open_trial.spoilt and len(open_trial.stages) > 1:
            value = open_trial.mean(self._spec.prune_by)
            pruned = self._pruning.prunes(open_trial.trial, open_trial.stage.step, value)
        if not (open_trial.spoilt or pruned or open_trial.at_last_stage):
            open_trial.next_stage()
            return False
        if isinstance(open_trial.trial, Trial) and not self._study_access.is_ours(open_trial.trial):
            raise UpdateFinishedTrialError
        open_trial.end(pruned and not open_trial.at_last_stage)
        for replicate in open_trial.replicates:
            if replicate.ended:
                self._runner.write(replicate)
        return True

    def _tell(self, open_trial: OpenTrial) -> bool:
        """Tell Optuna how a trial ended."""
        trial = open_trial.trial
        if isinstance(trial, FrozenTrial):  # it knows
            self._in_flight.remove(open_trial)
            return True
        state, values = STATES[open_trial.status], None
        if state is TrialState.COMPLETE:
            values = open_trial.results()
            if any(map(math.isnan, values)):
                state, values = TrialState.FAIL, None
        trial.set_user_attr(ATTRIBUTES, _attributes(open_trial, state))
        self._pruning.end(trial, state, None if values is None else open_trial.mean(self._spec.prune_by))
        if self._study.tell(trial, values, state=state, skip_if_finished=True).state is not state:
            raise UpdateFinishedTrialError
        self._study_access.trial_ended(trial)
        self._in_flight.remove(open_trial)
        if self._stopping.add(values):
            self._best_note = f"best {self._spec.objectives[0]} {_best_text(open_trial)}"
        self._progress.finished(open_trial.status, self._best_note)
        self._failures.add(str(open_trial.error) if open_trial.status == Status.FAILED else None)
        return True


def _attributes(open_trial: OpenTrial, state: TrialState) -> Mapping[str, Any]:
    """What the study keeps of a trial beside its values: one attribute, for each costs a write to disk."""
    rows = [one.run.row for one in open_trial.replicates if one.run is not None and one.run.row is not None]
    attributes: dict[str, Any] = {"status": open_trial.status, "replicates": len(open_trial.replicates)}
    if rows:
        attributes["runs"] = [str(row["run"]) for row in rows]
        names = [one.run.place.name for one in open_trial.replicates if one.run is not None]
        attributes["dir"] = os.path.commonpath(names)
    if state is TrialState.COMPLETE and (spread := open_trial.spread()) is not None:
        attributes["spread"] = spread
    if open_trial.error:
        attributes["error"] = open_trial.error
    return attributes


def _best_text(open_trial: OpenTrial) -> str:
    """A trial's first value with its spread, and its parameters."""
    spread = open_trial.spread()
    tolerance = f" ± {spread[0]:.2g}" if spread and spread[0] is not None else ""
    values = " ".join(f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
                      for name, value in open_trial.values.items())  # fmt: skip
    return f"{open_trial.results()[0]:.4g}{tolerance} at {values}"
