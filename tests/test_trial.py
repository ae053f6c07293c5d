"""A run is resumable: where it is cut changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harmonic.engines import State
from harmonic.errors import ConfigError
from harmonic.schema import Config
from harmonic.trial import Trial, train
from helpers import config

OPTIMIZERS = {
    "sgd": {"_target_": "torch.optim.SGD", "lr": 1e-4},
    "momentum": {"_target_": "torch.optim.SGD", "lr": 1e-4, "momentum": 0.9, "nesterov": True},
    "adam": {"_target_": "torch.optim.Adam", "lr": 1e-2, "amsgrad": True},
    "adamw": {"_target_": "torch.optim.AdamW", "lr": 1e-2, "weight_decay": 0.1},
    "rprop": {"_target_": "torch.optim.Rprop", "lr": 1e-2},
    "nadam": {"_target_": "torch.optim.NAdam", "lr": 1e-2},
    "lbfgs": {"_target_": "torch.optim.LBFGS", "lr": 0.01, "max_iter": 4},
}


def made(optimizer: str, target: str) -> Config:
    one = config("training.engine=torch", "model=deep", "model.width=7")
    one.optimizer = OPTIMIZERS[optimizer]
    if target != "mlp":
        one.model = {"_target_": target, "seed": None}
    return one


def same(one: State, other: State) -> bool:
    return one.to_bytes() == other.to_bytes()


@pytest.mark.parametrize("target", ["mlp", "helpers.Dropping"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_two_advances_are_one(optimizer: str, target: str) -> None:
    trial = Trial(made(optimizer, target))
    whole, losses = trial.advance(trial.start(), 50)
    half, first = trial.advance(trial.start(), 20)
    again, second = trial.advance(State.from_bytes(half.to_bytes()), 30)
    assert len(losses) == 50
    assert np.array_equal(losses, np.concatenate([first, second]))
    assert same(whole, again)
    assert whole.step == again.step == 50


@given(st.lists(st.integers(1, 12), min_size=1, max_size=6))
@settings(max_examples=10)
def test_any_partition_of_the_steps_is_the_same_run(parts: list[int]) -> None:
    trial = Trial(made("adam", "mlp"))
    whole, losses = trial.advance(trial.start(), sum(parts))
    state, pieces = trial.start(), []
    for steps in parts:
        state, piece = trial.advance(state, steps)
        pieces.append(piece)
    assert same(whole, state)
    assert np.array_equal(losses, np.concatenate(pieces))


def test_a_thousand_steps_are_four_hundred_and_six_hundred() -> None:
    trial = Trial(config("+experiment=post_adam", "data.points=1000"))
    whole, losses = trial.advance(trial.start(), 1000)
    half, first = trial.advance(trial.start(), 400)
    again, second = trial.advance(State.from_bytes(half.to_bytes()), 600)
    assert np.array_equal(losses, np.concatenate([first, second]))
    assert same(whole, again)


def test_advancing_leaves_the_given_state_alone() -> None:
    trial = Trial(made("momentum", "mlp"))
    state, _ = trial.advance(trial.start(), 5)
    before = state.to_bytes()
    trial.advance(state, 5)
    assert state.to_bytes() == before


def test_starting_twice_is_starting_once() -> None:
    trial = Trial(config())
    assert same(trial.start(), trial.start())


def test_evaluation_changes_nothing() -> None:
    often, rarely = (train(Trial(config(f"training.evaluate_every={k}"))) for k in (7, 60))
    assert same(often.state, rarely.state)
    assert np.array_equal(often.curve.losses, rarely.curve.losses)
    assert often.errors == rarely.errors
    assert list(often.curve.errors) == [0, 7, 14, 21, 28, 35, 42, 49, 56, 60]


def test_the_curve_ends_with_the_trained_network() -> None:
    trial = Trial(config())
    result = train(trial)
    assert result.errors is not None
    assert len(result.curve.losses) == 61
    assert result.curve.losses[-1] == result.errors.loss == trial.evaluate(result.state).loss
    _, losses = trial.advance(result.state, 1)
    assert losses[0] == pytest.approx(result.errors.loss, rel=1e-5)  # summed in another order


def test_every_loss_is_told_once_and_in_order() -> None:
    heard: list[float] = []

    def listen(step: int, losses: NDArray[np.float64]) -> None:
        assert step == len(heard)
        heard.extend(losses)

    result = train(Trial(config()), listen)
    assert heard == result.curve.losses[:-1].tolist()


def test_a_run_that_diverges_says_when() -> None:
    result = train(Trial(config("optimizer.lr=1e6")))
    assert result.status == "diverged"
    assert result.errors is None
    assert 0 < result.state.step == len(result.curve.losses) < 60
    assert np.isfinite(result.curve.losses).all()
    assert result.error == f"the loss before step {result.state.step} is not finite"


def test_a_network_that_blows_up_in_its_last_update_diverged_too() -> None:
    diverged = train(Trial(config("optimizer.lr=1e6")))
    result = train(Trial(config("optimizer.lr=1e6", f"training.steps={diverged.state.step}")))
    assert result.status == "diverged"
    assert result.state.step == diverged.state.step


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("optimizer", {"_target_": "torch.optim.Foo", "lr": 1.0}, "optimizer._target_ must be the dotted path"),
        ("optimizer", {"_target_": "torch.nn.Linear", "lr": 1.0}, "optimizer._target_ must be a torch.optim class"),
        ("optimizer", {"_target_": "torch.optim.SGD", "lr": 1.0, "foo": 1}, "optimizer.foo is not an argument of SGD"),
        ("optimizer", {"_target_": "torch.optim.Adam", "lr": 1.0, "betas": [2, 3]}, "optimizer must suit Adam"),
        ("model", {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 3}, r"it maps .* to \(3, 3\)"),
        ("model", {"_target_": "torch.nn.Linear", "in_features": 5, "out_features": 1}, "it fails with"),
        ("model", {"_target_": "torch.nn.Linear", "outputs": 5}, "model.outputs is not an argument of Linear"),
        ("data", {"_target_": "nowhere.Law"}, "data._target_ must be the dotted path of a class"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_refused_before_training(section: str, values: dict[str, object], message: str) -> None:
    one = config()
    setattr(one, section, {"seed": None, **values} if section != "optimizer" else values)
    with pytest.raises(ConfigError, match=message):
        Trial(one).start()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_devices_agree() -> None:
    cpu, gpu = (train(Trial(config("training.engine=torch", f"training.device={d}"))) for d in ("cpu", "cuda"))
    assert gpu.curve.losses == pytest.approx(cpu.curve.losses, rel=1e-3)
