"""The storage that a study is kept in: the journal of the sweep's folder, or a database that sweepers share."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, RDBStorage, RetryHeartbeatStaleTrialCallback, get_storage
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError

from harmonic.search.journal import JOURNAL, open_journal

SILENT_BEATS = 3  # signs of life that a trial's sweeper may miss before it is taken for dead
TAKEN_OVER = 1  # times that a trial is taken over: one that kills its sweepers must not go through all of them
TABLE_STEPS = ("tables", "version", "revision")  # that Optuna makes in a new database, each for itself
CONNECT_S = 10
# after which a server is taken for gone from which nothing comes (libpq's own words)
SILENCE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}


def connection_lost(error: BaseException | None) -> bool:
    """Whether a server was there and is gone: not an address or a password that was wrong from the first."""
    while error is not None:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return True
        error = error.__cause__ or error.__context__
    return False


def open_storage(url: str | None, home: Path, heartbeat: int | None = None) -> BaseStorage:
    """The storage at an address; None: the journal in a sweep's folder.

    Args:
        home: the sweep's folder.
        heartbeat: seconds between two signs of life of a trial; None: it is only looked at.

    Raises:
        Exception: whatever the driver of its database raises.
    """
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
