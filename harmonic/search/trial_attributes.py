"""What harmonic writes beside Optuna's own into the trials of a study, and the counts that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from harmonic._compat.optuna import RETRY_HISTORY

ATTRIBUTES = "harmonic"  # status, replicates, runs, dir, and where there are any spread and error, in one attribute
OWNER = "sweep"  # the attribute that says whose a trial is, in a storage that sweepers share
EARLIER = "earlier"  # the attribute with values that the space of the study has no more
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def attributes_of(trial: FrozenTrial) -> Mapping[str, Any]:
    """Status, replicates, runs, folder, spread and error of a trial; empty of one that has not ended."""
    attributes: Mapping[str, Any] = trial.user_attrs.get(ATTRIBUTES, {})
    return attributes


def parameter_values(trial: FrozenTrial) -> dict[str, Any]:
    """What a trial was trained with, the values included that its space has no more."""
    return {**trial.user_attrs.get(EARLIER, {}), **trial.params}


def count_finished(study: Study) -> int:
    """The number of trials that have ended, however, but for those that run again under another number."""
    return count_finished_and_running(study)[0]


def count_finished_and_running(study: Study) -> tuple[int, int]:
    """The number of trials that have ended, as `count_finished` has it, and of those that are running."""
    trials = study.get_trials(deepcopy=False)
    states = [one.state for one in trials]
    running, waiting = states.count(TrialState.RUNNING), states.count(TrialState.WAITING)
    return len(trials) - running - waiting - len(_lost(trials)), running


def lost_trials(study: Study) -> list[FrozenTrial]:
    """The trials whose sweeper died; most run again under other numbers."""
    return _lost(study.get_trials(deepcopy=False))


def _lost(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    failed = [one for one in trials if one.state is TrialState.FAIL]
    if not failed:
        return []
    again = {number for one in trials for number in one.system_attrs.get(RETRY_HISTORY, ())}
    return [one for one in failed if one.number in again or not attributes_of(one)]
