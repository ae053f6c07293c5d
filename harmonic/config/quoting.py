"""Plain values as Hydra's overrides write them: what its parser, and then OmegaConf, read back as they were."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

from harmonic._compat import hydra as compat
from harmonic.errors import ConfigError

_PARSER = OverridesParser.create()
_INTERPOLATION = re.compile(r"(\\*)\$\{")


def written(key: str, value: Any) -> str:
    """A value as it stands behind `<key>=`.

    Args:
        key: for the message alone.
        value: None, a bool, a number, a text, or lists and mappings of them.

    Raises:
        ConfigError: overrides have no way to write it.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and _read(value) == value:
        return value
    return compat.written(_quoted(key, value))


def is_path(key: str) -> bool:
    """Whether a dotted key may stand before `=`."""
    try:
        return _PARSER.parse_override(f"{key}=0").key_or_group == key
    except HydraException:
        return False


def _quoted(key: str, value: Any) -> Any:
    """The value with its texts as Hydra's parser has those in quotes, and keys as it writes them."""
    if isinstance(value, str):
        return QuotedString(_literal(value), Quote.single)
    if isinstance(value, Mapping):
        pairs = {name: _quoted(f"{key}.{name}", one) for name, one in value.items()}
        if wrong := [name for name in pairs if not _is_key(name)]:
            raise ConfigError(f"the keys of {key} must be such that an override can write them; got {wrong[0]!r}")
        return pairs
    if isinstance(value, list | tuple):
        return [_quoted(key, one) for one in value]
    return value


def _literal(text: str) -> str:
    """A text in which OmegaConf sees no interpolation; backslashes before one count double."""
    return _INTERPOLATION.sub(lambda found: f"{found[1] * 2}\\${{", text)


def _is_key(key: Any) -> bool:
    found = _read(f"{{{compat.escaped(key) if isinstance(key, str) else key}:0}}")
    return isinstance(found, dict) and [*map(repr, found)] == [repr(key)]


def _read(text: str) -> Any:
    """What Hydra's parser makes of a value; None of a sweep, of what interpolates, and of what it cannot read."""
    try:
        override = _PARSER.parse_override(f"key={text}")
    except HydraException:
        return None
    value = compat.value_of(override)
    if override.is_sweep_override() or isinstance(value, QuotedString) or (isinstance(value, str) and "${" in value):
        return None
    return value
