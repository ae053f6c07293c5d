"""The keys of `hydra.sweeper`, checked, as plain values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf

from harmonic.config.rules import SEEDS, flag, one_of, real, whole
from harmonic.config.schema import OBJECTIVES
from harmonic.errors import ConfigError, meant
from harmonic.search.storage_url import database_in_memory

DIRECTIONS = ("minimize", "maximize")
LONGEST_BEAT_S = 86_400

Parser = Callable[[str, Any], Any]  # gives back the value of a key, or refuses it


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
    def parse(cls, section: Mapping[str, Any]) -> Settings:
        """The settings of `hydra.sweeper`, every value in range.

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
        return cls(**{key: parse(f"hydra.sweeper.{key}", plain[key]) for key, parse in _PARSERS.items()})


def _params(key: str, value: Any) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise ConfigError.broken(key, "ranges by key, as {model.width: interval(8,128)}", value)
    return value or {}


def _directions(key: str, value: Any) -> Sequence[str]:
    given = value if isinstance(value, list) else [value]
    return [one_of(key, one, DIRECTIONS, ", or a list of them") for one in given]


def _column(key: str, value: Any) -> str:
    return one_of(key, value, OBJECTIVES)


def _storage(key: str, value: Any) -> str:
    if not isinstance(value, str) or "://" not in value:
        raise ConfigError.broken(key, "an address of Optuna's, as sqlite:///study.db, or null", value)
    if database_in_memory(value):
        raise ConfigError.broken(key, "one that stays when the sweep has ended", value)
    return value


def _built_by(key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("_target_"), str) or "." not in value["_target_"]:
        rule = f"the dotted path of a class, as optuna.{key.rpartition('.')[2]}s.<class>"
        raise ConfigError.broken(f"{key}._target_", rule, value)
    return value


def _name(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigError.broken(key, "a text, or null: the name of the sweep's folder", value)
    return value


def _seeds(key: str, value: Any) -> Sequence[int]:
    """The seeds of a list, or of the text of a Hydra sweep such as range(0,8)."""
    rule, seeds = f"different whole numbers from 0 to {SEEDS - 1}, as [0,1,2] or range(0,8)", value
    if isinstance(value, str):
        try:
            parsed = OverridesParser.create().parse_override(f"seed={value}")
            seeds = list(parsed.sweep_iterator()) if parsed.is_discrete_sweep() else parsed.value()
        except HydraException as error:
            raise ConfigError.broken(key, rule, value) from error
    if isinstance(seeds, int) and not isinstance(seeds, bool):
        seeds = [seeds]
    if seeds is None:
        return []
    valid = isinstance(seeds, list) and seeds and len(set(map(str, seeds))) == len(seeds)
    if not valid or any(isinstance(s, bool) or not isinstance(s, int) or not 0 <= s < SEEDS for s in seeds):
        raise ConfigError.broken(key, rule, value)
    return list(seeds)


def _or_null(parse: Parser) -> Parser:
    return lambda key, value: None if value is None else parse(key, value)


def _from(least: int) -> Parser:
    return lambda key, value: whole(key, value, least)


_PARSERS: dict[str, Parser] = {
    "params": _params,
    "direction": _directions,
    "prune_by": _or_null(_column),
    "n_trials": _from(1),
    "n_jobs": _or_null(_from(1)),
    "seeds": _seeds,
    "fresh_seeds": _seeds,
    "sampler": _built_by,
    "pruner": _built_by,
    "rungs": _or_null(_from(1)),
    "study_name": _or_null(_name),
    "storage": _or_null(_storage),
    "heartbeat": lambda key, value: whole(key, value, 1, LONGEST_BEAT_S),
    "max_retries": _from(0),
    "max_failure_rate": lambda key, value: real(key, value, "a number from 0 to 1", lambda rate: 0 <= rate <= 1),
    "timeout": _or_null(lambda key, value: real(key, value, "a number of seconds >= 0", lambda seconds: seconds >= 0)),
    "target": _or_null(lambda key, value: real(key, value, "a finite number", math.isfinite)),
    "patience": _or_null(_from(1)),
    "allow_changes": flag,
}
