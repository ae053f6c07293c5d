"""Hydra's sweep syntax as distributions: the same values, and what is drawn is what the config gets."""

from __future__ import annotations

import dataclasses

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harmonic.compose import compose, repeat
from harmonic.search.space import Parameter, _parameter

PARSER = OverridesParser.create()
NUMBER = st.floats(1e-6, 1e6)


def parameter(text: str) -> Parameter:
    return _parameter(PARSER.parse_override(text), group=False)


def drawn(one: Parameter, seed: int) -> object:
    """A random value of a parameter."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return one.draw(study.ask())


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 7))
def test_a_range_is_hydras(start: int, stop: int, step: int) -> None:
    assume(start < stop)
    text = f"model.width=range({start},{stop},{step})"
    assert parameter(text).values() == list(PARSER.parse_override(text).sweep_iterator())


@given(st.integers(0, 20), st.integers(1, 30), st.sampled_from([0.1, 0.25, 0.5]))
def test_a_range_of_reals_is_hydras(start: int, count: int, step: float) -> None:
    text = f"optimizer.lr=range({start / 10},{start / 10 + count * step},{step})"
    theirs = list(PARSER.parse_override(text).sweep_iterator())
    assert parameter(text).values() == pytest.approx(theirs)


@settings(max_examples=50)
@given(NUMBER, NUMBER, st.booleans(), st.integers(0, 1000))
def test_what_is_drawn_lies_inside_and_reaches_the_config_unchanged(a: float, b: float, log: bool, seed: int) -> None:
    low, high = min(a, b), max(a, b)
    assume(low < high)
    ends = f"interval({low!r},{high!r})"
    one = parameter(f"optimizer.lr={f'tag(log,{ends})' if log else ends}")
    value = drawn(one, seed)
    assert isinstance(value, float)
    assert low <= value <= high
    assert PARSER.parse_override(one.override(value)).value() == value


@settings(max_examples=25)
@given(st.integers(1, 500), st.integers(1, 500), st.sampled_from(["interval({},{})", "tag(log,interval({},{}))"]))
def test_a_width_is_whole_however_it_is_written(low: int, extra: int, form: str) -> None:
    value = drawn(parameter(f"model.width={form.format(low, low + extra)}"), low)
    assert isinstance(value, int)
    assert low <= value <= low + extra


@pytest.mark.parametrize("choices", ["choice({})", "{}"])
def test_options_are_hydras(choices: str) -> None:
    text = "x.y=" + choices.format("2,1.5,1e-05,true,'a b','3',word,[1,2]")
    one = parameter(text)
    theirs = list(PARSER.parse_override(text).sweep_string_iterator())
    assert [one.override(option) for option in one.options] == [f"x.y={value}" for value in theirs]


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["model=deep", "optimizer=adamw", "seed=7"],
        ["+experiment=post_deep", "data.noise=0.25", "region.mass=0.5"],
        ["model.depth=2", "model.width=[3,4]", "model.activation=tanh"],
        ["+optimizer.momentum=0.9", "+optimizer.nesterov=true", "optimizer.lr=1e-5"],
        ["~optimizer.lr", "+optimizer.lr=0.125", "data.seed=3", "model.seed=4"],
        ["optimizer._target_=torch.optim.Rprop", "training.engine=torch", "training.device=cuda:1"],
    ],
)
def test_the_overrides_that_repeat_a_run(overrides: list[str]) -> None:
    config = compose(overrides)
    assert compose(repeat(dataclasses.asdict(config))) == config
