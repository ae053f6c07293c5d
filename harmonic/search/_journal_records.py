"""What a record of a journal must hold, field by field: Optuna trusts them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optuna.trial import TrialState

from harmonic._compat.optuna import CREATE_TRIAL, FAILED_TRIAL, FIXED_PARAMS, RETRY_HISTORY
from harmonic.search.trial_attributes import ATTRIBUTES, EARLIER

LARGEST = 2**63  # of whole numbers: databases and NumPy hold no larger

Check = Callable[[Any], bool]


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
_OURS: dict[str, Check] = {
    "status": _text, "replicates": _whole, "runs": _list(_text), "dir": _text, "error": _text,
    "spread": _or_null(_list(_or_null(_number))),
}  # fmt: skip
_ATTRIBUTES: dict[str, Check] = {
    FIXED_PARAMS: _dict(_anything), RETRY_HISTORY: _list(_whole), FAILED_TRIAL: _whole, "changed": _whole,
    "constraints": _or_null(_list(_number)), EARLIER: _dict(_anything),
}  # fmt: skip


def _attributes(value: Any) -> bool:
    return _dict(_anything)(value) and all(map(_attribute, value, value.values()))


def _attribute(name: str, value: Any) -> bool:
    if name.startswith("constraints:"):
        return _number(value)
    return _ATTRIBUTES.get(name, _anything)(value)


def _of_trial(value: Any) -> bool:
    ours = value.get(ATTRIBUTES, {}) if isinstance(value, dict) else None
    return _attributes(value) and isinstance(ours, dict) and all(_OURS.get(k, _anything)(v) for k, v in ours.items())


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


def fault_of(record: Any) -> str | None:
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
    if code == CREATE_TRIAL:
        for name, check in _OPTIONAL.items():
            if name in record and not check(record[name]):
                return f"{name} {record[name]!r:.80}"
    return None
