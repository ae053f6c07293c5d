"""The sweeper: Optuna asks for trials, and no trial waits for another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from . import config as _config  # noqa: F401 - registers the plugins' config


class HarmonicSweeper(Sweeper):
    """Searches what the sweep file and the command line span.

    Args:
        section: the keys of `SearchConf`.
    """

    def __init__(self, **section: Any) -> None:
        self.section = section
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config, self.context, self.task_function = config, hydra_context, task_function
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: Sequence[str]) -> None:
        """Run the search; what it finds lies in the sweep's folder."""
        assert self.config is not None
        assert self.launcher is not None
        from harmonic.search.sweep import sweep

        trains = bool(getattr(self.task_function, "trains", False))
        try:
            sweep(self.context, self.config, self.launcher, trains, self.section, arguments)
        finally:
            getattr(self.launcher, "close", lambda: None)()  # ours alone has built something
