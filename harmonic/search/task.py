"""The task that a search runs, and who trains it: harmonic's own, segment by segment, or another's, by its launcher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from harmonic.config.job import Job
from harmonic.config.sweep_compose import Snapshot
from harmonic.execution.hydra_launch import trains_here
from harmonic.execution.job_callbacks import HydraJobCallbacks
from harmonic.search.batch_runner import BatchRunner
from harmonic.search.runners import Runner, StreamingRunner
from harmonic.search.settings import Settings
from harmonic.search.space import Space
from harmonic.search.spec import SearchSpec
from harmonic.search.storage_url import absolute


@dataclass(frozen=True)
class Task:
    """What is run for each trial.

    Args:
        master: the sweep's own config.
        launcher: Hydra's, set up for the sweep.
        trains: whether the task is harmonic's own; the launcher's executor then trains it piece by piece, if it has
            one.
        snapshot: composes the jobs.
    """

    master: DictConfig
    launcher: Launcher
    trains: bool
    snapshot: Snapshot

    @property
    def home(self) -> Path:
        """The sweep's folder."""
        return self.snapshot.home

    @cached_property
    def streams(self) -> bool:
        """Whether harmonic's executor trains it, so that a run can be stopped and gone on with."""
        return self.trains and bool(getattr(self.launcher, "checks_jobs", False))

    @cached_property
    def here(self) -> bool:
        """Whether it is trained on this machine.

        Raises:
            ConfigError: the executor cannot be had as configured.
        """
        return trains_here(self.launcher)

    def job(self, number: int, space: Space, values: Mapping[str, Any]) -> Job:
        """The job of a trial with these values of its parameters."""
        return self.snapshot.job(number, space.overrides(values))

    def objectives(self, base: Mapping[str, Any], directions: Sequence[str]) -> list[str]:
        """The names of what the task gives: columns, where it is harmonic's own.

        Args:
            base: the config of one of its jobs.
            directions: of the search; another's task gives as many values.
        """
        named = base.get("objective") if self.streams else None
        if named is not None:
            return [named] if isinstance(named, str) else list(named)
        return ["value"] if len(directions) == 1 else [f"value_{index}" for index in range(len(directions))]

    def search_spec(self, section: Mapping[str, Any], arguments: Sequence[str], loader: ConfigLoader) -> SearchSpec:
        """The search that is asked for; whether it can be had is not checked yet.

        Args:
            section: `hydra.sweeper`.
            arguments: the command line's overrides.
            loader: Hydra's, which knows the groups.

        Raises:
            ConfigError: a key of the sweeper breaks its rule, or a parameter is none.
        """
        settings = Settings.parse(section)
        cwd = Path(str(self.master.hydra.runtime.cwd))
        space = Space(settings.params, arguments, loader, self.snapshot.compose)
        bases = [self.job(0, space, corner).config for corner in space.bases()]
        objectives, directions = self.objectives(bases[0], settings.direction), list(settings.direction)
        if len(directions) == 1:
            directions *= len(objectives)
        settings = replace(settings, storage=absolute(settings.storage, cwd), direction=directions)
        return SearchSpec(settings, space, objectives, bases, self.streams)

    def executor(self) -> Executor:
        """The launcher's executor, built."""
        executor: Executor = self.launcher.build()  # type: ignore[attr-defined]  # of harmonic's launcher
        return executor

    def runner(self, spec: SearchSpec, callbacks: HydraJobCallbacks | None) -> Runner:
        """Who trains the trials of a search.

        Args:
            callbacks: of the runs; None: the launcher calls them.
        """
        settings = spec.settings
        if callbacks is None:
            return BatchRunner(self.launcher, self.home, settings.seeds, settings.n_jobs, spec.objectives)
        keeps_rows = not spec.prunes_steps  # where rungs are reported, all seeds must come by them
        return StreamingRunner(self.snapshot, self.executor, settings.seeds, keeps_rows, self.here, callbacks)
