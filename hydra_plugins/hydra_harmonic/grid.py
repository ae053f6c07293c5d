"""Hydra's grid sweeper, less its second composition of every job: harmonic's are composed once, all of them first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from harmonic._compat.hydra_plugins import BasicSweeper, swept_by_config

from . import config as _config  # noqa: F401 - registers the plugins' config


class GridSweeper(BasicSweeper):
    """Every combination of the swept values, in order."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._trains = bool(getattr(task_function, "trains", False))
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> Any:
        """Launch the jobs; one sweep at a time in a folder.

        Harmonic's own are refused before there is a folder if one of them is wrong, whatever launches them.
        """
        from harmonic.errors import ConfigError, RunFailed
        from harmonic.execution.sweep_lock import SweepLock

        assert self.config is not None
        size = self.max_batch_size
        if size is not None and size < 1:
            raise ConfigError.broken("hydra.sweeper.max_batch_size", "a whole number >= 1, or null", size)
        jobs = self._jobs(arguments)
        if not jobs:
            raise ConfigError(f"a grid must have a job; got a range without values in {' '.join(arguments)}")
        try:
            if self._trains:
                self._check(jobs)
            with SweepLock(Path(self.config.hydra.sweep.dir), shared=False):
                try:
                    returns = super().sweep(arguments)
                except RunFailed:
                    self._close()
                    raise
                self._close()
                return returns
        finally:
            getattr(self.launcher, "close", lambda: None)()  # ours alone has built something

    def _close(self) -> None:
        """Say where the results of harmonic's jobs are."""
        if not self._trains:
            return
        from rich.console import Console

        from harmonic.execution.console import print_end
        from harmonic.results import tables

        assert self.config is not None
        home = Path(self.config.hydra.sweep.dir).absolute()
        print_end(Console(), home, tables.statuses(home / tables.FOLDER), "runs")

    @staticmethod
    def split_arguments(overrides: list[Override], max_batch_size: Optional[int]) -> list[list[list[str]]]:  # noqa: UP045
        """The jobs, in batches.

        Raises:
            HydraException: a range has no end of values.
        """
        for one in overrides:
            if one.is_interval_sweep():
                rule = f"a grid takes a,b,c or range(a,b,step) for '{one.key_or_group}'"
                raise HydraException(f"{rule}; got {one.get_value_string()}: add hydra/sweeper=harmonic to search it")
        batches: list[list[list[str]]] = BasicSweeper.split_arguments(overrides, max_batch_size)
        return batches

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Compose another task's jobs, as Hydra does; harmonic's are checked already."""
        if not self._trains:
            super().validate_batch_is_legal(batch)

    def _jobs(self, arguments: list[str]) -> Sequence[Sequence[str]]:
        """The overrides of all jobs, in one batch."""
        assert self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = parser.parse_overrides([*swept_by_config(self), *arguments])
        return self.split_arguments(overrides, None)[0]

    def _check(self, jobs: Sequence[Sequence[str]]) -> None:
        from harmonic.execution.hydra_launch import check_jobs

        assert self.config is not None
        assert self.hydra_context is not None
        runs = check_jobs(self.hydra_context, self.config, self.launcher, jobs)
        if getattr(self.launcher, "checks_jobs", False):
            self.launcher.checked = runs  # type: ignore[union-attr]
