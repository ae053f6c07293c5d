"""The study of a sweep: where it is kept, what it must agree with, and what was left running in it.

By default it is `study.journal` in the sweep's folder. A study remembers its search space and base
config, so that a sweep which would mix two different ones is refused.
"""

from __future__ import annotations

import copy
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from textwrap import shorten
from typing import Any

import optuna
from omegaconf import OmegaConf
from optuna.distributions import BaseDistribution, CategoricalDistribution, check_distribution_compatibility
from optuna.exceptions import StorageInternalError
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback, get_storage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError

from harmonic.errors import ConfigError, HarmonicError
from harmonic.results import tables
from harmonic.search.journal import Pages, mend_journal, open_journal
from harmonic.search.settings import Settings, absolute, database_file, public
from harmonic.search.space import Space

JOURNAL = "study.journal"
IDENTITY = "harmonic"  # the study's attribute that holds its space and base config
KEPT = "harmonic"  # a trial's attribute: status, replicates, runs, dir, and where there are any spread and error
OWNER = "sweep"  # a trial's attribute in a storage that sweepers share: whose it is
CHANGED = "changed"  # the study's attribute: the number of trials when its space or config was last changed
EARLIER = "earlier"  # a trial's attribute: its values that the space of the study has no more
PRUNING = "-pruning"  # how the name of the study ends that holds a column to prune by
RANGE = "the range of "
SPACELESS = ("fixed_params", "retry_history", "failed_trial")  # of a trial, that say nothing of its space
SILENT_BEATS = 3  # signs of life that a trial's sweeper may miss before it is taken for dead
TAKEN_OVER = 1  # times that a trial is taken over: one that kills its sweepers must not go through all of them
TABLE_STEPS = ("tables", "version", "revision")  # that Optuna makes in a new database, each for itself
CONNECT_S = 10
# after which a server is taken for gone from which nothing comes (libpq's own words)
SILENCE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
SHOWN = 4  # differences shown of many


@dataclass(frozen=True)
class Identity:
    """What all trials of a study share. space: range by parameter; seeds: of the replicates;
    config: leaves that are not searched, by dotted key."""

    space: Mapping[str, str]
    seeds: Sequence[int]
    config: Mapping[str, Any]

    def flat(self) -> dict[str, Any]:
        ranges = {f"{RANGE}{name}": text for name, text in self.space.items()}
        return json.loads(json.dumps({**ranges, "hydra.sweeper.seeds": list(self.seeds), **self.config}))  # type: ignore[no-any-return]


def open_study(settings: Settings, home: Path, sampler: BaseSampler, pruner: BasePruner) -> Study:
    """The sweep's study, made where there is none yet.

    Raises:
        ConfigError: the storage cannot be reached, is damaged, or holds such a study with other directions.
        StorageInternalError: the connection to it was there, and is lost.
    """
    if settings.storage is None:
        mend_journal(home / JOURNAL)
    try:
        storage = _storage(settings.storage, home, settings.heartbeat)
        name = settings.study_name or (_recorded(home, settings.storage) if settings.storage else _only(storage, home))
        study = _loaded_or_made(storage, name or home.name, settings.direction, sampler, pruner)
    except HarmonicError:
        raise
    except ImportError as error:
        cause = error.__cause__ or error.__context__ or error  # Optuna's own does not name the package
        package = getattr(cause, "name", None) or "of its database driver"
        more = " (pip install 'psycopg[binary]')" if package == "psycopg" else ""
        raise ConfigError(f"hydra.sweeper.storage needs the package {package}{more}, which is not here") from error
    except Exception as error:  # each database driver has exceptions of its own
        if _connection_lost(error):
            raise StorageInternalError("the connection was lost while the study was opened") from error
        if settings.storage is None and isinstance(error, OSError):
            raise  # of the folder, not of an address
        rule = "hydra.sweeper.storage must be a storage of Optuna's that can be reached"
        reason = shorten(str(error), 300, placeholder=" ...")
        raise ConfigError(f"{rule}; got {public(settings.storage)} ({type(error).__name__}: {reason})") from error
    directions = [one.name.lower() for one in study.directions]
    if directions != list(settings.direction):
        wanted = ", ".join(settings.direction)
        raise ConfigError(
            f"the study '{study.study_name}' must have the directions of this sweep; "
            f"it has {', '.join(directions)}, this one {wanted}: choose another hydra.sweeper.study_name"
        )
    return study


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


def _connection_lost(error: BaseException | None) -> bool:
    """Whether a server was there and is gone: not an address or a password that was wrong from the first."""
    while error is not None:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return True
        error = error.__cause__ or error.__context__
    return False


def _only(storage: BaseStorage, home: Path) -> str | None:
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


def _recorded(home: Path, storage: str) -> str | None:
    """The study at which the folder's earlier sweep was, if it was kept in this storage."""
    config = home / "multirun.yaml"
    if not config.is_file():
        return None
    recorded = _sweep_of(home)
    return recorded.name if recorded.storage == storage else None


