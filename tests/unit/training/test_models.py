"""The network, and the trained one back from disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from harmonic import data, load_runs
from harmonic.config.schema import MLP_TARGET
from harmonic.errors import HarmonicError
from harmonic.results import model_file
from harmonic.training import models
from harmonic.training.trainer import Trainer, train
from helpers import CommandLine, config

X = torch.linspace(-9, 9, 40).reshape(20, 2)


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.sampled_from(["sigmoid", "tanh", "relu", "sin", "snake"]),
    st.integers(0, 99),
)
@settings(max_examples=30)
def test_the_network_is_its_formula(widths: list[int], activation: str, seed: int) -> None:
    network = models.MLP(widths, len(widths), activation, torch.Generator().manual_seed(seed)).double()
    formulas: dict[str, Callable[[Any], Any]] = {
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "tanh": np.tanh,
        "relu": lambda z: np.maximum(z, 0),
        "sin": np.sin,
        "snake": lambda z: z + np.sin(z) ** 2,
    }
    arrays = [parameter.numpy() for parameter in network.state_dict().values()]
    value = X.double().numpy()
    for index in range(0, len(arrays), 2):
        value = value @ arrays[index].T + arrays[index + 1]
        value = formulas[activation](value) if index < len(arrays) - 2 else value
    # in double precision; values up to some dozens, and errors of 1e-16 of them in sums of at most ten
    assert network(X.double()).detach().numpy() == pytest.approx(value, abs=1e-11)


@pytest.mark.parametrize("target", ["mlp", "helpers.Dropping"])
def test_the_model_on_disk_is_the_model_trained(target: str, tmp_path: Path) -> None:
    one = config("optimizer=adam", "training.engine=torch")
    if target != "mlp":
        one.model = {"_target_": target, "seed": None, "width": 5}
    trial = Trainer(one)
    state = train(trial).state
    model_file.save(tmp_path / model_file.PARAMETERS_FILE, one.model, state.parameters)
    with torch.no_grad():
        loaded = model_file.load_model(tmp_path, trust=target != "mlp")(X).numpy().ravel()
    assert np.array_equal(loaded, trial.engine.predict(one, state, X))


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarmonicError, match=r"must hold model\.safetensors"):
        model_file.load_model(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_a_damaged_model_is_refused_not_run(tmp_path: Path, content: bytes) -> None:
    (tmp_path / model_file.PARAMETERS_FILE).write_bytes(content)
    with pytest.raises(HarmonicError, match=r"must be a whole safetensors file"):
        model_file.load_model(tmp_path)


def stored(folder: Path, section: dict[str, Any], arrays: dict[str, Any], run: str | None = None) -> Path:
    model_file.save(folder / model_file.PARAMETERS_FILE, {"_target_": MLP_TARGET, "seed": None} | section, arrays, run)
    return folder


SMALL = {"width": 3, "depth": 1, "activation": "sigmoid"}
ARRAYS = {name: tensor.numpy() for name, tensor in models.mlp_parameters(SMALL, torch.Generator()).items()}


@pytest.mark.parametrize(
    "claim",
    [
        {"width": 10**9}, {"width": 10**30}, {"width": [10**9]}, {"width": [3, 3]}, {"width": "3"}, {"width": 3.0},
        {"width": -3}, {"width": []}, {"width": None}, {"width": {"3": 3}}, {"depth": 10**9}, {"depth": -1},
        {"depth": "1"}, {"depth": None}, {"depth": 1.5}, {"depth": 2, "width": [3, 10**9]}, {"activation": "step"},
        {"activation": ["sigmoid"]},
    ],
)  # fmt: skip
def test_a_file_that_claims_another_network_is_refused_before_room_is_made_for_it(
    tmp_path: Path, claim: dict[str, Any]
) -> None:
    with pytest.raises(HarmonicError, match="must hold the parameters of the network that it names"):
        model_file.load_model(stored(tmp_path, SMALL | claim, ARRAYS))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "0 arrays for depth 1"),
        (ARRAYS | {"9.weight": np.zeros(2, np.float32)}, "5 arrays for depth 1"),
        ({("8" + name[1:] if name[0] == "2" else name): a for name, a in ARRAYS.items()}, "nothing for 2.weight"),
        ({name: a.astype(float) for name, a in ARRAYS.items()}, "torch.float64 of shape"),
        ({name: a.T.copy() for name, a in ARRAYS.items()}, r"shape \(2, 3\) for 0.weight, .* shape \(3, 2\)"),
    ],
)
def test_foreign_arrays_are_named(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(HarmonicError, match=message):
        model_file.load_model(stored(tmp_path, SMALL, arrays))


def test_metadata_that_nests_without_end_is_refused(tmp_path: Path) -> None:
    save_file({}, tmp_path / model_file.PARAMETERS_FILE, {"model": "[" * 100_000})
    with pytest.raises(HarmonicError, match="must be a whole safetensors file"):
        model_file.load_model(tmp_path)


def test_a_file_says_whose_it_is(tmp_path: Path) -> None:
    row = {"dir": str(stored(tmp_path, SMALL, ARRAYS, "a1")), "run": "a1"}
    assert model_file.load_model(row) is not None
    assert model_file.load_model(pd.Series(row)) is not None
    assert model_file.load_model(tmp_path) is not None
    with pytest.raises(HarmonicError, match=r"must hold the network of run b2; it holds that of run a1"):
        model_file.load_model(row | {"run": "b2"})
    stored(tmp_path, SMALL, ARRAYS)  # as before files said so
    assert model_file.load_model(row) is not None


def test_each_run_leaves_a_network_of_its_own_name(harmonic_command: CommandLine) -> None:
    small = ("training.steps=2", "data.points=9", "training.evaluate_every=2")
    assert harmonic_command(*small, "hydra.run.dir=single").code == 0
    assert harmonic_command("-m", "seed=1,2", *small, "hydra.sweep.dir=grid").code == 0
    runs = load_runs(harmonic_command.folder)
    assert len(runs) == 3
    for _, run in runs.iterrows():
        assert model_file.load_model(run) is not None
        with safe_open(Path(run["dir"]) / model_file.PARAMETERS_FILE, "np") as kept:
            assert kept.metadata()["run"] == run["run"]


class Generators:
    """Of a CPU and of a device that is not there: their states, and what was asked of them."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.state = torch.full((16,), 7, dtype=torch.uint8)
        patch.setattr(torch.cuda, "get_rng_state", lambda _device: self.state.clone())
        patch.setattr(torch.cuda, "set_rng_state", self.put)
        patch.setattr(
            torch.cuda, "manual_seed", lambda seed: self.put(torch.full((16,), seed % 256, dtype=torch.uint8))
        )
        patch.setattr(torch.cuda, "device", lambda _device: nullcontext())

    def put(self, state: torch.Tensor, _device: Any = None) -> None:
        self.state = state.clone()

    def draw(self) -> tuple[float, int]:
        self.state = self.state + 1
        return torch.rand(1).item(), int(self.state[0])


