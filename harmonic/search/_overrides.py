"""The overrides of a search as Hydra applies them: which of one key decides, and what is searched."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, OverrideType
from omegaconf import OmegaConf

from harmonic._compat.hydra import written
from harmonic.search.parameters import Parameter, name_of, parse_parameter


def effective_overrides(
    params: Mapping[str, Any], arguments: Sequence[str], loader: ConfigLoader
) -> list[str | Parameter]:
    """What is set (as text) and what is searched, in the order in which Hydra applies it: of one key the last decides.

    Args:
        params: the sweep file's, by key.
        arguments: the command line's overrides, which go before those.
        loader: knows the groups.

    Raises:
        ConfigError: a range has no values.
        HydraException: an override cannot be parsed.
    """
    parser = OverridesParser.create(config_loader=loader)
    in_file = parser.parse_overrides([f"{key}={_text(value)}" for key, value in params.items()])
    given = parser.parse_overrides(list(arguments))
    replaced = {name_of(one) for one in given}
    chosen = [*(one for one in in_file if name_of(one) not in replaced), *given]
    effective = list[str | Parameter]()
    for index, one in enumerate(chosen):
        later = [other for other in chosen[index + 1 :] if _covers(other, name_of(one))]
        if one.is_sweep_override() and not later:
            effective.append(parse_parameter(one, bool(loader.get_group_options(one.key_or_group))))
        elif not one.is_sweep_override() or later[0].type not in (OverrideType.ADD, OverrideType.FORCE_ADD):
            effective.append(_fixed(one))
    return effective


def _text(value: Any) -> str:
    return (
        value
        if isinstance(value, str)
        else json.dumps(OmegaConf.to_object(value) if OmegaConf.is_config(value) else value)
    )


def _covers(later: Override, name: str) -> bool:
    """Whether a later override decides the value of what has this name."""
    if name_of(later) == name:
        return True
    value, (section, dot, below) = later.value(), name.partition(f"{name_of(later)}.")
    if section or not dot:
        return False
    for key in below.split("."):
        if not isinstance(value, dict) or key not in value:
            return later.is_delete()
        value = value[key]
    return True


def _fixed(override: Override) -> str:
    """An override as it is written; of a sweep that a later override replaces, its first value."""
    if not override.is_sweep_override():
        return str(override.input_line)
    value = override.value()
    first = value.start if isinstance(value, IntervalSweep) else next(override.sweep_iterator())
    return f"{override.get_key_element()}={written(first)}"
