"""The study of a search, whatever was done to it: enqueued trials, changed spaces, moved folders, edited journals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from optuna.study import Study
from optuna.trial import TrialState

from harmonic import load_runs
from harmonic.search.study import kept, load_study
from helpers import CommandLine

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


BAD: list[tuple[dict[str, Any], str]] = [
    ({"model.width": "wide"}, "model.width=interval(2,12); got 'wide'"),
    ({"model.width": "8"}, "got '8'"),
    ({"model.width": "${oc.env:HOME}"}, "got '${oc.env:HOME}'"),
    ({"model.activation": "${oc.env:HOME}"}, "model.activation=tanh,sin; got '${oc.env:HOME}'"),
    ({"model.width": 8.5}, "got 8.5"),
    ({"model.width": True}, "got True"),
    ({"model.width": None}, "got None"),
    ({"model.width": [3]}, "got [3]"),
    ({"model.width": 13}, "got 13"),
    ({"model.width": -5}, "got -5"),
    ({"optimizer.lr": float("nan")}, "got nan"),
    ({"optimizer.lr": float("inf")}, "got inf"),
    ({"optimizer.lr": 0}, "got 0"),
    ({"model.activation": "foo"}, "got 'foo'"),
    ({"model.activation": ["tanh"]}, "got ['tanh']"),
    ({"modle.width": 4}, "parameters of the search (model.width, optimizer.lr, model.activation); got modle.width"),
    ({"model.width": 4, "seed": 3}, "got seed"),
]


def test_an_enqueued_trial_that_is_none_of_the_space_fails_with_its_reason(harmonic_command: CommandLine) -> None:
    """And the search goes on."""
    well(harmonic_command, *SEARCH, *SPACE, trials(1))
    study = load_study(harmonic_command.folder / "s")
    for params, _ in BAD:
        study.enqueue_trial(params)
    good: dict[str, Any] = {"model.width": 7, "model.activation": "sin"}
    study.enqueue_trial(good)
    study.enqueue_trial({"model.width": 8.0})
    out = well(harmonic_command, *SEARCH, *SPACE, trials(len(BAD) + 4))
    first, *others = load_study(harmonic_command.folder / "s").trials
    failed, (whole, real, last) = others[: len(BAD)], others[len(BAD) :]
    for one, (_, reason) in zip(failed, BAD, strict=True):
        assert one.state is TrialState.FAIL
        assert reason in kept(one)["error"]
        assert str(kept(one)["error"]) in out
    assert {one.state for one in (first, whole, real, last)} == {TrialState.COMPLETE}
    assert good.items() <= whole.params.items()
    assert real.params["model.width"] == 8
    assert sorted(load_runs(harmonic_command.folder / "s")["trial"]) == [0, *range(len(BAD) + 1, len(BAD) + 4)]


def test_a_study_that_such_a_trial_has_blocked_goes_on(harmonic_command: CommandLine) -> None:
    """It was asked, and its sweep ended with an error."""
    well(harmonic_command, *SEARCH, *SPACE, trials(1))
    study = load_study(harmonic_command.folder / "s")
    study.enqueue_trial({"model.width": "wide"})
    study.ask()
    well(harmonic_command, *SEARCH, *SPACE, trials(3))
    states = [one.state for one in load_study(harmonic_command.folder / "s").trials]
    assert states == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]


def test_a_trial_enqueued_for_a_group_that_lacks_its_key(harmonic_command: CommandLine) -> None:
    space = ("optimizer=adam,adamw", "optimizer.weight_decay=interval(0.1,0.2)")
    well(harmonic_command, *SEARCH, *space, trials(1))
    study = load_study(harmonic_command.folder / "s")
    study.enqueue_trial({"optimizer": "adam", "optimizer.weight_decay": 0.15})
    study.enqueue_trial({"optimizer": "adamw", "optimizer.weight_decay": 0.15})
    well(harmonic_command, *SEARCH, *space, trials(3))
    _, bad, good = load_study(harmonic_command.folder / "s").trials
    assert "optimizer.weight_decay, which is not searched under optimizer=adam" in kept(bad)["error"]
    assert good.params == {"optimizer": "adamw", "optimizer.weight_decay": 0.15}


def test_a_grid_goes_on_beside_enqueued_trials(harmonic_command: CommandLine) -> None:
    well(harmonic_command, *SEARCH, *GRID, trials(1))
    study = load_study(harmonic_command.folder / "s")
    study.enqueue_trial({"model.width": 3})  # Optuna's grid wants all parameters or none
    study.enqueue_trial({"model.width": 3, "model.activation": "sin"})
    well(harmonic_command, *SEARCH, *GRID, trials(7))
    _, bad, good, *others = load_study(harmonic_command.folder / "s").trials
    assert "All parameters must be specified" in kept(bad)["error"]
    assert {one.state for one in (good, *others)} == {TrialState.COMPLETE}
    assert (
        len(load_runs(Path(harmonic_command.folder / "s"))[["model.width", "model.activation"]].drop_duplicates()) == 4
    )


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.FAIL])
def test_a_trial_that_somebody_else_finished_is_left_to_him(
    harmonic_command: CommandLine, monkeypatch: pytest.MonkeyPatch, state: TrialState
) -> None:
    """Between our attribute and our tell."""
    tell, told = Study.tell, list[int]()

    def first_somebody_else(self: Study, trial: Any, *values: Any, **how: Any) -> Any:
        if not told and self.study_name == "s":
            told.append(trial.number)
            tell(self, trial.number, 0.5 if state is TrialState.COMPLETE else None, state)
        return tell(self, trial, *values, **how)

    monkeypatch.setattr(Study, "tell", first_somebody_else)
    well(harmonic_command, *SEARCH, *SPACE, trials(3))
    study = load_study(harmonic_command.folder / "s")
    assert [one.state for one in study.trials] == [state, TrialState.COMPLETE, TrialState.COMPLETE]
    assert study.trials[0].value == (0.5 if state is TrialState.COMPLETE else None)