def test_the_devices_stream_is_borrowed_and_carried_on_too(monkeypatch: pytest.MonkeyPatch) -> None:
    generators, device = Generators(monkeypatch), torch.device("cuda", 0)
    before, begin = torch.get_rng_state(), data.stream(33).get_state()
    with models.GlobalStream(begin, device) as whole:
        drawn = [generators.draw() for _ in range(5)]
    with models.GlobalStream(begin, device) as first:
        half = [generators.draw() for _ in range(2)]
    assert half[0][1] == 34  # the device's begins with the seed of the CPU's, as after `torch.manual_seed`
    generators.draw()
    between = generators.state.clone()
    with models.GlobalStream(first.state, device) as second:
        half += [generators.draw() for _ in range(3)]
    assert half == drawn
    assert torch.equal(second.state, whole.state)
    assert torch.equal(generators.state, between)
    torch.set_rng_state(before)


@pytest.mark.parametrize("broken", ["get_rng_state", "manual_seed", "initial_seed"])
def test_a_stream_that_cannot_be_borrowed_leaves_no_lock(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    generators, before = Generators(monkeypatch), torch.get_rng_state()
    there = generators.state.clone()
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda if broken != "initial_seed" else torch, broken, lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError), models.GlobalStream(before, torch.device("cuda")):
            pass
    with pytest.raises((RuntimeError, TypeError)), models.GlobalStream(torch.zeros(3)):
        pass  # no generator has such a state
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(generators.state, there)
    with pytest.raises(KeyError), models.GlobalStream(before, torch.device("cuda")):
        raise KeyError
    assert not models._global_generator.locked()
