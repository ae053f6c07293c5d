"""From Hydra's call to a finished search: check all, open the study, search, tell what was found."""

from __future__ import annotations

import copy
import re
import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.utils import configure_log
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from harmonic.config.job_settings import JobSettings
from harmonic.config.sweep_compose import Snapshot
from harmonic.errors import ConfigError, StorageLost
from harmonic.execution import signals
from harmonic.execution.executors import WorkersLost
from harmonic.execution.grid import Interrupted, checked
from harmonic.execution.hydra_launch import HydraJobCallbacks, trains_here
from harmonic.execution.progress import SweepProgress, say
from harmonic.execution.run_writer import verify_rows
from harmonic.execution.sweep_lock import SweepLock
from harmonic.results import tables
from harmonic.results.record import Place
from harmonic.search import confirm, results
from harmonic.search._rehearsal import try_out
from harmonic.search.journal import mend_journal
from harmonic.search.loop import Search
from harmonic.search.open_trial import Replicate, Stage, plan
from harmonic.search.pruning import Pruning
from harmonic.search.runners import BatchRunner, Runner, StreamingRunner
from harmonic.search.samplers import build_pruner, build_sampler, prunes_seeds, prunes_steps
from harmonic.search.settings import Settings, absolute, public
from harmonic.search.sharing import ExclusiveStudy, SharedStudy
from harmonic.search.space import Space
from harmonic.search.study import (
    JOURNAL,
    Identity,
    agree,
    carry_over,
    changed_at,
    finished,
    open_study,
    remember,
    take_order,
)

PROBE = 10**9 + 7  # a trial's number that no value of a config is likely to hold
RECONNECTIONS = 10  # of one sweep to the storage of its study


