"""Every value is checked at the boundary: what passes is in range, what fails is named in one line."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hydra.errors import HydraException
from hypothesis import given
from hypothesis import strategies as st

from harmonic.config import rules, schema
from harmonic.config.compose import compose
from harmonic.errors import ConfigError
from helpers import config

BASE = config()
ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text(max_size=4), st.lists(st.integers(-2, 9))
)


def test_the_default_is_the_posts_first_configuration() -> None:
    assert compose() == compose(["+experiment=post_sgd"])


@pytest.mark.parametrize(
    ("experiment", "depth", "optimizer", "lr", "steps"),
    [
        ("post_sgd", 1, "SGD", 1e-4, 1001),
        ("post_adam", 1, "Adam", 1e-3, 1000),
        ("post_deep", 2, "Adam", 1e-3, 2000),
    ],
)
def test_the_experiments_are_the_posts(experiment: str, depth: int, optimizer: str, lr: float, steps: int) -> None:
    one = compose([f"+experiment={experiment}"])
    assert one.data == {
        "_target_": schema.HARMONIC_TARGET,
        "points": 1000,
        "scale": 3.1415,
        "noise": 0.1,
        "seed": None,
    }
    assert (one.model["width"], one.model["depth"], one.model["activation"]) == (50, depth, "sigmoid")
    assert one.optimizer == {"_target_": f"torch.optim.{optimizer}", "lr": lr}
    assert (one.training.steps, one.region.mass, one.objective) == (steps, 0.9, "valid_rmse")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.width=0", "model.width must be a whole number >= 1; got 0"),
        ("model.width=fifty", "model.width must be a whole number >= 1; got 'fifty'"),
        (
            "model.width=[8,8]",
            "model.width must be one whole number, or as many as model.depth (1); got [8, 8]",
        ),
        ("model.depth=0", "model.depth must be a whole number >= 1; got 0"),
        (
            "model.activation=foo",
            "model.activation must be one of sigmoid, tanh, relu, sin, snake; got 'foo'",
        ),
        ("optimizer.lr=-1", "optimizer.lr must be a finite number > 0; got -1"),
        ("optimizer.lr=nan", "optimizer.lr must be a finite number > 0; got nan"),
        ("training.steps=0", "training.steps must be a whole number >= 1; got 0"),
        ("training.engine=foo", "training.engine must be one of"),
        ("training.device=tpu", "training.device must be one of auto, cpu, cuda, cuda:<index>; got 'tpu'"),
        ("training.evaluate_every=0", "training.evaluate_every must be a whole number >= 1; got 0"),
        ("data.points=1", "data.points must be a whole number >= 2; got 1"),
        ("data.noise=-1", "data.noise must be a finite number >= 0; got -1"),
        ("data.scale=inf", "data.scale must be a finite number > 0; got inf"),
        ("region.mass=1.5", "region.mass must be a number between 0 and 1; got 1.5"),
        ("seed=-1", "seed must be a whole number from 0 to 4294967295; got -1"),
        ("seed=4294967296", "seed must be a whole number from 0 to 4294967295; got 4294967296"),
        ("model.seed=-1", "model.seed must be a whole number from 0 to"),
        ("objective=foo", "objective must be one of valid_rmse, dense_rmse"),
        ("objective=[]", "objective must be one of valid_rmse"),
        (
            "+model.widht=3",
            "model.widht is not known to harmonic.models.MLP; it takes width, depth, activation, seed",
        ),
        ("~data.points", "data.points is missing; harmonic.data.Harmonic takes points"),
        ("optimizer._target_=Adam", "optimizer._target_ must be the dotted path of a class; got 'Adam'"),
    ],
)
def test_bad_values_are_refused_in_one_line(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        compose([override])
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("override", ["modle.width=3", "+modle.width=3", "training.steps=fifty", "optimizer=adamm"])
def test_keys_that_nobody_reads_are_refused(override: str) -> None:
    with pytest.raises((HydraException, ConfigError)):
        compose([override])


@given(st.sampled_from(["width", "depth", "activation", "seed"]), ODD)
def test_a_model_that_passes_is_one_that_can_be_built(key: str, value: object) -> None:
    try:
        passed = schema.validated(replace(BASE, model=BASE.model | {key: value})).model
    except ConfigError:
        return
    assert isinstance(passed["width"], int) or len(passed["width"]) == passed["depth"]
    assert passed["depth"] >= 1
    assert passed["activation"] in schema.ACTIVATIONS
    assert passed["seed"] is None or 0 <= passed["seed"] < rules.SEEDS


@given(ODD)
def test_a_learning_rate_that_passes_is_a_positive_real(value: object) -> None:
    one = replace(BASE, optimizer={"_target_": "torch.optim.SGD", "lr": value})
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf"):
        lr = schema.validated(one).optimizer["lr"]
        assert isinstance(lr, float)
        assert lr == value
    else:
        with pytest.raises(ConfigError, match=re.escape(f"got {value!r}")):
            schema.validated(one)


def test_checking_twice_is_checking_once() -> None:
    one = compose(["model=deep", "model.width=[3,4]", "optimizer.lr=1", "objective=[dense_rmse,gap]"])
    assert schema.validated(one) == one
    assert isinstance(one.optimizer["lr"], float)
