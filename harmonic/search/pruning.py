"""What a pruner is told of a trial, and what it says."""

from __future__ import annotations

import math

import numpy as np
import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from harmonic._compat.optuna import resumed, storage_of, stored_trial
from harmonic.search.reproducible_sampler import guarded_call
from harmonic.search.study import PRUNING


class Pruning:
    """Reports to the pruner, and asks it. A study of several objectives knows no pruning: there a second
    study of the same storage, `<name>-pruning`, holds one column's reports.

    Args:
        study: the sweep's, with its pruner.
    """

    def __init__(self, study: Study) -> None:
        self._pruning_study: Study | None = None
        if len(study.directions) > 1:
            self._pruning_study = optuna.create_study(
                storage=storage_of(study), study_name=study.study_name + PRUNING, pruner=study.pruner,
                sampler=optuna.samplers.RandomSampler(), load_if_exists=True,
            )  # fmt: skip
        self._trials: dict[int, Trial] = {}

    def prunes(self, trial: Trial | FrozenTrial, step: int, value: float) -> bool:
        """Report a trial's value at a step; whether to end it there. One that has ended already ends where it did."""
        if isinstance(trial, FrozenTrial):
            return trial.state is TrialState.PRUNED and step >= self._last_report(trial)
        reported = self._reported(trial)
        frozen = stored_trial(reported.study, reported)
        if step not in frozen.intermediate_values:
            reported.report(value, step)
        with np.errstate(invalid="ignore"):  # between infinite values there is no quantile
            return guarded_call("pruner", reported.study.pruner, reported.should_prune)

    def end(self, trial: Trial, state: TrialState, value: float | None) -> None:
        """The trial has ended so."""
        reported = self._trials.pop(trial.number, None)
        if reported is not None:
            # the objectives may have values where the pruner's column has none
            complete = state is TrialState.COMPLETE and value is not None and not math.isnan(value)
            state = state if complete or state is not TrialState.COMPLETE else TrialState.FAIL
            reported.study.tell(reported, value if complete else None, state=state, skip_if_finished=True)

    def _last_report(self, trial: FrozenTrial) -> int:
        if self._pruning_study is not None:
            ended = self._pruning_study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
            trial = next(one for one in reversed(ended) if one.user_attrs.get("trial") == trial.number)
        return max(trial.intermediate_values)

    def _reported(self, trial: Trial) -> Trial:
        if self._pruning_study is None:
            return trial
        if trial.number not in self._trials:
            running = self._pruning_study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            mine = [one for one in running if one.user_attrs.get("trial") == trial.number]
            reported = resumed(self._pruning_study, mine[0]) if mine else self._pruning_study.ask()
            reported.set_user_attr("trial", trial.number)
            self._trials[trial.number] = reported
        return self._trials[trial.number]
