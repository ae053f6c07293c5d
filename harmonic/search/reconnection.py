"""A sweep whose storage went away for a moment connects to it again."""

from __future__ import annotations

from collections.abc import Callable

from optuna.exceptions import StorageInternalError
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from harmonic.errors import ConfigError, StorageLost
from harmonic.execution import signals
from harmonic.execution.console import say
from harmonic.execution.grid import Interrupted
from harmonic.search.spec import SearchSpec
from harmonic.search.storage_url import public
from harmonic.search.study import open_study
from harmonic.search.task import Task

RECONNECTIONS = 10  # of one sweep to the storage of its study


def with_reconnections(act: Callable[[], None], spec: SearchSpec, task: Task) -> None:
    """Do what is resumed where it is done once more, as often as the connection to the storage is lost.

    Raises:
        StorageLost: the storage does not answer any more.
        Interrupted: a signal has come meanwhile.
    """
    for _ in range(RECONNECTIONS):
        try:
            return act()
        except (StorageInternalError, DBAPIError) as error:
            lost = error
        if signals.code() is not None:
            raise Interrupted("interrupted: what is finished is kept; the storage did not answer any more")
        if not _answers(spec, task):
            break
        say(Console(), "the connection to the study was lost (has this machine slept?), and is there again")
    raise StorageLost(
        f"the storage of the study must stay up; the connection to {public(spec.settings.storage)} is lost: "
        "what is finished is kept, and the same command goes on"
    ) from lost


def _answers(spec: SearchSpec, task: Task) -> bool:
    """Whether the storage can be reached (again)."""
    try:
        open_study(spec.settings, task.home, spec.sampler(), spec.pruner())
    except StorageInternalError:  # lost once more
        return True
    except ConfigError:
        return False
    return True
