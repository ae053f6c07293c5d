"""The study of a sweep: where it is kept, what it must agree with, and what was left running in it.

By default it is `study.journal` in the sweep's folder. A study remembers its search space and base
config, so that a sweep which would mix two different ones is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

import optuna
from omegaconf import OmegaConf
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback, get_storage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from harmonic.errors import ConfigError
from harmonic.search.settings import Settings, public

JOURNAL = "study.journal"
IDENTITY = "harmonic"  # the study's attribute that holds its space and base config
KEPT = "harmonic"  # a trial's attribute: status, replicates, runs, dir, and where there are any spread and error
OWNER = "sweep"  # a trial's attribute in a storage that sweepers share: whose it is
SILENT_BEATS = 3  # signs of life that a trial's sweeper may miss before it is taken for dead
TAKEN_OVER = 1  # times that a trial is taken over: one that kills its sweepers must not go through all of them
TABLE_STEPS = ("tables", "version", "revision")  # that Optuna makes in a new database, each for itself
CONNECT_S = 10
# after which a server is taken for gone from which nothing comes (libpq's own words)
SILENCE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
LOCK_GRACE_S = 5  # after which the lock of a process that died is broken
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
        ranges = {f"the range of {name}": text for name, text in self.space.items()}
        return json.loads(json.dumps({**ranges, "hydra.sweeper.seeds": list(self.seeds), **self.config}))  # type: ignore[no-any-return]


def open_study(settings: Settings, home: Path, sampler: BaseSampler, pruner: BasePruner) -> Study:
    """The sweep's study, made where there is none yet.

    Raises:
        ConfigError: the storage cannot be reached, is damaged, or holds such a study with other directions.
    """
    name = settings.study_name or home.name
    if settings.storage is None:
        mend_journal(home / JOURNAL)
    try:
        storage = _storage(settings.storage, home, settings.heartbeat)
        study = optuna.create_study(
            storage=storage, sampler=sampler, pruner=pruner, study_name=name,
            directions=[StudyDirection[one.upper()] for one in settings.direction], load_if_exists=True,
        )  # fmt: skip
    except ImportError as error:
        cause = error.__cause__ or error.__context__ or error  # Optuna's own does not name the package
        package = getattr(cause, "name", None) or "of its database driver"
        more = " (pip install 'psycopg[binary]')" if package == "psycopg" else ""
        raise ConfigError(f"hydra.sweeper.storage needs the package {package}{more}, which is not here") from error
    except Exception as error:  # each database driver has exceptions of its own
        rule = "hydra.sweeper.storage must be a storage of Optuna's that can be reached"
        reason = shorten(str(error), 300, placeholder=" ...")
        raise ConfigError(f"{rule}; got {public(settings.storage)} ({type(error).__name__}: {reason})") from error
    directions = [one.name.lower() for one in study.directions]
    if directions != list(settings.direction):
        wanted = ", ".join(settings.direction)
        raise ConfigError(
            f"the study '{name}' must have the directions of this sweep; "
            f"it has {', '.join(directions)}, this one {wanted}: choose another hydra.sweeper.study_name"
        )
    return study


def _storage(url: str | None, home: Path, heartbeat: int | None = None) -> BaseStorage:
    if url is None:
        path = str(home / JOURNAL)
        return JournalStorage(JournalFileBackend(path, JournalFileSymlinkLock(path, grace_period=LOCK_GRACE_S)))
    if "://" not in url:
        raise ValueError("not a URL, as sqlite:///study.db")

    grace = SILENT_BEATS * heartbeat if heartbeat else None

    def storage() -> RDBStorage:
        return RDBStorage(
            url, engine_kwargs=_engine(url, grace), heartbeat_interval=heartbeat, grace_period=grace,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=TAKEN_OVER),
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


def mend_journal(path: Path) -> str | None:
    """Cut off a journal's last line where a process died while it wrote; what was done, in one line.

    Raises:
        ConfigError: another line is damaged. Nothing was touched.
    """
    if not path.is_file():
        return None
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = [number for number, line in enumerate(lines, 1) if not _is_record(line)]
    if not damaged:
        return None
    if damaged != [len(lines)]:
        raise ConfigError(
            f"each line of the journal '{path}' must be a whole record; got a damaged line {damaged[0]} of "
            f"{len(lines)}: restore the file, or move it away to begin a new study"
        )
    with path.open("r+b") as file:
        file.truncate(sum(len(line) for line in lines[:-1]))
    return f"the last line of '{path}' was cut off, and is left out"


def _is_record(line: bytes) -> bool:
    with suppress(ValueError):
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    return False


def agree(study: Study, identity: Identity, allow_changes: bool) -> list[str]:
    """See that a study goes on as it began, and remember how; the differences that were allowed.

    Raises:
        ConfigError: space, seeds or base config differ from those the study began with.
    """
    now, before = identity.flat(), study.user_attrs.get(IDENTITY)
    if before is None:
        study.set_user_attr(IDENTITY, now)
        return []
    keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    changes = [f"{key}: {_shown(before, key)} -> {_shown(now, key)}" for key in keys]
    if changes and not allow_changes:
        more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
        raise ConfigError(
            f"a sweep must go on with the space and config that it began with; got {'; '.join(changes[:SHOWN])}{more}: "
            "choose another hydra.sweep.dir, or hydra.sweeper.allow_changes=true"
        )
    if changes:
        study.set_user_attr(IDENTITY, now)
    return changes


def _shown(flat: Mapping[str, Any], key: str) -> str:
    return str(flat[key]) if key in flat else "(nothing)"


def load_study(home: Path) -> Study:
    """The study that a sweep left in its folder, to look at.

    Raises:
        ConfigError: there is none, it is damaged, or its storage cannot be reached.
    """
    config = home / "multirun.yaml"
    try:
        sweeper = OmegaConf.select(OmegaConf.load(config), "hydra.sweeper") if config.is_file() else None
        if sweeper is None or "study_name" not in sweeper:
            raise ConfigError(f"the folder of a search must hold its multirun.yaml; '{home}' holds none")
        return optuna.load_study(study_name=sweeper.study_name or home.name, storage=_storage(sweeper.storage, home))
    except ConfigError:
        raise
    except Exception as error:  # each database driver has exceptions of its own, and damaged YAML has many
        raise ConfigError(f"the study of '{home}' cannot be read ({' '.join(repr(error).split())})") from error


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