class Sweep:
    """One call of the sweeper.

    Args:
        launcher: Hydra's, set up for the sweep.
        trains: whether the task is harmonic's own; the launcher's executor then trains it segment by segment, if it
            has one.
        section: `hydra.sweeper`.
        arguments: the command line's overrides.

    Raises:
        ConfigError: something cannot be had as configured. Nothing was trained.
    """

    def __init__(
        self,
        context: HydraContext,
        master: DictConfig,
        launcher: Launcher,
        trains: bool,
        section: Mapping[str, Any],
        arguments: Sequence[str],
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.filterwarnings("ignore", "Heartbeat of storage is supposed to be used with Study.optimize")
        configure_log(master.hydra.hydra_logging, master.hydra.verbose)
        assert isinstance(context.config_loader, ConfigLoaderImpl)
        self.master, self.launcher, self.trains = master, launcher, trains
        self.streams = trains and getattr(launcher, "checks_jobs", False)
        checked_settings = Settings.checked(section)
        storage = absolute(checked_settings.storage, Path(str(master.hydra.runtime.cwd)))
        self.settings = replace(checked_settings, storage=storage)
        self.snapshot = Snapshot(context.config_loader, master)
        self.home = self.snapshot.home
        self.space = Space(self.settings.params, arguments, context.config_loader, self.snapshot.compose)
        # the first config of every combination of groups, all parameters at their lower ends
        self.bases = [self._base(corner) for corner in self.space.bases()]
        self.objectives = self._objectives()
        self._check()
        self.sampler = build_sampler(self.settings.sampler, self.space)
        steps, rung = self._steps() if self.streams else (1, 1)
        self.pruner = build_pruner(self.settings.pruner, rung, steps)
        directions = [StudyDirection[one.upper()] for one in self.settings.direction]
        try_out(self.settings, self.space, directions, rung, steps)

    def run(self) -> None:
        """Search, or go on with a search, and write what was found.

        Raises:
            Interrupted: on SIGINT; what is finished is kept.
            HarmonicError: the study is another's, or the sweep ended by its failures.
        """
        with SweepLock(self.home, self.settings.storage is not None) as lock:
            for _ in range(RECONNECTIONS):
                try:
                    return self._search(lock)
                except (StorageInternalError, DBAPIError) as error:
                    lost = error
                if signals.code() is not None:
                    raise Interrupted("interrupted: what is finished is kept; the storage did not answer any more")
                if not self._storage_answers():
                    break
                say(Console(), "the connection to the study was lost (has this machine slept?), and is there again")
            raise StorageLost(
                f"the storage of the study must stay up; the connection to {public(self.settings.storage)} is lost: "
                "what is finished is kept, and the same command goes on"
            ) from lost

    def _storage_answers(self) -> bool:
        try:
            open_study(self.settings, self.home, self.sampler, self.pruner)
        except StorageInternalError:  # lost once more
            return True
        except ConfigError:
            return False
        return True

    def _search(self, lock: SweepLock) -> None:
        console, settings = Console(), self.settings
        if settings.storage is None and (mended := mend_journal(self.home / JOURNAL)):
            say(console, mended)
        study = open_study(settings, self.home, self.sampler, self.pruner)
        if take_order(study, self.space):
            self.sampler = study.sampler = build_sampler(settings.sampler, self.space)
        study = self._agreed(study, console)
        tables.write_atomically(self.home / "multirun.yaml", OmegaConf.to_yaml(self._recorded(study)).encode())
        there = finished(study)
        progress = SweepProgress(console, unit="trials")
        progress.begin(max(settings.n_trials, there), there)
        if there >= settings.n_trials:
            say(console, f"nothing to do: n_trials={settings.n_trials}, and the study has {there} finished trials")
        if self.streams and self.callbacks.one_by_one:
            say(console, f"one run at a time: {self.callbacks.one_by_one}")
        pruning = Pruning(study, self.pruner)
        share, owner = ExclusiveStudy(study, settings.n_trials), None
        if settings.storage is not None:
            owner = lock.owner
            share = SharedStudy(study, settings.n_trials, owner, settings.heartbeat)
        table = self.home / tables.FOLDER
        # what was trained under another space or config cannot be trained again; it is named at the end
        rowless = [one for one in results.rowless(study, table, owner) if one.number >= changed_at(study)]
        if rowless:
            say(console, f"{len(rowless)} trials have rows that are missing in the table: their runs are trained again")
        with progress, share, self._crew() as runner:
            search = Search(
                study, self.space, runner, settings, self.sampler, pruning, progress,
                self.objectives, self._stages, settings.prune_by or self.objectives[0],
                share, deque(rowless),
            )  # fmt: skip
            try:
                search.run()
                runner.flush()
                progress.lost(len(results.rowless(study, table, owner)))
            except (KeyboardInterrupt, WorkersLost) as error:
                runner.flush()
                kept = self._kept(finished(study))
                if isinstance(error, WorkersLost):
                    raise WorkersLost(f"{error}; {kept}") from error
                raise Interrupted(f"interrupted: {kept}") from None
            finally:
                solutions = results.write(study, self.home, self.objectives, partial(self._again, study))
                if self.streams:  # else a row's `trial` is a job's number
                    results.mark_lost(study, table)
        if search.ended:
            say(console, f"ended: {search.ended}")
        results.tell(study, self.home, self.objectives, solutions, self.trains)
        if settings.fresh_seeds and solutions and lock.first:
            self._confirm(study, console)
        verify_rows(table, {run: f"trial {one.number}" for run, one in results.named(study, owner).items()})

    def _confirm(self, study: Study, console: Console) -> None:
        """Train the best from fresh seeds."""
        best, seeds = study.best_trial, self.settings.fresh_seeds
        if best.number < changed_at(study):
            say(console, f"not trained from fresh seeds: trial {best.number} has another space or config than now")
            return
        confirm.tell(
            console,
            confirm.confirm(best, seeds, self.space, self.snapshot, self._executor, self.here, self.callbacks),
        )

    def _agreed(self, study: Study, console: Console) -> Study:
        """The study, if it goes on under this sweep's space and config."""
        settings, identity = self.settings, self._identity()
        changes, clashing = agree(study, identity, self.space, settings.allow_changes)
        if clashing and settings.storage is not None:
            raise ConfigError(
                "in a storage that sweepers share the options, the kind and the scale of a parameter stay as they are; "
                f"got others for {', '.join(clashing)}: choose another hydra.sweeper.study_name"
            )
        for change in changes:
            say(console, f"changed: {change}")
        if clashing:
            say(console, carry_over(study, self.home, identity, self.space, clashing))
            return open_study(settings, self.home, self.sampler, self.pruner)
        remember(study, identity, bool(changes))
        return study

    def _recorded(self, study: Study) -> DictConfig:
        """What the folder keeps of this call: where others share the study, with its name and its whole address."""
        if self.settings.storage is None:
            return self.master
        recorded = copy.deepcopy(self.master)
        with read_write(recorded), open_dict(recorded):
            recorded.hydra.sweeper.study_name = study.study_name
            recorded.hydra.sweeper.storage = self.settings.storage
        return recorded

    def _again(self, study: Study, best: FrozenTrial) -> str | None:
        if not self.streams or best.number < changed_at(study):
            return None  # another application's task, one that another launcher composes, or another config
        return results.command(self.snapshot.job(best.number, self.space.overrides(best.params)), self.settings.seeds)

    def _kept(self, trials: int) -> str:
        rows = len({row["dir"] for row in tables.read_rows(self.home / tables.FOLDER)})
        return (
            f"{trials} of {self.settings.n_trials} trials are in the study, {rows} runs in the table; "
            "the same command goes on"
        )

    def _crew(self) -> Runner:
        settings = self.settings
        if not self.streams:
            return BatchRunner(self.launcher, self.home, settings.seeds, settings.n_jobs, self.objectives)
        keeps_rows = not prunes_steps(settings.pruner)  # where rungs are reported, all seeds must come by them
        return StreamingRunner(self.snapshot, self._executor, settings.seeds, keeps_rows, self.here, self.callbacks)

    def _executor(self) -> Executor:
        executor: Executor = self.launcher.build()  # type: ignore[attr-defined]
        return executor

    def _objectives(self) -> list[str]:
        named = self.bases[0].get("objective") if self.streams else None
        if named is not None:
            return [named] if isinstance(named, str) else list(named)
        count = len(self.settings.direction)
        return ["value"] if count == 1 else [f"value_{index}" for index in range(count)]

    def _check(self) -> None:
        """Refuse what does not go together, and configs that break a rule at the ends of the ranges."""
        settings, several = self.settings, len(self.objectives) > 1
        if several and len(settings.direction) == 1:
            self.settings = settings = _with_directions(settings, len(self.objectives))
        if len(settings.direction) != len(self.objectives):
            raise ConfigError.broken(
                "hydra.sweeper.direction", f"one direction, or one for each of {self.objectives}", settings.direction
            )
        if settings.seeds and any(one.name == "seed" for one in self.space.parameters):
            raise ConfigError("seeds are replicates where hydra.sweeper.seeds is set; got seed as a parameter too")
        self._check_fresh(several)
        by_steps, by_seeds = prunes_steps(settings.pruner), prunes_seeds(settings.pruner)
        if settings.rungs is not None and not by_steps:
            raise ConfigError("hydra.sweeper.rungs needs a pruner that looks at steps, as optuna.pruners.MedianPruner")
        if settings.prune_by is not None and not (by_steps or by_seeds):
            raise ConfigError("hydra.sweeper.prune_by needs a hydra.sweeper.pruner, as optuna.pruners.MedianPruner")
        if several and (by_steps or by_seeds) and settings.prune_by is None:
            raise ConfigError(
                f"a pruner needs one column to go by; got the objectives {self.objectives}: set hydra.sweeper.prune_by"
            )
        if (by_steps or by_seeds) and not self.streams:
            raise ConfigError(
                "a pruner needs hydra/launcher=harmonic, which can stop a run; got another launcher or task"
            )
        if by_seeds and len(settings.seeds) < 2:
            raise ConfigError.broken(
                "hydra.sweeper.seeds", "two or more seeds for a pruner that compares them", settings.seeds
            )
        if several and (settings.target is not None or settings.patience is not None):
            raise ConfigError("hydra.sweeper.target and patience need one objective; got " + ", ".join(self.objectives))
        self.here = trains_here(self.launcher)
        asked = list[JobSettings]()
        for corner in self.space.corners() if self.trains else ():
            one = self.snapshot.job(0, self.space.overrides(corner))
            checked(one, Place(one.folder, self.home), self.here)
            asked.append(one.settings)
            self._check_folder(corner)
        if self.streams:
            self.callbacks = self._followed_by(HydraJobCallbacks(self.launcher, asked))

    def _check_folder(self, corner: Mapping[str, Any]) -> None:
        """Refuse a `hydra.sweep.subdir` that may give two trials one folder. Two may draw the same values, so that the
        number must be in it, and not beside another number: 1 and 12 would be 11 and 2."""
        name = Place(self.snapshot.job(PROBE, self.space.overrides(corner)).folder, self.home).name
        alone = re.search(rf"(?<!\d){PROBE}(?!\d)", name)
        if not alone or Path(name).parts[0] in (confirm.SUBFOLDER, results.FILE, JOURNAL):
            rule = "a folder of its own for each trial, as ${hydra.job.num} in it gives, and none of a search's own"
            given = OmegaConf.to_container(self.master.hydra.sweep)["subdir"]  # type: ignore[call-overload, index]
            raise ConfigError.broken("hydra.sweep.subdir", rule, given)

    def _followed_by(self, callbacks: HydraJobCallbacks) -> HydraJobCallbacks:
        """Those who follow the runs, if each is trained from its begin to its end without another in between.

        Raises:
            ConfigError: it is not.
        """
        several = len(self.settings.seeds) > 1
        if callbacks.one_by_one and several and (prunes_steps(self.settings.pruner) or self.settings.storage):
            raise ConfigError(
                f"one run at a time must be trained ({callbacks.one_by_one}); got several hydra.sweeper.seeds that "
                "are trained in turns for a pruner of steps, or written together for a hydra.sweeper.storage: take one "
                "seed, or hydra/launcher=basic"
            )
        return callbacks

    def _check_fresh(self, several: bool) -> None:
        known: set[Any] = set(self.settings.seeds) or {base.get("seed") for base in self.bases}
        if used := sorted(known.intersection(self.settings.fresh_seeds)):
            raise ConfigError.broken("hydra.sweeper.fresh_seeds", "seeds that no trial uses", used)
        if self.settings.fresh_seeds and (several or not self.streams):
            raise ConfigError(
                "hydra.sweeper.fresh_seeds needs one objective and hydra/launcher=harmonic; got "
                + ("several objectives" if several else "another launcher or task")
            )

    def _steps(self) -> tuple[int, int]:
        training = self.bases[0]["training"]
        return int(training["steps"]), int(self.settings.rungs or training["evaluate_every"])

    def _stages(self, replicates: Sequence[Replicate]) -> Sequence[Stage]:
        run = replicates[0].run
        if run is None:
            return plan(1, None, len(replicates), one_by_one=False)
        training = run.config.training
        rung = (self.settings.rungs or training.evaluate_every) if prunes_steps(self.settings.pruner) else None
        return plan(training.steps, rung, len(replicates), prunes_seeds(self.settings.pruner))

    def _identity(self) -> Identity:
        """What trials share, under every combination of groups."""
        searched, config = {one.name for one in self.space.parameters}, dict[str, Any]()
        for groups, base in zip(self.space.combinations(), self.bases, strict=True):
            choice = " ".join(f"{name}={option}" for name, option in groups.items())
            for key, value in tables.leaves(base).items():
                if key not in searched and key != "figures" and not (key == "seed" and self.settings.seeds):
                    config[f"{key} ({choice})" if choice else key] = value
        space = {one.name: one.text for one in self.space.parameters}
        return Identity(space, self.settings.seeds, config)

    def _base(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.snapshot.job(0, self.space.overrides(values)).config


def _with_directions(settings: Settings, count: int) -> Settings:
    return replace(settings, direction=list(settings.direction) * count)


def sweep(
    context: HydraContext,
    master: DictConfig,
    launcher: Launcher,
    trains: bool,
    section: Mapping[str, Any],
    arguments: Sequence[str],
) -> None:
    """Run the sweeper's search. trains: whether the task is harmonic's own."""
    Sweep(context, master, launcher, trains, section, arguments).run()
