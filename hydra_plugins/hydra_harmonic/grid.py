"""Hydra's grid sweeper, less its second composition of every job: the launcher checks the jobs itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

from . import config  # noqa: F401 - registers the plugins' config


class GridSweeper(BasicSweeper):
    """Every combination of the swept values, in order."""

    def sweep(self, arguments: list[str]) -> Any:
        """Launch the jobs; one sweep at a time in a folder."""
        from harmonic.seat import Seat

        assert self.config is not None
        with Seat(Path(self.config.hydra.sweep.dir), shared=False):
            return super().sweep(arguments)

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Leave it to the launcher where that composes all jobs before the first one runs."""
        if not getattr(self.launcher, "checks_jobs", False):
            super().validate_batch_is_legal(batch)
