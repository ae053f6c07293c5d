"""From overrides to a checked config, with the config tree that harmonic ships.

compose(["model=deep", "optimizer=adam", "seed=7"])      # -> schema.Config
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from harmonic import schema

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
    prepare()
    with initialize_config_dir(str(config_root() / "conf"), version_base=HYDRA_VERSION):
        return schema.parse(hydra_compose(config_name, list(overrides)))
