"""A search goes on: its study opened or made, held to the space and config it began with, or migrated to others."""

from __future__ import annotations

from optuna.study import Study
from rich.console import Console

from harmonic.errors import ConfigError
from harmonic.execution.console import say
from harmonic.search.identity import adopt_option_order, allowed_changes, write_identity
from harmonic.search.journal import JOURNAL, mend_journal
from harmonic.search.migration import migrate_trials
from harmonic.search.spec import SearchSpec
from harmonic.search.study import open_study
from harmonic.search.task import Task


def resume_study(spec: SearchSpec, task: Task, console: Console) -> Study:
    """The study of a sweep, if it can go on as it began; what had to be done for that is printed.

    Raises:
        ConfigError: the study is another's.
        StorageInternalError: the connection to its storage is lost.
    """
    settings, home = spec.settings, task.home
    if settings.storage is None and (mended := mend_journal(home / JOURNAL)):
        say(console, mended)
    study = open_study(settings, home, spec.sampler(), spec.pruner())
    if adopt_option_order(study, spec.space):
        study.sampler = spec.sampler()
    identity = spec.identity()
    changes, clashing = allowed_changes(study, identity, spec.space, settings.allow_changes)
    if clashing and settings.storage is not None:
        raise ConfigError(
            "in a storage that sweepers share the options, the kind and the scale of a parameter stay as they are; "
            f"got others for {', '.join(clashing)}: choose another hydra.sweeper.study_name"
        )
    for change in changes:
        say(console, f"changed: {change}")
    if clashing:
        say(console, migrate_trials(study, home, identity, spec.space, clashing))
        return open_study(settings, home, spec.sampler(), spec.pruner())
    write_identity(study, identity, bool(changes))
    return study
