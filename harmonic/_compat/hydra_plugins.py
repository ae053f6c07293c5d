"""Hydra's own launcher and sweeper, to be extended: they run other applications' jobs, and split them, as Hydra does.

Public are their interfaces alone (`hydra.plugins.launcher`, `hydra.plugins.sweeper`). Hydra 1.3 executes the modules of
plugins once more when it looks for plugins, so the classes are those of the moment in which somebody asks.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hydra._internal.core_plugins.basic_launcher import BasicLauncher as BasicLauncher
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper as BasicSweeper

_HOMES = {
    "BasicLauncher": "hydra._internal.core_plugins.basic_launcher",
    "BasicSweeper": "hydra._internal.core_plugins.basic_sweeper",
}


def swept_by_config(sweeper: "BasicSweeper") -> list[str]:
    """The overrides that `hydra.sweeper.params` adds to a grid's; public is what comes of them and the arguments."""
    swept: list[str] = sweeper._parse_config()
    return swept


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
