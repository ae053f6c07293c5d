"""The journal of a study, `study.journal` in the sweep's folder: read with every record checked, written whole.

People edit it, disks damage it, and it may come from somebody else. What Optuna would meet in it with an exception
of its own is a line here that names the record.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, TrialState

from harmonic.errors import ConfigError, HarmonicError, StorageLost

LOCK_GRACE_S = 5  # after which the lock of a process that died is broken
LARGEST = 2**63  # of whole numbers: databases and NumPy hold no larger

Check = Callable[[Any], bool]


def open_journal(path: Path) -> JournalStorage:
    """The studies in a journal; the file is made where there is none.

    Raises:
        ConfigError: a record is none that Optuna or harmonic wrote; nothing was touched.
    """
    journal = Journal(path)
    try:
        storage = JournalStorage(journal)
        for study in storage.get_all_studies():
            for one in storage.get_all_trials(study._study_id, deepcopy=False):
                if _without_values(one, len(study.directions)):
                    raise journal.damaged(journal.line_of(one._trial_id), f"trial {one.number} without its values")
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
        self._identity, self._size = self._seen()

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        self._check_place()
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
            if fault := _fault(record):
                raise self.damaged(self.line, fault)
            self._note(record)
            yield record

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self._check_place()
        super().append_logs(logs)
        _, self._size = self._seen()

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

    def _note(self, record: Mapping[str, Any]) -> None:
        if record["op_code"] == _CREATE_TRIAL:
            self._lines[self._created] = self.line
            self._created += 1
        elif "trial_id" in record:
            self._lines[record["trial_id"]] = self.line

    def _seen(self) -> tuple[tuple[int, int] | None, int]:
        with suppress(FileNotFoundError):
            there = self._path.stat()
            return (there.st_dev, there.st_ino), there.st_size
        return None, 0

    def _check_place(self) -> None:
        identity, size = self._seen()
        happened = "removed" if identity is None else "replaced" if identity != self._identity else "cut short"
        if identity != self._identity or size < self._size:
            raise StorageLost(
                f"the journal '{self._path}' must stay while a sweep is at it; it was {happened}: "
                "what is finished is in the table; put the journal back, and the same command goes on"
            )


class Pages(BaseJournalBackend):
    """A journal in memory, to be written at once."""

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


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST


def _number(value: Any) -> bool:
    return isinstance(value, float) or (
        isinstance(value, int) and not isinstance(value, bool) and -LARGEST <= value < LARGEST
    )


def _text(value: Any) -> bool:
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _list(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _dict(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(_text, value)) and all(map(check, value.values()))


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _anything(_: Any) -> bool:
    return True


# What harmonic and Optuna themselves read of attributes; those of samplers and pruners are theirs.
_KEPT: dict[str, Check] = {
    "status": _text, "replicates": _whole, "runs": _list(_text), "dir": _text, "error": _text,
    "spread": _or_null(_list(_or_null(_number))),
}  # fmt: skip
_ATTRIBUTES: dict[str, Check] = {
    "fixed_params": _dict(_anything), "retry_history": _list(_whole), "failed_trial": _whole, "changed": _whole,
    "constraints": _or_null(_list(_number)), "earlier": _dict(_anything),
}  # fmt: skip


def _attributes(value: Any) -> bool:
    return _dict(_anything)(value) and all(map(_attribute, value, value.values()))


def _attribute(name: str, value: Any) -> bool:
    if name.startswith("constraints:"):
        return _number(value)
    return _ATTRIBUTES.get(name, _anything)(value)


def _of_trial(value: Any) -> bool:
    kept = value.get("harmonic", {}) if isinstance(value, dict) else None
    return _attributes(value) and isinstance(kept, dict) and all(_KEPT.get(k, _anything)(v) for k, v in kept.items())


def _of_study(value: Any) -> bool:
    return _attributes(value) and _dict(_anything)(value.get("harmonic", {}))


def _one(check: Check) -> Check:
    return lambda value: check(value) and len(value) == 1


def _directions(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_whole(one) and one in (1, 2) for one in value)


def _state(value: Any) -> bool:
    return _whole(value) and value in tuple(TrialState)


def _step(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit()


_CREATE_TRIAL = 4
_TRIAL: dict[str, Check] = {"trial_id": _whole}
_STUDY: dict[str, Check] = {"study_id": _whole}
# Optuna's operations by number, with the fields that each must have.
_OPERATIONS: dict[int, dict[str, Check]] = {
    0: {"study_name": _text, "directions": _directions},
    1: _STUDY,
    2: _STUDY | {"user_attr": _one(_of_study)},
    3: _STUDY | {"system_attr": _one(_attributes)},
    4: _STUDY | {"datetime_start": _or_null(_text)},
    5: _TRIAL | {"param_name": _text, "param_value_internal": _number, "distribution": _text},
    6: _TRIAL | {"state": _state, "values": _or_null(_list(_number))},
    7: _TRIAL | {"step": _whole, "intermediate_value": _number},
    8: _TRIAL | {"user_attr": _one(_of_trial)},
    9: _TRIAL | {"system_attr": _one(_attributes)},
    10: {},
}
# And those that it may have.
_OPTIONAL: dict[str, Check] = {
    "state": _state, "value": _or_null(_number), "values": _or_null(_list(_number)), "datetime_complete": _text,
    "distributions": _dict(_text), "params": _dict(_number), "user_attrs": _of_trial, "system_attrs": _attributes,
    "intermediate_values": lambda value: _dict(_number)(value) and all(map(_step, value)),
}  # fmt: skip


def _fault(record: Any) -> str | None:
    """What a record lacks; None: nothing that could be seen in it alone."""
    if not isinstance(record, dict):
        return f"no record, but {record!r:.40}"
    code = record.get("op_code")
    if not _whole(code) or code not in _OPERATIONS:
        return f"op_code {code!r:.40}"
    required = _OPERATIONS[code] | {"worker_id": _text}
    for name, check in required.items():
        if name not in record or not check(record[name]):
            return f"{name} {record.get(name, 'is missing')!r:.80}"
    if code == _CREATE_TRIAL:
        for name, check in _OPTIONAL.items():
            if name in record and not check(record[name]):
                return f"{name} {record[name]!r:.80}"
    return None
