"""A study under a changed space: its journal written anew, with every trial as if drawn from the space as it is now."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from harmonic._compat.optuna import FAILED_TRIAL, FIXED_PARAMS, RETRY_HISTORY, storage_of
from harmonic.results.files import write_atomically
from harmonic.search.identity import Identity, write_identity
from harmonic.search.journal import JOURNAL, JournalInMemory
from harmonic.search.space import Space
from harmonic.search.trial_attributes import ATTRIBUTES, EARLIER

SPACELESS = (FIXED_PARAMS, RETRY_HISTORY, FAILED_TRIAL)  # attributes of a trial that say nothing of its space


def migrate_trials(study: Study, home: Path, identity: Identity, space: Space, clashing: Sequence[str]) -> str:
    """Begin the folder's journal anew under another space, with the trials as they are; what was done, in one line.

    A trial keeps its number, state and value. A parameter whose value the new space lacks goes into an attribute of the
    trial (`EARLIER`), so that no sampler learns from it. The old journal is kept.
    """
    journal = JournalInMemory()
    storage = JournalStorage(journal)
    for name in (one.study_name for one in storage_of(study).get_all_studies()):
        old = optuna.load_study(study_name=name, storage=storage_of(study))
        new = optuna.create_study(storage=storage, study_name=name, directions=old.directions)
        for key, value in old.user_attrs.items():
            new.set_user_attr(key, value)
        ours = name == study.study_name
        new.add_trials([_adapted(one, space, clashing) if ours else one for one in old.get_trials(deepcopy=False)])
        if ours:
            write_identity(new, identity, changed=True)
    count = len(study.get_trials(deepcopy=False))
    kept_as = next(path for number in itertools.count(count) if not (path := home / f"study-{number}.journal").exists())
    write_atomically(kept_as, (home / JOURNAL).read_bytes())
    write_atomically(home / JOURNAL, journal.content())
    return f"the {count} trials go on under the new space; the study as it was is kept as '{kept_as}'"


def _adapted(trial: FrozenTrial, space: Space, clashing: Sequence[str]) -> FrozenTrial:
    """A trial as if its parameters had been drawn from this space."""
    ranges = {one.name: one for one in space.parameters if one.name in clashing}
    lost = {name: value for name, value in trial.params.items() if name in ranges and not ranges[name].contains(value)}
    params = {
        name: ranges[name].distribution.to_external_repr(ranges[name].distribution.to_internal_repr(value))
        if name in ranges else value
        for name, value in trial.params.items() if name not in lost
    }  # fmt: skip
    fitted = copy.copy(trial)
    fitted.params = params
    fitted.distributions = {
        name: ranges[name].distribution if name in ranges else trial.distributions[name] for name in params
    }
    # what samplers note of a trial tells of the space as it was
    fitted.system_attrs = {key: value for key, value in trial.system_attrs.items() if key in SPACELESS}
    if lost:
        fitted.user_attrs = {**trial.user_attrs, EARLIER: {**trial.user_attrs.get(EARLIER, {}), **lost}}
    if lost and trial.state is TrialState.RUNNING:
        fitted.state, fitted.datetime_complete = TrialState.FAIL, datetime.now()
        reason = "its sweep died, and the space has changed since"
        fitted.user_attrs = {**fitted.user_attrs, ATTRIBUTES: {"status": "failed", "error": reason}}
    return fitted
