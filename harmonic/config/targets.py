"""What `_target_` names: the class, found and called with its arguments, errors in one line."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Hashable, Mapping
from functools import cache
from typing import Any, cast

from hydra.errors import InstantiationException

from harmonic._compat.hydra import instantiate
from harmonic.errors import ConfigError, meant


@cache
def find(section: str, target: str) -> type[Any]:
    """The class at a dotted path.

    Raises:
        ConfigError: there is none.
    """
    try:
        found = pkgutil.resolve_name(target)  # Hydra's `get_class` logs what it cannot find, beside raising it
    except Exception as error:  # importing somebody's module may raise anything
        rule = f"{section}._target_ must be the dotted path of a class"
        raise ConfigError(f"{rule}; got '{target}' ({reason(error)})") from error
    if not isinstance(found, type):
        raise ConfigError.broken(f"{section}._target_", "the dotted path of a class", target)
    return found


@cache
def parameters_of(target: Any) -> Mapping[str, inspect.Parameter]:
    """What a class takes, by name."""
    return inspect.signature(target).parameters


def check_arguments(section: str, target: type[Any], arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that the class does not have.

    Raises:
        ConfigError: names the argument, and those that the class takes.
    """
    parameters = parameters_of(cast(Hashable, target))
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for key in arguments:
        if not key.startswith("_") and key not in parameters:
            accepted = [name for name in parameters if name != "params"]
            raise ConfigError(
                f"{section}.{key} is not an argument of {target.__name__}; it takes {', '.join(accepted)}"
                f"{meant(key, accepted)}"
            )


def locate(section: str, values: Mapping[str, Any]) -> Any:
    """The object that a config section describes; `seed` is ours and not passed on.

    Nested sections with a `_target_` are built first, as `hydra.utils.instantiate` does.

    Raises:
        ConfigError: the class cannot be found or refuses its arguments.
    """
    arguments = {key: value for key, value in values.items() if key != "seed"}
    target = find(section, str(arguments.pop("_target_")))
    check_arguments(section, target, arguments)
    try:
        return target(**instantiate(arguments, _convert_="all")) if _nested(arguments) else target(**arguments)
    except InstantiationException as error:
        raise ConfigError(f"{section} can't be built: {reason(error.__cause__ or error)}") from error
    except Exception as error:  # somebody's class may refuse its arguments in any way
        raise ConfigError(f"{section} can't be built: {target.__name__} says {reason(error)}") from error


def _nested(node: Any) -> bool:
    """Whether something in it is to be built first."""
    if isinstance(node, Mapping):
        return "_target_" in node or any(map(_nested, node.values()))
    return isinstance(node, list) and any(map(_nested, node))


def reason(error: BaseException) -> str:
    """An exception in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
