"""What of Hydra is private or differs between its versions: 1.3 and 1.4 are served.

`hydra_plugins` has a module of its own, for Hydra imports that in every application of the environment.
"""

from __future__ import annotations

import copy
import re
import warnings
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import hydra
from hydra import initialize_config_dir
from hydra._internal import config_loader_impl

# Hydra asks it for every file of a composition; public are its sources alone (`hydra.plugins.config_source`).
try:
    from hydra._internal.config_repository import ConfigRepository as ConfigRepository
except ImportError:  # see `missing`
    ConfigRepository = None  # type: ignore[assignment, misc]

from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn
from omegaconf import DictConfig, OmegaConf

__all__ = ["ConfigRepository"]

VERSION = tuple(int(part) for part in hydra.__version__.split(".")[:2])
BASE = "1.3"  # whose defaults we rely on; from 1.4 on there is one base, and naming it is deprecated


def main(task: Callable[[DictConfig], Any], folder: str, config_name: str) -> None:
    """Run a task as `hydra.main` does. Callbacks and handlers of logs are checked as `instantiate` has it."""
    if VERSION >= (1, 4):
        options: dict[str, Any] = {}
        _silence(r"(hydra|harmonic)\.")
    else:
        options = {"version_base": BASE}
    hydra.main(config_path=folder, config_name=config_name, **options)(task)()


def initialized(folder: str) -> AbstractContextManager[None]:
    """While this lasts, `hydra.compose` reads this folder."""
    context: AbstractContextManager[None] = initialize_config_dir(folder, **_base())
    return context


def _base() -> dict[str, Any]:
    return {} if VERSION >= (1, 4) else {"version_base": BASE}


def instantiate(section: Any, **options: Any) -> Any:
    """`hydra.utils.instantiate`, of what a config names: its user's own classes, and what their functions return.

    Hydra refuses names that run text as code or that remove files. From 1.4 on it wants code that is trusted to list
    what a config may name instead. Harmonic has no such list to give, for configs name classes of whoever writes them.
    One made of the config itself would allow the removal of files, which Hydra leaves to a list, and refuse what
    functions return and `torch.nn.ReLU`, which is defined elsewhere. `UNSAFE_DISABLE_EXECUTION_CHECKS` would refuse
    nothing. Without a list Hydra checks as 1.3 does, and announces that 1.5 will not: that is not said to users, who
    could do nothing about it.
    """
    from hydra.utils import instantiate as build

    if VERSION < (1, 4):
        return build(section, **options)
    from hydra.utils import execution_whitelist  # type: ignore[attr-defined]  # of 1.4

    _silence(re.escape(__name__))
    with execution_whitelist(None, reset=True):
        return build(section, **options)


def _silence(caller: str) -> None:
    """Ignore what Hydra 1.4 says of a missing list to modules of this name, and to no other's code.

    Not for a while alone: filters are the process's, and its threads build side by side.
    """
    for said in (r"hydra\.utils\.instantiate\(\) resolved _target_=", r"Hydra configured Python logging without"):
        warnings.filterwarnings("ignore", said, UserWarning, caller)


def register_resolver(name: str, resolver: Callable[..., Any], use_cache: bool) -> None:
    """Register a resolver of OmegaConf's, in place of one that has its name.

    The function of OmegaConf 2.4 has the name of another one, of before 2.1, in OmegaConf 2.3.
    """
    register: Any = OmegaConf.register_resolver if VERSION >= (1, 4) else OmegaConf.register_new_resolver
    register(name, resolver, use_cache=use_cache, replace=True)


def store(name: str, node: Any, provider: str) -> None:
    """Put a config into Hydra's store, in place of one that has its name; from 1.4 on that is to be said."""
    options: dict[str, Any] = {"replace": True} if VERSION >= (1, 4) else {}
    ConfigStore.instance().store(name=name, node=node, provider=provider, **options)


def set_override_dirname(hydra_section: DictConfig, overrides: Sequence[Override]) -> None:
    """Note the overrides of a job as the name of a folder, as Hydra does when it composes the job.

    Public is the value in a job that Hydra has composed, and here none is composed. From 1.4 on it is an interpolation
    of the job's overrides, which needs no help.
    """
    if VERSION < (1, 4):
        hydra_section.job.override_dirname = override_dirname(hydra_section, overrides)


def missing(loader: ConfigLoader) -> tuple[str, ...]:
    """What this Hydra lacks of the private names by which the jobs of a sweep are composed in short."""
    there = {
        "ConfigRepository": ConfigRepository is not None,
        "ConfigLoader.repository": hasattr(loader, "repository"),
        "Override._value": "_value" in Override.__dataclass_fields__,
        "get_overrides_dirname": VERSION >= (1, 4) or hasattr(config_loader_impl, "get_overrides_dirname"),
    }
    return tuple(name for name, is_there in there.items() if not is_there)


def with_repository(loader: ConfigLoader, kind: Callable[[Any], Any]) -> ConfigLoader:
    """A loader that reads through a repository made of its own; public is the search path, and not what reads it."""
    copied: Any = copy.copy(loader)
    copied.repository = kind(copied.repository)
    composer: ConfigLoader = copied
    return composer


def override_dirname(hydra_section: DictConfig, overrides: Sequence[Override]) -> str:
    """What `hydra.job.override_dirname` holds up to 1.3."""
    from hydra._internal.config_loader_impl import get_overrides_dirname

    options: Any = OmegaConf.to_container(hydra_section.job.config.override_dirname)
    name: str = get_overrides_dirname(list(overrides), **options)
    return name


def has_override_dirname() -> bool:
    """Whether a composed job holds its overrides as text."""
    return VERSION < (1, 4)


def args_parser() -> ArgumentParser:
    """The options of `hydra.main`, whose names a misspelt one is compared with. Hydra publishes them as help alone."""
    from hydra._internal.utils import get_args_parser

    parser: ArgumentParser = get_args_parser()
    return parser


def value_of(override: Override) -> Any:
    """What an override says, before its quotes are taken away: `Override.value()` no longer knows of them."""
    return override._value


def with_value(override: Override, value: Any, line: str) -> Override:
    """The same override with another value, without the half millisecond that parsing takes."""
    from dataclasses import replace

    return replace(override, _value=value, input_line=line)


def written(value: Any) -> str:
    """An element of an override as its grammar writes it; public is `Override.get_value_string`, of whole overrides."""
    text: str = Override._get_value_element_as_str(value)
    return text


def escaped(text: str) -> str:
    """A text without quotes in which no character has a meaning to the grammar. The rule is the parser's own."""
    from hydra._internal.grammar.utils import escape_special_characters

    result: str = escape_special_characters(text)
    return result


def return_value(returned: JobReturn) -> Any:
    """What a job gave or raised; the public property raises it."""
    return returned._return_value


def unresolved(config: DictConfig, key: str) -> Any:
    """What a key holds as it was written. Public ways resolve interpolations, or copy the section around it."""
    parent, _, leaf = key.rpartition(".")
    section = OmegaConf.select(config, parent) if parent else config
    node: Any = section._get_node(leaf)
    return OmegaConf.to_container(node) if OmegaConf.is_config(node) else node._value()


def resolver_cache(config: DictConfig) -> Any:
    """What resolvers with a cache have given for a config, for a copy that is made of text would ask them anew; None:
    it cannot be known."""
    return getattr(getattr(config, "_metadata", None), "resolver_cache", None)


def set_resolver_cache(config: DictConfig, cache: Any) -> None:
    """Have resolvers give what they have given for another config, as `resolver_cache` has it."""
    config._metadata.resolver_cache = cache
