"""The journal of a study, `study.journal` in the sweep's folder: read with every record checked, written whole.

People edit it, disks damage it, and it may come from somebody else. What Optuna would meet in it with an exception
of its own is a line here that names the record.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, TrialState

from harmonic._compat.optuna import CREATE_TRIAL, trial_id, trials_of_journal
from harmonic.errors import ConfigError, HarmonicError, StorageLost
from harmonic.search._journal_records import fault_of

JOURNAL = "study.journal"  # in the sweep's folder
LOCK_GRACE_S = 5  # after which the lock of a process that died is broken


def open_journal(path: Path) -> JournalStorage:
    """The studies in a journal; the file is made where there is none.

    Raises:
        ConfigError: a record is none that Optuna or harmonic wrote; nothing was touched.
    """
    journal = Journal(path)
    try:
        storage = JournalStorage(journal)
        for objectives, trials in trials_of_journal(storage):
            for one in trials:
                if _without_values(one, objectives):
                    raise journal.damaged(journal.line_of(trial_id(one)), f"trial {one.number} without its values")
    except (HarmonicError, OSError):
        raise
    except Exception as error:  # what a record may do to Optuna has no end
        raise journal.damaged(journal.line, f"{type(error).__name__}: {error}") from error
    return storage


class Journal(JournalFileBackend):
    """A journal's file.

    Raises:
        ConfigError: when it is read: a record is none that Optuna or harmonic wrote.
        StorageLost: when it is read or written: it is not the file any more that it was.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), JournalFileSymlinkLock(str(path), grace_period=LOCK_GRACE_S))
        self.line = 0  # of the record that was read last
        self._path = path
        self._lines = dict[int, int]()  # the last that a trial has, by its id
        self._created = 0
        self._identity, self._size = self._stat()

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        self._check_file()
        self.line = log_number_from
        records = super().read_logs(log_number_from)
        while True:
            try:
                record = next(records)
            except StopIteration:
                return
            except (ValueError, RecursionError) as error:  # no JSON, or JSON that Python cannot hold
                raise self.damaged(self.line + 1, f"{type(error).__name__}: {error}") from error
            self.line += 1
            if fault := fault_of(record):
                raise self.damaged(self.line, fault)
            self._remember_line(record)
            yield record

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self._check_file()
        super().append_logs(logs)
        _, self._size = self._stat()

    def damaged(self, line: int, fault: str) -> ConfigError:
        """What to say of a record."""
        short = " ".join(fault.split())[:200]
        return ConfigError(
            f"each line of the journal '{self._path}' must be a record of a study; "
            f"got a damaged line {line} ({short}): restore the file, or move it away to begin a new study"
        )

    def line_of(self, trial: int) -> int:
        """The last record of the trial with this id."""
        return self._lines.get(trial, self.line)

    def _remember_line(self, record: Mapping[str, Any]) -> None:
        if record["op_code"] == CREATE_TRIAL:
            self._lines[self._created] = self.line
            self._created += 1
        elif "trial_id" in record:
            self._lines[record["trial_id"]] = self.line

    def _stat(self) -> tuple[tuple[int, int] | None, int]:
        with suppress(FileNotFoundError):
            there = self._path.stat()
            return (there.st_dev, there.st_ino), there.st_size
        return None, 0

    def _check_file(self) -> None:
        identity, size = self._stat()
        happened = "removed" if identity is None else "replaced" if identity != self._identity else "cut short"
        if identity != self._identity or size < self._size:
            raise StorageLost(
                f"the journal '{self._path}' must stay while a sweep is at it; it was {happened}: "
                "what is finished is in the table; put the journal back, and the same command goes on"
            )


class JournalInMemory(BaseJournalBackend):
    """A journal in memory, to be written to a file at once."""

    def __init__(self) -> None:
        self._records = list[dict[str, Any]]()

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        yield from self._records[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self._records += json.loads(json.dumps(logs))  # as a file would give them back

    def content(self) -> bytes:
        """The file's."""
        return "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in self._records).encode()


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
    if damaged != [len(lines)] or lines[-1].endswith(b"\n"):
        raise ConfigError(
            f"each line of the journal '{path}' must be a whole record; got a damaged line {damaged[0]} of "
            f"{len(lines)}: restore the file, or move it away to begin a new study"
        )
    with path.open("r+b") as file:
        file.truncate(sum(len(line) for line in lines[:-1]))
    return f"the last line of '{path}' was cut off, and is left out"


def _is_record(line: bytes) -> bool:
    with suppress(ValueError, RecursionError):
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    return False


def _without_values(trial: FrozenTrial, count: int) -> bool:
    values = trial.values
    if trial.state is TrialState.COMPLETE:
        return values is None or len(values) != count or any(value != value for value in values)
    return values is not None and len(values) != count
