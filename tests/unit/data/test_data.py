"""The streams of random numbers, and the law that the points follow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harmonic import data
from harmonic.config.schema import Config
from harmonic.errors import ConfigError
from harmonic.training import models, trainer
from helpers import config

SEEDS = st.integers(0, 2**32 - 1)
DEEP = config("model=deep")


def split(seed: int, **seeds: int) -> Config:
    sections = {name: getattr(DEEP, name) | {"seed": seeds.get(name)} for name in ("data", "model")}
    return replace(DEEP, seed=seed, **sections)


def draw(one: Config) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    sample, stream = data.draw(one, data.build(one.data))
    return sample.x, sample.y, list(models.build(one.model, stream).state_dict().values())


@given(SEEDS)
@settings(max_examples=20)
def test_one_seed_feeds_data_noise_and_parameters_in_this_order(seed: int) -> None:
    x, y, parameters = draw(replace(DEEP, seed=seed))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        expected_x = torch.randn(40, 2) * 3.1415
        expected_y = (expected_x[:, 0].sin() + expected_x[:, 1].cos()).unsqueeze(1) + torch.randn(40, 1) * 0.1
        layers = [torch.nn.Linear(2, 50), torch.nn.Linear(50, 50), torch.nn.Linear(50, 1)]
    assert torch.equal(x, expected_x)
    assert torch.equal(y, expected_y)
    for ours, theirs in zip(parameters, [p for layer in layers for p in layer.parameters()], strict=True):
        assert torch.equal(ours, theirs)


@given(SEEDS, SEEDS)
@settings(max_examples=10)
def test_the_streams_split_and_join(one: int, other: int) -> None:
    x, y, parameters = draw(split(one))
    same_data = draw(split(one, model=other))
    assert torch.equal(same_data[0], x)
    assert torch.equal(same_data[1], y)
    same_weights = draw(split(one, data=other))
    for ours, theirs in zip(same_weights[2], parameters, strict=True):
        assert torch.equal(ours, theirs)
    joined = draw(split(other, data=one, model=one))
    assert torch.equal(joined[0], x)
    assert torch.equal(joined[2][0], parameters[0])
    if one != other:
        assert not torch.equal(same_data[2][0], parameters[0])
        assert not torch.equal(same_weights[0], x)


@given(SEEDS, SEEDS, st.integers(2, 60), st.sampled_from([0.5, 3.0]), st.sampled_from([0.0, 1.0]))
@example(0, 0, 41, 3.0, 0.1)
@settings(max_examples=10)
def test_a_models_seed_gives_its_weights_to_data_that_draw_as_many_numbers(
    seed: int, other: int, points: int, scale: float, noise: float
) -> None:
    """With other `data.points` the weights are those of the run `seed=s` with these points: as the docs say."""
    one = split(other, model=seed)
    weights = draw(replace(one, data=one.data | {"scale": scale, "noise": noise}))[2]
    assert all(map(torch.equal, weights, draw(replace(DEEP, seed=seed))[2]))
    with_points = draw(replace(one, data=one.data | {"points": points}))[2]
    assert all(map(torch.equal, with_points, draw(replace(DEEP, seed=seed, data=DEEP.data | {"points": points}))[2]))
    assert all(map(torch.equal, with_points, weights)) == (points == DEEP.data["points"])


def test_nothing_draws_from_the_global_generator() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for target in ("harmonic.models.MLP", "helpers.Dropping"):
        one = config()
        if target == "helpers.Dropping":
            one.model = {"_target_": target, "seed": None}
        draw(one)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_validation_sample_is_another_of_the_same_law() -> None:
    one = config("data.points=20000")
    law = data.build(one.data)
    sample, validation = data.draw(one, law)[0], data.draw_validation(one, law)
    assert len(torch.cat([validation.x, sample.x]).unique(dim=0)) == 40_000  # type: ignore[no-untyped-call]
    noise = data.as_array(validation.y - law.truth(validation.x))
    assert noise.std() == pytest.approx(0.1, rel=0.03)
    assert np.std(data.as_array(validation.x)) == pytest.approx(3.1415, rel=0.03)


def test_the_density_is_that_of_the_points() -> None:
    law = data.Harmonic(points=400_000, scale=2.0, noise=0.0)
    sample = law.sample(data.stream(0))
    cell = torch.tensor([[1.0, -1.0]])
    inside = ((sample.x - cell).abs() < 0.1).all(1).double().mean()
    assert float(inside / 0.2**2) == pytest.approx(float(law.density(cell)), rel=0.05)


@pytest.mark.parametrize("mass", [0.1, 0.5, 0.9, 0.99])
def test_the_density_level_encloses_its_mass(mass: float) -> None:
    law = data.Harmonic(points=200_000, scale=3.1415, noise=0.1)
    dense = law.density(law.sample(data.stream(1)).x) >= law.density_level(mass)
    assert float(dense.double().mean()) == pytest.approx(mass, abs=0.005)


def test_a_law_without_its_methods_is_refused() -> None:
    one = config()
    one.data = {"_target_": "helpers.Dropping", "seed": None}
    with pytest.raises(ConfigError, match=r"harmonic\.data\.Data; lacks sample, truth"):
        data.build(one.data)


class Odd(data.Harmonic):
    """A law of one's own of which one method gives something else."""

    def __init__(self, method: str, given: Any) -> None:
        super().__init__(30, 3.0, 0.1)
        object.__setattr__(self, method, given)


