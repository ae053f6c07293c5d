"""From overrides to a checked config, with the config tree that harmonic ships.

compose(["model=deep", "optimizer=adam", "seed=7"])      # -> schema.Config
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

from harmonic import schema
from harmonic.tables import leaves

HYDRA_VERSION = "1.3"  # whose defaults we rely on


def config_root() -> Path:
    """The folder that holds conf/ and sweeps/: the package when installed, else the checkout."""
    package = Path(__file__).resolve().parent
    return package if (package / "conf").is_dir() else package.parent


class SweepFiles(SearchPathPlugin):
    """Puts sweeps/ on Hydra's search path, so that `-cn post` finds sweeps/post.yaml."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append("harmonic", f"file://{config_root() / 'sweeps'}")


def prepare() -> None:
    """Tell Hydra of the schema, the sweep files and the resolver that keeps folders apart."""
    schema.register()
    # two runs that start in the same second must not share a folder
    OmegaConf.register_new_resolver("token", lambda: secrets.token_hex(3), use_cache=True, replace=True)
    Plugins.instance().register(SweepFiles)


def compose(overrides: Sequence[str] = (), config_name: str = "config") -> schema.Config:
    """The config of a single run, as `harmonic <overrides>` would train it.

    Raises:
        ConfigError: a value breaks its rule.
        HydraException: an override does not fit the config tree.
    """
    return schema.parse(_composed(config_name, overrides))


def _composed(config_name: str, overrides: Sequence[str]) -> DictConfig:
    """Hydra's composition, also where one of Hydra's applications is running."""
    prepare()
    application = GlobalHydra.instance().hydra
    GlobalHydra.instance().hydra = None
    try:
        with initialize_config_dir(str(config_root() / "conf"), version_base=HYDRA_VERSION):
            return hydra_compose(config_name, list(overrides))
    finally:
        GlobalHydra.instance().hydra = application


GROUPS = ("data", "model", "optimizer")
_UNSAID = ("figures", "objective")  # they change nothing in a run
_PLAIN = re.compile(r"[\w./:-]+")
_NOT_TEXT = re.compile(r"(null|true|false|on|off|yes|no|nan|[+-]?inf|[+-]?[\d._]+(e[+-]?\d+)?)", re.IGNORECASE)


def repeat(config: Mapping[str, Any], choices: Mapping[str, str] | None = None) -> list[str]:
    """The overrides with which `harmonic` trains a run of this config once more.

    Args:
        config: the sections of `schema.Config` as plain containers, or their leaves by dotted key.
        choices: option by group, as Hydra noted them; None: those that leave the least to say.
    """
    wanted = {key: value for key, value in leaves(config).items() if key not in _UNSAID}
    chosen, overrides = tuple[str, ...](), list[str]()
    for group in GROUPS:
        if choices is not None:
            option = (f"{group}={choices.get(group)}",)
            chosen = (
                (*chosen, *option) if option in _options(group) and choices[group] != _defaults()[group] else chosen
            )
            continue
        if sum(key.startswith(f"{group}.") for key in _differences(wanted, chosen)) < 2:
            continue  # nothing shorter can be said
        fits = [(len(_differences(wanted, (*chosen, *option))), len(option), option) for option in _options(group)]
        chosen = (*chosen, *min(fits)[2])
    for key, value in _differences(wanted, chosen).items():
        known = key in _leaves(chosen)
        overrides.append(f"~{key}" if value is _GONE else f"{'' if known else '+'}{key}={_override_text(value)}")
    return [*chosen, *overrides]


_GONE = object()


def _differences(wanted: Mapping[str, Any], overrides: tuple[str, ...]) -> dict[str, Any]:
    """What to set, and to take away, after these overrides."""
    base = _leaves(overrides)
    changed = {key: value for key, value in wanted.items() if key not in base or base[key] != value}
    # a table does not tell null from a key that is not there
    return changed | {key: _GONE for key, value in base.items() if key not in wanted and value is not None}


@lru_cache(maxsize=64)
def _leaves(overrides: tuple[str, ...]) -> dict[str, Any]:
    plain = OmegaConf.to_container(_composed("config", overrides), resolve=True)
    assert isinstance(plain, dict)
    return {key: value for key, value in leaves({str(k): v for k, v in plain.items()}).items() if key not in _UNSAID}


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


def _override_text(value: Any) -> str:
    """A value as an override writes it. Lists are JSON text in a table's leaves, which Hydra reads."""
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    text = repr(value) if isinstance(value, float) else str(value)
    if isinstance(value, float) or text.startswith("[") or (_PLAIN.fullmatch(text) and not _NOT_TEXT.fullmatch(text)):
        return text
    escaped = text.replace("'", "\\'")
    return f"'{escaped}'"
