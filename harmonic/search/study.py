"""The study of a sweep: opened to search in it, or loaded to look at what a sweep has left.

By default it is kept in `study.journal` in the sweep's folder.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

import optuna
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from optuna.exceptions import StorageInternalError
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from sqlalchemy import make_url

from harmonic.errors import ConfigError, HarmonicError
from harmonic.results.files import write_atomically
from harmonic.search.journal import JOURNAL, mend_journal
from harmonic.search.settings import Settings
from harmonic.search.storage import connection_lost, open_storage
from harmonic.search.storage_url import absolute, database_file, public

MULTIRUN = "multirun.yaml"  # the sweep's config, as it was called
PRUNING = "-pruning"  # how the name of the study ends that holds a column to prune by


def open_study(settings: Settings, home: Path, sampler: BaseSampler, pruner: BasePruner) -> Study:
    """The sweep's study, made where there is none yet.

    Raises:
        ConfigError: the storage cannot be reached, is damaged, or holds such a study with other directions.
        StorageInternalError: the connection to it was there, and is lost.
    """
    if settings.storage is None:
        mend_journal(home / JOURNAL)
    try:
        storage = open_storage(settings.storage, home, settings.heartbeat)
        name = settings.study_name
        if name is None:
            name = _recorded_name(home, settings.storage) if settings.storage else _only_name(storage, home)
        study = _loaded_or_made(storage, name or home.name, settings.direction, sampler, pruner)
    except HarmonicError:
        raise
    except Exception as error:  # each database driver has exceptions of its own
        if settings.storage is None and isinstance(error, OSError):
            raise  # of the folder, not of an address
        raise _refusal(settings.storage, error) from error
    directions = [one.name.lower() for one in study.directions]
    if directions != list(settings.direction):
        wanted = ", ".join(settings.direction)
        raise ConfigError(
            f"the study '{study.study_name}' must have the directions of this sweep; "
            f"it has {', '.join(directions)}, this one {wanted}: choose another hydra.sweeper.study_name"
        )
    return study


def _refusal(url: str | None, error: Exception) -> Exception:
    """What to raise for an exception of a storage's driver."""
    if isinstance(error, ImportError):
        cause = error.__cause__ or error.__context__ or error  # Optuna's own does not name the package
        package = getattr(cause, "name", None) or "of its database driver"
        more = " (pip install 'psycopg[binary]')" if package == "psycopg" else ""
        return ConfigError(f"hydra.sweeper.storage needs the package {package}{more}, which is not here")
    if connection_lost(error):
        return StorageInternalError("the connection was lost while the study was opened")
    rule = "hydra.sweeper.storage must be a storage of Optuna's that can be reached"
    reason = shorten(str(error), 300, placeholder=" ...")
    return ConfigError(f"{rule}; got {public(url)} ({type(error).__name__}: {reason})")


def _loaded_or_made(
    storage: BaseStorage, name: str, directions: Sequence[str], sampler: BaseSampler, pruner: BasePruner
) -> Study:
    try:  # Optuna's `load_if_exists` writes a record at each call
        return optuna.load_study(study_name=name, storage=storage, sampler=sampler, pruner=pruner)
    except KeyError:
        return optuna.create_study(
            storage=storage, sampler=sampler, pruner=pruner, study_name=name,
            directions=[StudyDirection[one.upper()] for one in directions], load_if_exists=True,
        )  # fmt: skip


def _only_name(storage: BaseStorage, home: Path) -> str | None:
    """The study of a journal, whatever its folder was called when it began; None: there is none.

    Raises:
        ConfigError: there are several, and none has the folder's name.
    """
    names = [one.study_name for one in storage.get_all_studies()]
    names = [name for name in names if not (name.endswith(PRUNING) and name.removesuffix(PRUNING) in names)]
    if len(names) > 1 and home.name not in names:
        raise ConfigError(
            f"hydra.sweeper.study_name must say which study of '{home / JOURNAL}' is meant; it holds {', '.join(names)}"
        )
    return names[0] if len(names) == 1 else None


def _recorded_name(home: Path, storage: str) -> str | None:
    """The study at which the folder's earlier sweep was, if it was kept in this storage."""
    config = home / MULTIRUN
    if not config.is_file():
        return None
    recorded = _recorded_study(home)
    return recorded.name if recorded.storage == storage else None


def record_sweep(master: DictConfig, study: Study, home: Path, storage: str | None) -> None:
    """Write the config of a sweep into its folder; where others share the study, with its name and whole address."""
    recorded = master
    if storage is not None:
        recorded = copy.deepcopy(master)
        with read_write(recorded.hydra.sweeper), open_dict(recorded.hydra.sweeper):
            recorded.hydra.sweeper.study_name = study.study_name
            recorded.hydra.sweeper.storage = storage
    write_atomically(home / MULTIRUN, OmegaConf.to_yaml(recorded).encode())


@dataclass(frozen=True)
class RecordedStudy:
    """The study of a sweep as its folder's `multirun.yaml` names it. name: None: the folder's own; home: the folder
    as it was called then."""

    name: str | None
    storage: str | None
    home: Path


def _recorded_study(home: Path) -> RecordedStudy:
    """The study that a sweep wrote down.

    Raises:
        ConfigError: the folder is none of a search.
    """
    config = home / MULTIRUN
    loaded = OmegaConf.load(config) if config.is_file() else OmegaConf.create()
    sweeper = OmegaConf.select(loaded, "hydra.sweeper")
    if sweeper is None or "study_name" not in sweeper:
        raise ConfigError(f"the folder of a search must hold its multirun.yaml; '{home}' holds none")
    cwd = Path(str(OmegaConf.select(loaded, "hydra.runtime.cwd") or "."))
    then = cwd / str(OmegaConf.select(loaded, "hydra.sweep.dir") or home)
    name = sweeper.study_name or (then.name if sweeper.storage else None)
    return RecordedStudy(name, absolute(sweeper.storage, cwd), then)


def load_study(home: Path, again: bool = False) -> Study:
    """The study that a sweep left in its folder, to look at.

    Args:
        again: the connection to its storage was lost once already.

    Raises:
        ConfigError: there is none, it is damaged, or its storage cannot be reached.
    """
    home = Path(home).absolute()  # a journal is opened anew at every look
    try:
        recorded = _recorded_study(home)
        url = recorded.storage and _moved(recorded.storage, recorded.home, home)
        if url is None and not (home / JOURNAL).is_file():
            raise ConfigError(f"the folder of a search must hold its {JOURNAL}; '{home}' holds none")
        storage = open_storage(url, home)
        name = recorded.name or _only_name(storage, home.absolute()) or home.absolute().name
        return optuna.load_study(study_name=name, storage=storage)
    except HarmonicError:
        raise
    except Exception as error:  # each database driver has exceptions of its own, and damaged YAML has many
        if connection_lost(error) and not again:
            return load_study(home, again=True)
        raise ConfigError(f"the study of '{home}' cannot be read ({' '.join(repr(error).split())})") from error


def _moved(url: str, then: Path, home: Path) -> str:
    """A storage's URL; of a database file that was moved with its sweep's folder, where it is now.

    Raises:
        ConfigError: there is no such file, and Optuna would make one.
    """
    file = database_file(url)
    if file is None or file.is_file():
        return url
    beside = Path(os.path.normpath(home.absolute() / os.path.relpath(file, then)))
    if not beside.is_file():
        raise ConfigError(f"the database of a study must be where its sweep had it; '{file}' is not there")
    return make_url(url).set(database=str(beside)).render_as_string(hide_password=False)
