"""What a pruner is told of a trial, and what it says."""

from __future__ import annotations

import math

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from harmonic.search.samplers import asked
from harmonic.search.study import PRUNING


class Pruning:
    """Reports to the pruner, and asks it. A study of several objectives knows no pruning: there a second
    study of the same storage, `<name>-pruning`, holds one column's reports.

    Args:
        study: the sweep's.
        pruner: its pruner.
    """

    def __init__(self, study: Study, pruner: BasePruner) -> None:
        self._shadow: Study | None = None
        if len(study.directions) > 1:
            self._shadow = optuna.create_study(
                storage=study._storage, study_name=study.study_name + PRUNING, pruner=pruner,
                sampler=optuna.samplers.RandomSampler(), load_if_exists=True,
            )  # fmt: skip
        self._trials: dict[int, Trial] = {}

    def prunes(self, trial: Trial | FrozenTrial, step: int, value: float) -> bool:
        """Report a trial's value at a step; whether to end it there. One that has ended already ends where it did."""
        if isinstance(trial, FrozenTrial):
            return trial.state is TrialState.PRUNED and step >= self._last_report(trial)
        judged = self._judged(trial)
        frozen = judged.study._storage.get_trial(judged._trial_id)
        if step not in frozen.intermediate_values:
            judged.report(value, step)
        with np.errstate(invalid="ignore"):  # between infinite values there is no quantile
            return asked("pruner", judged.study.pruner, judged.should_prune)

    def end(self, trial: Trial, state: TrialState, value: float | None) -> None:
        """The trial has ended so."""
        judged = self._trials.pop(trial.number, None)
        if judged is not None:
            # the objectives may have values where the pruner's column has none
            complete = state is TrialState.COMPLETE and value is not None and not math.isnan(value)
            state = state if complete or state is not TrialState.COMPLETE else TrialState.FAIL
            judged.study.tell(judged, value if complete else None, state=state, skip_if_finished=True)

    def _last_report(self, trial: FrozenTrial) -> int:
        if self._shadow is not None:
            ended = self._shadow.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
            trial = next(one for one in reversed(ended) if one.user_attrs.get("trial") == trial.number)
        return max(trial.intermediate_values)

    def _judged(self, trial: Trial) -> Trial:
        if self._shadow is None:
            return trial
        if trial.number not in self._trials:
            running = self._shadow.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            mine = [one for one in running if one.user_attrs.get("trial") == trial.number]
            judged = Trial(self._shadow, mine[0]._trial_id) if mine else self._shadow.ask()
            judged.set_user_attr("trial", trial.number)
            self._trials[trial.number] = judged
        return self._trials[trial.number]
