"""Rules that a value of a config obeys: each gives the value back, of the type that is meant, or refuses it in a line.

The task's config (`schema`) and the sweeper's keys (`search/settings`) are held to the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from harmonic.errors import ConfigError

SEEDS = 2**32  # torch's generator on the CPU keeps the lower 32 bits of a seed
TOO_LARGE = 2**63  # for a whole number of the table


def whole(key: str, value: object, least: int, most: int | None = None) -> int:
    """A whole number in a range; most: None: whatever 64 bits hold."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        rule = f"a whole number >= {least}" if most is None else f"a whole number from {least} to {most}"
        raise ConfigError.broken(key, rule, value)
    return int(storable(key, value))


def real(key: str, value: object, rule: str, holds: Callable[[float], bool]) -> float:
    """A finite number for which `holds` is true; 1 becomes 1.0."""
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):  # a whole number that no float holds
            number = float(value)
    if not math.isfinite(number) or not holds(number):
        raise ConfigError.broken(key, rule, value)
    return number


def flag(key: str, value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ConfigError.broken(key, "true or false", value)
    return value


def one_of(key: str, value: object, options: Sequence[str], more: str = "") -> str:
    """One of some names; more: what else the message allows."""
    if not isinstance(value, str) or value not in options:
        raise ConfigError.broken(key, f"one of {', '.join(options)}{more}", value)
    return value


def seed(key: str, value: object) -> int:
    """A seed of torch's generator."""
    return whole(key, value, 0, SEEDS - 1)


def class_path(key: str, value: object) -> str:
    """The dotted path of a class."""
    if not isinstance(value, str) or "." not in value:
        raise ConfigError.broken(key, "the dotted path of a class", value)
    return value


def storable(key: str, value: Any) -> Any:
    """A value, if a table can hold all that is in it."""
    _utf8(key, key)
    if isinstance(value, Mapping):
        for name, one in value.items():
            if not isinstance(name, str | int | float):
                raise ConfigError.broken(key, "a mapping of text or numbers to values", value)
            storable(f"{key}.{name}", one)
    elif isinstance(value, list | tuple):
        for one in value:
            storable(key, one)
    elif isinstance(value, int) and not -TOO_LARGE <= value < TOO_LARGE:
        raise ConfigError.broken(key, "a whole number that 64 bits hold", value)
    elif isinstance(value, str):
        _utf8(key, value)
    elif value is not None and not isinstance(value, bool | int | float):
        raise ConfigError.broken(key, "null, a truth value, a number, text, or a list or mapping of these", value)
    return value


def _utf8(key: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{ascii(key)[1:-1]} must be UTF-8; got {text!a}") from None