def raises(*_arguments: Any) -> Any:
    raise KeyError("a table\nof one's own")


@pytest.mark.parametrize(
    ("method", "given", "message"),
    [
        ("sample", raises, "data must draw a sample; Odd says KeyError"),
        ("sample", lambda _: None, "data must draw a sample; Odd says AttributeError"),
        ("sample", lambda _: (torch.zeros(3, 2), torch.zeros(3, 1)), "draw a sample; Odd says AttributeError"),
        ("sample", lambda _: data.Sample(torch.zeros(3, 2), torch.zeros(3)), r"Odd\.sample gives .* y of .* \(3,\)"),
        ("sample", lambda _: data.Sample(torch.zeros(3, 2), torch.zeros(4, 1)), r"y of torch.float32 \(4, 1\)"),
        ("sample", lambda _: data.Sample(torch.zeros(3, 3), torch.zeros(3, 1)), r"x of torch.float32 \(3, 3\)"),
        ("sample", lambda _: data.Sample(torch.zeros(3, 2).double(), torch.zeros(3, 1)), "x of torch.float64"),
        ("density", raises, "data must have a density and a truth; Odd says KeyError"),
        ("density", lambda _: torch.zeros(7), r"one value a point; Odd\.density gives an array of shape \(7,\)"),
        ("truth", raises, "data must have a density and a truth; Odd says KeyError"),
        ("truth", lambda x: x, r"one value a point; Odd\.truth gives an array of shape \(10000, 2\)"),
        ("density_level", raises, "data must have a density and a truth; Odd says KeyError"),
        ("density_level", lambda _: None, "data must have a density and a truth; Odd says TypeError"),
    ],
)  # fmt: skip
def test_whatever_a_law_of_ones_own_raises_or_gives_is_a_line(
    method: str, given: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "build", lambda _: Odd(method, given))
    trainer.plane.cache_clear()
    with pytest.raises(ConfigError, match=message) as caught:
        trainer.Trainer(config())
    assert "\n" not in str(caught.value)
    trainer.plane.cache_clear()


@pytest.mark.parametrize("points", [-5, "many", 0.5])
def test_a_law_that_refuses_its_arguments_is_a_line_with_its_name(points: Any) -> None:
    one = config()
    one.data = {"_target_": "helpers.Unwilling", "seed": None, "points": points, "scale": 1.0, "noise": 0.1}
    with pytest.raises(ConfigError, match=r"Unwilling says (TypeError|RuntimeError)"):
        trainer.Trainer(one)
    one.data = {"_target_": "pathlib.Path", "seed": None, "points": points}
    with pytest.raises(ConfigError, match=r"data"):
        trainer.Trainer(one)
