"""The network, and the trained one back from disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonic import models
from harmonic.errors import HarmonicError
from harmonic.trial import Trial, train
from helpers import config

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
    trial = Trial(one)
    state = train(trial).state
    models.save(tmp_path / models.PARAMETERS_FILE, one.model, state.parameters)
    with torch.no_grad():
        loaded = models.load_model(tmp_path, trust=target != "mlp")(X).numpy().ravel()
    assert np.array_equal(loaded, trial.engine.predict(one, state, X))


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarmonicError, match=r"must hold model\.safetensors"):
        models.load_model(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_a_damaged_model_is_refused_not_run(tmp_path: Path, content: bytes) -> None:
    (tmp_path / models.PARAMETERS_FILE).write_bytes(content)
    with pytest.raises(HarmonicError, match=r"must be a whole safetensors file"):
        models.load_model(tmp_path)
