"""CMA-ES reads its state back as Optuna's does, and runs nothing that a stranger put there."""

from __future__ import annotations

import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.samplers import CmaEsSampler
from optuna.study import Study

from harmonic.errors import ConfigError
from harmonic.search._cma import GuardedCmaEsSampler

KINDS: list[dict[str, Any]] = [{}, {"use_separable_cma": True}, {"with_margin": True}]


def searched(kind: type[CmaEsSampler], trials: int, **arguments: Any) -> Study:
    """A study of two generations and more; the sampler is built anew for every trial, as a search does."""
    study = optuna.create_study()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        for number in range(trials):
            study.sampler = kind(seed=number, n_startup_trials=2, **arguments)
            trial = study.ask()
            x, y = trial.suggest_float("x", -1, 1), trial.suggest_int("y", -5, 5)
            study.tell(trial, x**2 + y**2)
    return study


@pytest.mark.parametrize("arguments", KINDS, ids=["CMA", "SepCMA", "CMAwM"])
def test_it_draws_what_optunas_draws(arguments: dict[str, Any]) -> None:
    ours, theirs = (searched(kind, 24, **arguments) for kind in (GuardedCmaEsSampler, CmaEsSampler))
    assert any("optimizer" in key for one in ours.trials for key in one.system_attrs)
    assert [one.params for one in ours.trials] == [one.params for one in theirs.trials]


class Evil:
    """What a pickle may do."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def with_state(text: str) -> Study:
    """A study of which somebody has replaced the sampler's state."""
    study = searched(GuardedCmaEsSampler, 24)
    for one in study.trials:
        for key in (key for key in one.system_attrs if ":optimizer:" in key):
            study._storage.set_trial_system_attr(one._trial_id, key, text if key.endswith(":0") else "")
    return study


def draw(study: Study, kind: type[CmaEsSampler]) -> None:
    study.sampler = kind(seed=0, n_startup_trials=2)
    study.ask().suggest_float("x", -1, 1)


def test_a_foreign_state_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "mark"
    # a storage does not change trials that have ended; who sends a file may write in it what he likes
    monkeypatch.setattr("optuna.storages._in_memory.InMemoryStorage.check_trial_is_updatable", lambda *_: None)
    study = with_state(pickle.dumps(Evil(mark)).hex())
    with pytest.raises(ConfigError, match=r"CMA-ES in a study must be made of .*; got (posix|nt)\.mkdir"):
        draw(study, GuardedCmaEsSampler)
    assert not mark.exists()
    draw(study, CmaEsSampler)
    assert mark.exists(), "it was poison"
    with pytest.raises(ConfigError, match="must be whole"):
        draw(with_state("80"), GuardedCmaEsSampler)
