"""What `hydra.sweeper` says of a search, checked."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from harmonic.config.schema import OBJECTIVES, SEEDS
from harmonic.errors import ConfigError, meant

DIRECTIONS = ("minimize", "maximize")
LONGEST_BEAT_S = 86_400


@dataclass(frozen=True)
class Settings:
    """The sweeper's keys as plain values; what each means stands in `SearchConf` of the plugins."""

    params: Mapping[str, Any]
    n_trials: int
    n_jobs: int | None
    direction: Sequence[str]
    seeds: Sequence[int]  # empty: the config's own
    fresh_seeds: Sequence[int]  # empty: none
    sampler: Mapping[str, Any]
    pruner: Mapping[str, Any]
    rungs: int | None
    prune_by: str | None
    study_name: str | None
    storage: str | None
    heartbeat: int
    max_retries: int
    max_failure_rate: float
    timeout: float | None
    target: float | None
    patience: int | None
    allow_changes: bool

    @classmethod
    def checked(cls, section: Mapping[str, Any]) -> Settings:
        """The settings with every value in range.

        Raises:
            ConfigError: a value breaks its rule, or there is no such key.
        """
        keys = [one.name for one in fields(cls)]
        for key in map(str, section):
            if key not in keys:
                raise ConfigError(
                    f"hydra.sweeper.{key} is no key of the sweeper; it has {', '.join(keys)}{meant(key, keys)}"
                )
        plain: dict[str, Any] = {
            str(key): OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            for key, value in section.items()
        }
        if plain["params"] is not None and not isinstance(plain["params"], dict):
            raise _broken("params", "ranges by key, as {model.width: interval(8,128)}", plain["params"])
        directions = plain["direction"] if isinstance(plain["direction"], list) else [plain["direction"]]
        for one in directions:
            if one not in DIRECTIONS:
                raise _broken("direction", f"one of {', '.join(DIRECTIONS)}, or a list of them", one)
        if plain["prune_by"] is not None and plain["prune_by"] not in OBJECTIVES:
            raise _broken("prune_by", f"one of {', '.join(OBJECTIVES)}", plain["prune_by"])
        return cls(
            params=plain["params"] or {},
            n_trials=_whole("n_trials", plain["n_trials"], 1),
            n_jobs=_optional_whole("n_jobs", plain["n_jobs"], 1),
            direction=directions,
            seeds=_seeds("seeds", plain["seeds"]),
            fresh_seeds=_seeds("fresh_seeds", plain["fresh_seeds"]),
            sampler=_built_by("sampler", plain["sampler"]),
            pruner=_built_by("pruner", plain["pruner"]),
            rungs=_optional_whole("rungs", plain["rungs"], 1),
            prune_by=plain["prune_by"],
            study_name=_name(plain["study_name"]),
            storage=_storage(plain["storage"]),
            heartbeat=_whole("heartbeat", plain["heartbeat"], 1, LONGEST_BEAT_S),
            max_retries=_whole("max_retries", plain["max_retries"], 0),
            max_failure_rate=_real("max_failure_rate", plain["max_failure_rate"], "a number from 0 to 1", 0, 1),
            timeout=_optional_real("timeout", plain["timeout"], "a number of seconds >= 0", 0),
            target=_optional_real("target", plain["target"], "a finite number", -math.inf),
            patience=_optional_whole("patience", plain["patience"], 1),
            allow_changes=_flag("allow_changes", plain["allow_changes"]),
        )


def _broken(key: str, rule: str, value: object) -> ConfigError:
    return ConfigError.broken(f"hydra.sweeper.{key}", rule, value)


def _whole(key: str, value: Any, least: int, most: int = sys.maxsize) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        rule = f"a whole number >= {least}" if most == sys.maxsize else f"a whole number from {least} to {most}"
        raise _broken(key, rule, value)
    return value


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _broken(key, "true or false", value)
    return value


def _storage(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or "://" not in value:
        raise _broken("storage", "an address of Optuna's, as sqlite:///study.db, or null", value)
    if database_in_memory(value):
        raise _broken("storage", "one that stays when the sweep has ended", value)
    return value


def _optional_whole(key: str, value: Any, least: int) -> int | None:
    return None if value is None else _whole(key, value, least)


def _real(key: str, value: Any, rule: str, low: float, high: float = math.inf) -> float:
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not math.isfinite(number) or not low <= number <= high:
        raise _broken(key, rule, value)
    return number


def _optional_real(key: str, value: Any, rule: str, low: float) -> float | None:
    return None if value is None else _real(key, value, rule, low)


def _built_by(key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("_target_"), str) or "." not in value["_target_"]:
        raise _broken(f"{key}._target_", f"the dotted path of a class, as optuna.{key}s.<class>", value)
    return value


def _name(value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise _broken("study_name", "a text, or null: the name of the sweep's folder", value)
    return value


def _seeds(key: str, value: Any) -> Sequence[int]:
    """The seeds of a list, or of the text of a Hydra sweep such as range(0,8)."""
    rule, seeds = f"different whole numbers from 0 to {SEEDS - 1}, as [0,1,2] or range(0,8)", value
    if isinstance(value, str):
        try:
            parsed = OverridesParser.create().parse_override(f"seed={value}")
            seeds = list(parsed.sweep_iterator()) if parsed.is_discrete_sweep() else parsed.value()
        except HydraException as error:
            raise _broken(key, rule, value) from error
    if isinstance(seeds, int) and not isinstance(seeds, bool):
        seeds = [seeds]
    if seeds is None:
        return []
    valid = isinstance(seeds, list) and seeds and len(set(map(str, seeds))) == len(seeds)
    if not valid or any(isinstance(s, bool) or not isinstance(s, int) or not 0 <= s < SEEDS for s in seeds):
        raise _broken(key, rule, value)
    return list(seeds)


def database_in_memory(url: str) -> bool:
    """Whether an SQLite database ends with its process."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return False
    named = parsed.database or ":memory:"
    return parsed.get_backend_name() == "sqlite" and (":memory:" in named or "mode=memory" in url)


def database_file(url: str | None) -> Path | None:
    """The file of an SQLite database; None: it is none, or is kept in memory."""
    try:
        parsed = make_url(url or "")
    except (ArgumentError, ValueError):
        return None
    named = parsed.database
    if parsed.get_backend_name() != "sqlite" or not named or named == ":memory:" or named.startswith("file:"):
        return None
    return Path(named)


def absolute(url: str | None, cwd: Path) -> str | None:
    """A storage's URL, which means the same in whatever folder it is read.

    Args:
        cwd: where it was given, to which the path of an SQLite database is relative.
    """
    file = database_file(url)
    if url is None or file is None or file.is_absolute():
        return url
    return make_url(url).set(database=str(cwd / file)).render_as_string(hide_password=False)


def public(url: str | None) -> str:
    """A storage's URL as it may be shown: without its password."""
    try:
        return make_url(url or "").render_as_string(hide_password=True)
    except (ArgumentError, ValueError):  # no URL, or one with a port that is no number
        return re.sub(r":[^@]*@", ":***@", str(url))
