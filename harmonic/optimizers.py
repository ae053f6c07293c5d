"""The optimizer that `config.optimizer` names: any class of `torch.optim`, built or read."""

from __future__ import annotations

import inspect
import json
from collections.abc import Hashable, Iterable, Mapping
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim import Optimizer

from harmonic.errors import ConfigError
from harmonic.targets import check_arguments, find, parameters_of


def build(section: Mapping[str, Any], parameters: Iterable[Tensor]) -> Optimizer:
    """The optimizer over some parameters.

    Raises:
        ConfigError: the class cannot be found, is no optimizer, or refuses its arguments.
    """
    target = _find(section)
    try:
        optimizer: Optimizer = target(parameters, **_arguments(section))
        return optimizer
    except (TypeError, ValueError) as error:
        raise ConfigError(f"optimizer must suit {target.__name__}; it says: {error}") from error


@cache
def check(section: str) -> None:
    """Refuse what `build` would refuse of a section, given as JSON.

    Raises:
        ConfigError: as `build` does.
    """
    build(json.loads(section), [torch.zeros(1, requires_grad=True)])


def arguments(section: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of the optimizer by name, torch's defaults where the config has none."""
    parameters = parameters_of(cast(Hashable, _find(section))).values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    return defaults | _arguments(section)


def _find(section: Mapping[str, Any]) -> type[Any]:
    target = find("optimizer", section["_target_"])
    if not issubclass(target, Optimizer):
        raise ConfigError.broken("optimizer._target_", "a torch.optim class", section["_target_"])
    check_arguments("optimizer", target, _arguments(section))
    return target


def _arguments(section: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key != "_target_"}


def _spare_the_compiler() -> None:
    """Keep the construction of an optimizer from importing torch's compiler (1.7 s).

    `torch._disable_dynamo` does so at the first call of what it wraps, to mark it as not to be
    compiled, unless it finds the mark. Where torch has no such wrapper, this does nothing.
    """
    plain = inspect.unwrap(Optimizer.add_param_group)
    if plain is not Optimizer.add_param_group:
        plain.__dict__.setdefault("__dynamo_disable", plain)


_spare_the_compiler()
