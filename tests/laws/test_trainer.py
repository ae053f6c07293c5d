"""A run is resumable: where it is cut changes nothing."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import own_optimizers
from harmonic.config.schema import Config
from harmonic.errors import ConfigError
from harmonic.training import models
from harmonic.training.engines import State
from harmonic.training.trainer import Trainer, train
from helpers import CommandLine, Drawing, config

OPTIMIZERS = {
    "sgd": {"_target_": "torch.optim.SGD", "lr": 1e-4},
    "momentum": {"_target_": "torch.optim.SGD", "lr": 1e-4, "momentum": 0.9, "nesterov": True},
    "adam": {"_target_": "torch.optim.Adam", "lr": 1e-2, "amsgrad": True},
    "fused": {"_target_": "torch.optim.Adam", "lr": 1e-2, "fused": True},
    "adamw": {"_target_": "torch.optim.AdamW", "lr": 1e-2, "weight_decay": 0.1},
    "rprop": {"_target_": "torch.optim.Rprop", "lr": 1e-2},
    "nadam": {"_target_": "torch.optim.NAdam", "lr": 1e-2},
    "radam": {"_target_": "torch.optim.RAdam", "lr": 1e-2},
    "asgd": {"_target_": "torch.optim.ASGD", "lr": 1e-4, "t0": 5, "lambd": 0.1},
    "adadelta": {"_target_": "torch.optim.Adadelta", "lr": 1e-1},
    "adagrad": {"_target_": "torch.optim.Adagrad", "lr": 1e-2, "lr_decay": 0.1},
    "adamax": {"_target_": "torch.optim.Adamax", "lr": 1e-2},
    "adafactor": {"_target_": "torch.optim.Adafactor", "lr": 1e-2},
    "rmsprop": {"_target_": "torch.optim.RMSprop", "lr": 1e-3, "centered": True, "momentum": 0.5},
    "lbfgs": {"_target_": "torch.optim.LBFGS", "lr": 0.01, "max_iter": 4},
    "wolfe": {"_target_": "torch.optim.LBFGS", "lr": 0.1, "max_iter": 3, "line_search_fn": "strong_wolfe"},
}
SERVED = (
    "Own", "Grouped", "ScheduleFree", "Mixed", "Noisy", "Deaf", "Closureless", "Named", "Clearing", "Sharp",
    "Decorated", "Hooked", "Patched", "Saving",
)  # fmt: skip
OPTIMIZERS |= {name: {"_target_": f"own_optimizers.{name}", "lr": 1e-4} for name in SERVED}


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
    trial = Trainer(made(optimizer, target))
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
    trial = Trainer(made("adam", "mlp"))
    whole, losses = trial.advance(trial.start(), sum(parts))
    state, segments = trial.start(), []
    for steps in parts:
        state, segment = trial.advance(state, steps)
        segments.append(segment)
    assert same(whole, state)
    assert np.array_equal(losses, np.concatenate(segments))


def test_a_thousand_steps_are_four_hundred_and_six_hundred() -> None:
    trial = Trainer(config("+experiment=post_adam", "data.points=1000"))
    whole, losses = trial.advance(trial.start(), 1000)
    half, first = trial.advance(trial.start(), 400)
    again, second = trial.advance(State.from_bytes(half.to_bytes()), 600)
    assert np.array_equal(losses, np.concatenate([first, second]))
    assert same(whole, again)


def test_advancing_leaves_the_given_state_alone() -> None:
    trial = Trainer(made("momentum", "mlp"))
    state, _ = trial.advance(trial.start(), 5)
    before = state.to_bytes()
    trial.advance(state, 5)
    assert state.to_bytes() == before


def test_starting_twice_is_starting_once() -> None:
    trial = Trainer(config())
    assert same(trial.start(), trial.start())


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name not in ("momentum", "fused", "wolfe")])
def test_evaluation_changes_nothing(optimizer: str) -> None:
    one = made(optimizer, "mlp")
    often, rarely = (train(Trainer(replace(one, training=replace(one.training, evaluate_every=k)))) for k in (7, 60))
    assert same(often.state, rarely.state)
    assert np.array_equal(often.curve.losses, rarely.curve.losses)
    assert often.errors == rarely.errors
    assert list(often.curve.errors) == [0, 7, 14, 21, 28, 35, 42, 49, 56, 60]


@pytest.mark.parametrize("name", [name for name in SERVED if name not in ("Noisy", "ScheduleFree")])
def test_an_optimizer_of_ones_own_is_stepped_as_its_author_would(name: str) -> None:
    """Whatever it does with its closure, the run is that of the loop that torch's own documentation shows."""
    trial = Trainer(made(name, "mlp"))
    state, losses = trial.advance(trial.start(), 8)
    module = models.build(trial.config.model, trial._parameter_stream.clone_state())
    optimizer = getattr(own_optimizers, name)(module.parameters(), lr=1e-4)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss: torch.Tensor = (module(trial.sample.x) - trial.sample.y).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    for t in range(8):
        assert losses[t] == pytest.approx(closure().item(), rel=1e-6)
        _ = optimizer.step() if name == "Closureless" else optimizer.step(closure=closure)
    for parameter, value in zip(module.parameters(), state.parameters.values(), strict=True):
        assert parameter.detach().numpy() == pytest.approx(value, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Forgetful", "state of optimizer Forgetful must hold all that it remembers"),
        ("Elsewhere", "state of optimizer Elsewhere must hold all that it remembers"),
        ("Unsaved", "state of optimizer Unsaved must be made of tensors, .*; got set"),
        ("Demanding", "optimizer must suit Demanding; it says: TypeError"),
        ("Refusing", "optimizer must suit Refusing; it says: LookupError: no such thing"),
    ],
)
def test_an_optimizer_that_cannot_be_served_is_told_so_before_a_step(name: str, message: str) -> None:
    one = made("sgd", "mlp")
    one.optimizer = {"_target_": f"own_optimizers.{name}", "lr": 1e-4}
    with pytest.raises(ConfigError, match=message):
        Trainer(one).start()