def _storage(url: str | None, home: Path, heartbeat: int | None = None) -> BaseStorage:
    if url is None:
        return open_journal(home / JOURNAL)
    if "://" not in url:
        raise ValueError("not a URL, as sqlite:///study.db")

    grace = SILENT_BEATS * heartbeat if heartbeat else None

    def storage() -> RDBStorage:
        return RDBStorage(
            url, engine_kwargs=_engine(url, grace), heartbeat_interval=heartbeat, grace_period=grace,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(TAKEN_OVER) if heartbeat else None,
        )  # fmt: skip

    # a database without tables: where another sweeper makes one of them at the same moment ours is refused,
    # and the next attempt finds it made
    collisions = (IntegrityError, ProgrammingError, *((OperationalError,) if url.startswith("sqlite") else ()))
    for _ in TABLE_STEPS:
        with suppress(*collisions):
            return get_storage(storage())
    return get_storage(storage())


def _engine(url: str, grace: int | None) -> dict[str, Any]:
    """How SQLAlchemy is to connect."""
    if url.startswith("sqlite"):
        return {}
    # a connection that the server has closed is opened anew; each sweeper holds one, for servers have few
    engine: dict[str, Any] = {"pool_pre_ping": True, "pool_size": 1}
    if url.startswith("postgresql") and grace:
        # a machine that falls asleep in the midst of a transaction would hold up all others
        asleep = f"-c idle_in_transaction_session_timeout={grace}s"
        engine["connect_args"] = {"options": asleep, "connect_timeout": CONNECT_S, **SILENCE}
    return engine


def agree(study: Study, identity: Identity, space: Space, allow_changes: bool) -> tuple[list[str], list[str]]:
    """See that a study goes on as it began. Nothing is written.

    Returns:
        The differences that were allowed, and the parameters whose trials must be carried over to go on.

    Raises:
        ConfigError: space, seeds or base config differ from those the study began with.
    """
    now, before = identity.flat(), study.user_attrs.get(IDENTITY)
    clashing = _clashing(study, space)
    if before is None and not clashing:
        return [], []
    before = before or {}
    keys = [key for key in {**before, **now} if before.get(key) != now.get(key) and not _same(space, key, before)]
    changes = [f"{key}: {_shown(before, key)} -> {_shown(now, key)}" for key in keys]
    changes += [f"{name} was drawn from another range" for name in clashing if f"{RANGE}{name}" not in keys]
    if changes and not allow_changes:
        more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
        raise ConfigError(
            f"a sweep must go on with the space and config that it began with; got {'; '.join(changes[:SHOWN])}{more}: "
            "choose another hydra.sweep.dir, or hydra.sweeper.allow_changes=true"
        )
    return changes, clashing


def remember(study: Study, identity: Identity, changed: bool) -> None:
    """Write down what all trials share from now on."""
    if changed:
        study.set_user_attr(CHANGED, len(study.get_trials(deepcopy=False)))
    now = identity.flat()
    if study.user_attrs.get(IDENTITY) != now:
        study.set_user_attr(IDENTITY, now)


def changed_at(study: Study) -> int:
    """The number of the first trial that has the present space and config."""
    number: int = study.user_attrs.get(CHANGED, 0)
    return number


def take_order(study: Study, space: Space) -> bool:
    """Give the options of a choice the order that they have in the study: it knows them by their place. Whether one
    had another."""
    changed = False
    for name, one in _drawn(study).items():
        if isinstance(one, CategoricalDistribution):
            changed |= space.reorder(name, one.choices)
    return changed


def _same(space: Space, key: str, before: Mapping[str, Any]) -> bool:
    text = before.get(key)
    return key.startswith(RANGE) and isinstance(text, str) and space.alike(key.removeprefix(RANGE), text)


def _drawn(study: Study) -> dict[str, BaseDistribution]:
    """What each parameter was first drawn from: with this Optuna compares."""
    first = dict[str, BaseDistribution]()
    for one in study.get_trials(deepcopy=False):
        for name, distribution in one.distributions.items():
            first.setdefault(name, distribution)
    return first


def _clashing(study: Study, space: Space) -> list[str]:
    """The parameters that this study could not draw any more."""
    drawn, clashing = _drawn(study), []
    for one in space.parameters:
        try:
            check_distribution_compatibility(drawn.get(one.name, one.distribution), one.distribution)
        except ValueError:
            clashing.append(one.name)
    return clashing


