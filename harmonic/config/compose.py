"""From overrides to a checked config, with the config tree that harmonic ships.

compose(["model=deep", "optimizer=adam", "seed=7"])      # -> schema.Config
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

from harmonic._compat import hydra as compat
from harmonic.config import schema
from harmonic.config.quoting import is_path, written
from harmonic.errors import ConfigError


def config_root() -> Path:
    """The folder that holds conf/ and sweeps/: the package when installed, else the checkout."""
    package = Path(__file__).resolve().parents[1]
    return package if (package / "conf").is_dir() else package.parent


class SweepFiles(SearchPathPlugin):
    """Puts sweeps/ on Hydra's search path, so that `-cn post` finds sweeps/post.yaml."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append("harmonic", f"file://{config_root() / 'sweeps'}")


def prepare() -> None:
    """Tell Hydra of the schema, the sweep files and the resolver that keeps folders apart."""
    schema.register()
    # two runs that start in the same second must not share a folder
    compat.register_resolver("token", lambda: secrets.token_hex(3), use_cache=True)
    Plugins.instance().register(SweepFiles)


def compose(overrides: Sequence[str] = (), config_name: str = "config") -> schema.Config:
    """The config of a single run, as `harmonic <overrides>` would train it.

    Raises:
        ConfigError: a value breaks its rule.
        HydraException: an override does not fit the config tree.
    """
    return schema.parse(composed(config_name, overrides))


def composed(config_name: str, overrides: Sequence[str], hydra: bool = False) -> DictConfig:
    """Hydra's composition, also where one of Hydra's applications is running.

    Args:
        hydra: with Hydra's own part.

    Raises:
        HydraException: an override does not fit the config tree.
    """
    prepare()
    application = GlobalHydra.instance().hydra
    GlobalHydra.instance().hydra = None
    try:
        with compat.initialized(str(config_root() / "conf")):
            return hydra_compose(config_name, list(overrides), return_hydra_config=hydra)
    finally:
        GlobalHydra.instance().hydra = application


GROUPS = ("data", "model", "optimizer")
_UNSAID = ("figures", "objective")  # they change nothing in a run


def repeat(config: Mapping[str, Any], choices: Mapping[str, str] | None = None) -> list[str]:
    """The overrides with which `harmonic` trains a run of this config once more.

    Args:
        config: the sections of `schema.Config` as plain containers, interpolations resolved.
        choices: option by group, as Hydra noted them; None: those that leave the least to say.

    Raises:
        ConfigError: it holds a key that no override can write.
    """
    wanted = {key: value for key, value in config.items() if key not in _UNSAID}
    chosen = tuple[str, ...]()
    for group in GROUPS:
        if choices is not None:
            option = (f"{group}={choices.get(group)}",)
            if option in _options(group) and choices[group] != _defaults()[group]:
                chosen = (*chosen, *option)
            continue
        if sum(text.lstrip("+~").startswith(f"{group}.") for text in _differences(wanted, chosen)) < 2:
            continue  # nothing shorter can be said
        fits = [(len(_differences(wanted, (*chosen, *option))), len(option), option) for option in _options(group)]
        chosen = (*chosen, *min(fits)[2])
    return [*chosen, *_differences(wanted, chosen)]


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of a config from its leaves by dotted key, as a table has them: lists are JSON text there.

    Raises:
        ConfigError: one key is a value and a section.
    """
    config: dict[str, Any] = {}
    for key, value in flat.items():
        *sections, leaf = key.split(".")
        section = config
        for name in sections:
            section = section.setdefault(name, {})
            if not isinstance(section, dict):
                raise ConfigError(f"'{key}' must not lie below a key that has a value; got '{name}' with both")
        section[leaf] = _listed(value)
    return config


def _listed(value: Any) -> Any:
    if not (isinstance(value, str) and value.startswith("[")):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _differences(wanted: Mapping[str, Any], chosen: tuple[str, ...]) -> list[str]:
    """What to set, to add and to take away after these overrides."""
    return list(_changes("", wanted, _base(chosen)))


def _changes(above: str, wanted: Mapping[Any, Any], base: Mapping[Any, Any]) -> Iterator[str]:
    for key in base:
        if key not in wanted:
            yield f"~{above}{key}"
    for key, value in wanted.items():
        path, there = f"{above}{key}", base.get(key)
        if not isinstance(key, str) or "." in key or not is_path(path):
            # as part of a mapping, which is merged into what is there
            yield f"+{above.rstrip('.')}={written(above.rstrip('.'), {key: value})}"
        elif isinstance(value, Mapping) and value and (key not in base or isinstance(there, Mapping)):
            yield from _changes(f"{path}.", value, there or {})
        elif key not in base or repr(value) != repr(there):  # 1, 1.0 and true are equal, and not the same
            yield f"{'' if key in base else '+'}{path}={written(path, value)}"


@lru_cache(maxsize=64)
def _base(overrides: tuple[str, ...]) -> dict[str, Any]:
    plain = OmegaConf.to_container(composed("config", overrides), resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items() if key not in _UNSAID}


@lru_cache(maxsize=1)
def _defaults() -> dict[str, str]:
    """The option of each group that is taken where nothing is said."""
    entries = OmegaConf.to_container(OmegaConf.load(config_root() / "conf" / "config.yaml"))
    assert isinstance(entries, dict)
    return {key: name for entry in entries["defaults"] if isinstance(entry, dict) for key, name in entry.items()}


@lru_cache(maxsize=8)
def _options(group: str) -> list[tuple[str, ...]]:
    """The ways to choose of a group: nothing said, or one of its files."""
    files = sorted((config_root() / "conf" / group).glob("*.yaml"))
    return [(), *((f"{group}={file.stem}",) for file in files)]
