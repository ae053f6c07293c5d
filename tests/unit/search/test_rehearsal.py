"""Samplers and pruners that break when they are used are refused before anything is trained."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState

from harmonic.errors import ConfigError
from harmonic.search._rehearsal import try_out
from harmonic.search.settings import Settings
from harmonic.search.space import Space
from harmonic.search.study import load_study
from helpers import CommandLine
from studies import GRID, KEYS, LOADER, SEARCH, SPACE, applied, trials, well

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
REALS = ["m.a=interval(2,12)", "m.b=tag(log,interval(1e-4,1e-1))", "n=1,2,3", "+c=range(1,9)"]
FINITE = ["m.a=range(2,4)", "m.b=1,2"]


def tried(section: dict[str, Any], space: list[str] = REALS, objectives: int = 1) -> None:
    """Try out a sampler or a pruner."""
    key = "pruner" if "pruners" in section["_target_"] else "sampler"
    directions = [StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE][:objectives]
    settings = Settings.parse({**KEYS, key: section})
    try_out(settings, Space({}, space, LOADER, applied), directions, rung=20, steps=200)


SOUND: list[tuple[str, dict[str, Any], int]] = [
    ("samplers.TPESampler", {}, 1),
    ("samplers.TPESampler", {}, 2),
    ("samplers.TPESampler", {"multivariate": True, "group": True, "constant_liar": True}, 1),
    ("samplers.RandomSampler", {}, 2),
    ("samplers.CmaEsSampler", {}, 1),
    ("samplers.NSGAIISampler", {}, 2),
    ("samplers.NSGAIIISampler", {}, 2),
    ("samplers.GridSampler", {}, 1),
    ("samplers.BruteForceSampler", {}, 1),
    ("pruners.MedianPruner", {}, 2),
    ("pruners.HyperbandPruner", {}, 1),
    ("pruners.SuccessiveHalvingPruner", {}, 2),
    ("pruners.ThresholdPruner", {"upper": 1.0}, 1),
    ("pruners.WilcoxonPruner", {}, 1),
    ("pruners.PatientPruner", {"wrapped_pruner": {"_target_": "optuna.pruners.MedianPruner"}, "patience": 1}, 1),
]


@pytest.mark.parametrize(("target", "arguments", "objectives"), SOUND)
def test_what_works_is_let_through(target: str, arguments: dict[str, Any], objectives: int) -> None:
    finite = target.endswith(("GridSampler", "BruteForceSampler"))
    tried({"_target_": f"optuna.{target}", **arguments}, FINITE if finite else REALS, objectives)


@pytest.mark.parametrize(
    ("target", "arguments", "message"),
    [
        ("samplers.TPESampler", {"n_ei_candidates": 0}, "TPESampler got (Value|Index)Error"),
        ("samplers.TPESampler", {"gamma": "foo"}, "'str' object is not callable"),
        ("samplers.TPESampler", {"gamma": "foo", "n_startup_trials": 1000}, "'str' object is not callable"),
        ("samplers.TPESampler", {"weights": 3}, "'int' object is not callable"),
        ("samplers.TPESampler", {"n_startup_trials": "few"}, "not supported between"),
        ("samplers.TPESampler", {"constraints_func": "foo"}, "'str' object is not callable"),
        ("samplers.TPESampler", {"prior_weight": -1}, "prior_weight"),
        ("samplers.TPESampler", {"n_startup_trails": 1}, "n_startup_trails is not .*; did you mean n_startup_trials"),
        ("samplers.CmaEsSampler", {"sigma0": "x"}, "not supported between"),
        ("samplers.CmaEsSampler", {"popsize": "x"}, "not supported between"),
        ("samplers.CmaEsSampler", {"independent_sampler": "foo"}, "no attribute"),
        ("samplers.NSGAIISampler", {"population_size": 1}, "must be one that can be built"),
        ("pruners.PatientPruner", {"wrapped_pruner": "foo", "patience": 100}, "wrapped_pruner must be a pruner"),
        ("pruners.HyperbandPruner", {"reduction_factor": "a"}, "HyperbandPruner got TypeError"),
        ("pruners.MedianPruner", {"n_warmup_steps": "a"}, "must be one that can be built"),
    ],
)
@pytest.mark.parametrize("objectives", [1, 2])
def test_what_breaks_is_a_line(target: str, arguments: dict[str, Any], message: str, objectives: int) -> None:
    if target == "samplers.CmaEsSampler" and objectives == 2:
        pytest.skip("draws at random")
    with pytest.raises(ConfigError, match=message) as refused:
        tried({"_target_": f"optuna.{target}", **arguments}, objectives=objectives)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("moody", ["sampler", "pruner"])
def test_what_breaks_in_the_midst_of_a_search_is_a_line_and_the_study_goes_on(
    harmonic_command: CommandLine, moody: str
) -> None:
    target = {"sampler": "studies.Moody", "pruner": "studies.MoodyPruner"}[moody]
    broken = (f"hydra.sweeper.{moody}._target_={target}", "training.evaluate_every=2")
    done = harmonic_command(*SEARCH, *SPACE, trials(5), *broken)
    assert done.code == 2
    assert f"hydra.sweeper.{moody} must be one that works here" in done.err
    assert "ZeroDivisionError: not" in done.err
    assert len(done.err.splitlines()) == 1
    well(harmonic_command, *SEARCH, *SPACE, trials(5), "training.evaluate_every=2")
    states = [one.state for one in load_study(harmonic_command.folder / "s").trials]
    assert states == [TrialState.COMPLETE] * 5


def test_a_sampler_that_breaks_when_it_is_used_leaves_no_study(harmonic_command: CommandLine) -> None:
    well(harmonic_command, *SEARCH, *SPACE, trials(1))
    journal = (harmonic_command.folder / "s" / "study.journal").read_bytes()
    refused = harmonic_command(*SEARCH, *SPACE, trials(30), "+hydra.sweeper.sampler.n_ei_candidates=0")
    assert refused.code == 2
    assert len(refused.err.splitlines()) == 1
    assert (harmonic_command.folder / "s" / "study.journal").read_bytes() == journal
    refused = harmonic_command(
        *SEARCH, *GRID, trials(2), "+hydra.sweeper.sampler.search_space=foo", "hydra.sweep.dir=t"
    )
    assert refused.code == 2
    assert len(refused.err.splitlines()) == 1
    assert not (harmonic_command.folder / "t" / "study.journal").exists()
    assert optuna.logging.get_verbosity() == optuna.logging.ERROR