def test_what_an_average_is_taken_of_goes_on_and_the_average_is_what_is_kept() -> None:
    trial = Trainer(made("ScheduleFree", "mlp"))
    state, _ = trial.advance(trial.start(), 9)
    _, trained = state.moments
    module = models.build(trial.config.model, torch.Generator())
    module.load_state_dict({name: torch.from_numpy(array) for name, array in state.parameters.items()})
    with torch.no_grad():
        assert np.array_equal(
            module(trial.sample.x).numpy().ravel(), trial.engine.predict(trial.config, state, trial.sample.x)
        )
    assert not any(np.array_equal(state.parameters[name], trained[name]) for name in trained)


def test_no_optimizer_draws_from_the_global_generator() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    trial = Trainer(made("Noisy", "mlp"))
    trial.advance(trial.start(), 3)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_steps_of_torchs_own_import_no_compiler() -> None:
    """Nor does what is saved of them: 1.7 s."""
    code = (
        "import sys; from harmonic.training.trainer import Trainer; from harmonic.config.compose import compose\n"
        "trial = Trainer(compose(['training.engine=torch', 'optimizer=adam', 'data.points=9']))\n"
        "state, _ = trial.advance(trial.start(), 2); trial.advance(state, 2)\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)


def test_the_curve_ends_with_the_trained_network() -> None:
    trial = Trainer(config())
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

    result = train(Trainer(config()), listen)
    assert heard == result.curve.losses[:-1].tolist()


def test_a_run_that_diverges_says_when() -> None:
    result = train(Trainer(config("optimizer.lr=1e6")))
    assert result.status == "diverged"
    assert result.errors is None
    assert 0 < result.state.step == len(result.curve.losses) < 60
    assert np.isfinite(result.curve.losses).all()
    assert result.error == f"the loss before step {result.state.step} is not finite"


def test_a_network_that_blows_up_in_its_last_update_diverged_too() -> None:
    diverged = train(Trainer(config("optimizer.lr=1e6")))
    result = train(Trainer(config("optimizer.lr=1e6", f"training.steps={diverged.state.step}")))
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
        ("model", {"_target_": "torch.nn.LSTM", "input_size": 2, "hidden_size": 1}, "it fails with: AttributeError"),
        ("model", {"_target_": "torch.nn.Linear", "outputs": 5}, "model.outputs is not an argument of Linear"),
        ("data", {"_target_": "nowhere.Law"}, "data._target_ must be the dotted path of a class"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_refused_before_training(section: str, values: dict[str, object], message: str) -> None:
    one = config()
    setattr(one, section, {"seed": None, **values} if section != "optimizer" else values)
    with pytest.raises(ConfigError, match=message):
        Trainer(one).start()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_devices_agree() -> None:
    cpu, gpu = (train(Trainer(config("training.engine=torch", f"training.device={d}"))) for d in ("cpu", "cuda"))
    assert gpu.curve.losses == pytest.approx(cpu.curve.losses, rel=1e-3)


@pytest.mark.parametrize(("seeds", "draws"), [((), 2), (("model.seed=5",), 3), (("data.seed=3", "model.seed=3"), 2)])
def test_a_run_is_built_once_and_draws_its_data_once(
    harmonic_command: CommandLine, seeds: tuple[str, ...], draws: int
) -> None:
    """Its sample, the validation sample, and where the seeds are split the share that the model's stream skips."""
    Drawing.draws = 0
    counted = ("~data", "+data={_target_: helpers.Drawing, points: 30, scale: 3.0, noise: 0.1, seed: null}")
    assert harmonic_command("training.steps=3", "figures=true", *counted, *seeds).code == 0
    assert len(list(harmonic_command.folder.rglob("fit.png"))) == 1
    assert Drawing.draws == draws