def carry_over(study: Study, home: Path, identity: Identity, space: Space, clashing: Sequence[str]) -> str:
    """Begin the folder's journal anew under another space, with the trials as they are; what was done, in one line.

    A trial keeps its number, state and value. A parameter whose value the new space lacks is put down beside the
    trial (`EARLIER`), so that no sampler draws it again. The old journal is kept.
    """
    storage = JournalStorage(Pages())
    for name in (one.study_name for one in study._storage.get_all_studies()):
        old = optuna.load_study(study_name=name, storage=study._storage)
        new = optuna.create_study(storage=storage, study_name=name, directions=old.directions)
        for key, value in old.user_attrs.items():
            new.set_user_attr(key, value)
        ours = name == study.study_name
        new.add_trials([_fitted(one, space, clashing) if ours else one for one in old.get_trials(deepcopy=False)])
        if ours:
            remember(new, identity, changed=True)
    count = len(study.get_trials(deepcopy=False))
    kept_as = next(path for number in itertools.count(count) if not (path := home / f"study-{number}.journal").exists())
    tables.write_atomically(kept_as, (home / JOURNAL).read_bytes())
    pages = storage._backend
    assert isinstance(pages, Pages)
    tables.write_atomically(home / JOURNAL, pages.content())
    return f"the {count} trials go on under the new space; the study as it was is kept as '{kept_as}'"


def _fitted(trial: FrozenTrial, space: Space, clashing: Sequence[str]) -> FrozenTrial:
    """A trial as if its parameters had been drawn from this space."""
    ranges = {one.name: one for one in space.parameters if one.name in clashing}
    lost = {name: value for name, value in trial.params.items() if name in ranges and not ranges[name].holds(value)}
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
        fitted.user_attrs = {**fitted.user_attrs, KEPT: {"status": "failed", "error": reason}}
    return fitted


def parameters(trial: FrozenTrial) -> dict[str, Any]:
    """What a trial was trained with, the values included that its space has no more."""
    return {**trial.user_attrs.get(EARLIER, {}), **trial.params}


def _shown(flat: Mapping[str, Any], key: str) -> str:
    return str(flat[key]) if key in flat else "(nothing)"


@dataclass(frozen=True)
class Recorded:
    """The study of a sweep as its folder's `multirun.yaml` names it; name: None: the folder's own."""

    name: str | None
    storage: str | None
    cwd: Path
    home: Path


def _sweep_of(home: Path) -> Recorded:
    """What a sweep wrote down of its study.

    Raises:
        ConfigError: the folder is none of a search.
    """
    config = home / "multirun.yaml"
    loaded = OmegaConf.load(config) if config.is_file() else OmegaConf.create()
    sweeper = OmegaConf.select(loaded, "hydra.sweeper")
    if sweeper is None or "study_name" not in sweeper:
        raise ConfigError(f"the folder of a search must hold its multirun.yaml; '{home}' holds none")
    cwd = Path(str(OmegaConf.select(loaded, "hydra.runtime.cwd") or "."))
    then = cwd / str(OmegaConf.select(loaded, "hydra.sweep.dir") or home)
    name = sweeper.study_name or (then.name if sweeper.storage else None)
    return Recorded(name, absolute(sweeper.storage, cwd), cwd, then)


def load_study(home: Path, again: bool = False) -> Study:
    """The study that a sweep left in its folder, to look at.

    Args:
        again: the connection to its storage was lost once already.

    Raises:
        ConfigError: there is none, it is damaged, or its storage cannot be reached.
    """
    home = Path(home).absolute()  # a journal is opened anew at every look
    try:
        recorded = _sweep_of(home)
        url = recorded.storage and _moved(recorded.storage, recorded.home, home)
        if url is None and not (home / JOURNAL).is_file():
            raise ConfigError(f"the folder of a search must hold its {JOURNAL}; '{home}' holds none")
        storage = _storage(url, home)
        name = recorded.name or _only(storage, home.absolute()) or home.absolute().name
        return optuna.load_study(study_name=name, storage=storage)
    except HarmonicError:
        raise
    except Exception as error:  # each database driver has exceptions of its own, and damaged YAML has many
        if _connection_lost(error) and not again:
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


def kept(trial: FrozenTrial) -> Mapping[str, Any]:
    """What harmonic keeps of a trial beside its values; empty of one that has not ended."""
    attribute: Mapping[str, Any] = trial.user_attrs.get(KEPT, {})
    return attribute


def finished(study: Study) -> int:
    """The number of trials that have ended, however, but for those that run again under another number."""
    return counted(study)[0]


def counted(study: Study) -> tuple[int, int]:
    """The number of trials that have ended, as `finished` counts them, and of those that are running."""
    trials = study.get_trials(deepcopy=False)
    states = [one.state for one in trials]
    running, waiting = states.count(TrialState.RUNNING), states.count(TrialState.WAITING)
    return len(trials) - running - waiting - len(_lost(trials)), running


def lost(study: Study) -> list[FrozenTrial]:
    """The trials whose sweeper died; most run again under other numbers."""
    return _lost(study.get_trials(deepcopy=False))


def _lost(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    failed = [one for one in trials if one.state is TrialState.FAIL]
    if not failed:
        return []
    # where `RetryHeartbeatStaleTrialCallback.retry_history` looks, which warns at every call that it is experimental
    again = {number for one in trials for number in one.system_attrs.get("retry_history", ())}
    return [one for one in failed if one.number in again or not kept(one)]
