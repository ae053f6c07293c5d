"""What tests of the search share: a small space, the sweeper's keys, and what holds of study and table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from optuna.pruners import BasePruner
from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from harmonic import load_runs
from harmonic.search._rehearsal import TRIED
from harmonic.search.study import load_study
from harmonic.search.trial_attributes import attributes_of
from helpers import CommandLine

PARSER = OverridesParser.create()
LOADER = ConfigLoaderImpl(ConfigSearchPathImpl())


def applied(overrides: Sequence[str]) -> DictConfig:
    """A config of two sections, and what Hydra makes of it with these overrides."""
    config = OmegaConf.create({"m": {"a": 0, "b": 0}, "n": 0})
    OmegaConf.set_struct(config, True)
    LOADER._apply_overrides_to_config(PARSER.parse_overrides(list(overrides)), config)
    return config


TINY = ("training.steps=4", "training.evaluate_every=4", "data.points=8", "optimizer=adam")
SEARCH = ("-m", "hydra/sweeper=harmonic", *TINY, "hydra.sweep.dir=s", "hydra.launcher.executor.workers=1")
SPACE = ("model.width=interval(2,12)", "optimizer.lr=tag(log,interval(1e-3,1e-1))", "model.activation=tanh,sin")
GRID = ("model.width=range(2,4)", "model.activation=tanh,sin",
        "hydra.sweeper.sampler._target_=optuna.samplers.GridSampler")  # fmt: skip


def well(command: CommandLine, *arguments: str) -> str:
    """Run a search that must end well; what it prints."""
    done = command(*arguments)
    assert (done.code, done.err) == (0, "")
    return done.out


def trials(number: int) -> str:
    return f"hydra.sweeper.n_trials={number}"


def agrees(folder: Path, count: int, seeds: int) -> None:
    """Study and table hold the same trials, each once."""
    study, runs = load_study(folder), load_runs(folder)
    assert [one.number for one in study.trials] == list(range(count))
    assert {one.state for one in study.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert not runs.duplicated(["trial", "seed"]).any()
    assert len(runs) == count * seeds
    for one in study.trials:
        rows = runs[runs["trial"] == one.number]
        assert set(rows["run"]) == set(attributes_of(one)["runs"])
        assert np.isclose(one.value or np.nan, rows["valid_rmse"].mean(), rtol=1e-12)


KEYS: dict[str, Any] = {
    "params": None, "n_trials": 1, "n_jobs": None, "direction": "minimize", "seeds": None, "fresh_seeds": None,
    "sampler": {"_target_": "optuna.samplers.TPESampler", "seed": 0},
    "pruner": {"_target_": "optuna.pruners.NopPruner"}, "rungs": None, "prune_by": None, "study_name": None,
    "storage": None, "heartbeat": 1, "max_retries": 0, "max_failure_rate": 0.1, "timeout": None, "target": None,
    "patience": None, "allow_changes": False,
}  # fmt: skip


class Moody(RandomSampler):
    """Works for trials of small and of large numbers."""

    def sample_independent(self, study: Study, trial: FrozenTrial, name: str, distribution: Any) -> Any:
        if 2 < trial.number < TRIED:
            raise ZeroDivisionError("not in the mood")
        return super().sample_independent(study, trial, name, distribution)


class MoodyPruner(BasePruner):
    """Judges no trial of a study that has a name."""

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        if study.study_name == "s":
            raise ZeroDivisionError(f"not trial {trial.number}")
        return False
