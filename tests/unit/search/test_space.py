"""Hydra's sweep syntax as distributions: the same values, and what is drawn is what the config gets."""

from __future__ import annotations

import dataclasses
import random

import optuna
import pytest
from hydra.errors import HydraException
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from harmonic.config.compose import compose, repeat
from harmonic.errors import ConfigError
from harmonic.search.parameters import Parameter, parse_parameter
from harmonic.search.space import Space
from studies import LOADER, PARSER, applied

NUMBER = st.floats(1e-6, 1e6)


def parameter(text: str) -> Parameter:
    return parse_parameter(PARSER.parse_override(text), group=False)


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


SWEPT = {f"{key}={text}": options for key in ("m.a", "m.b", "n", "+m.c", "++m.c", "+c")
         for text, options in {"1,2": "12", "choice(2,4)": "24", "range(3,6)": "345"}.items()}  # fmt: skip
SET = ["m.a=7", "m.b=8", "n=9", "~n", "+n=9", "~m.a", "+m.a=9", "++m.c=7", "m.c=7", "~m.c", "+c=7", "~c",
       "m={a:7}", "m={a:7,b:8}", "++m={a:7,c:9}"]  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.sampled_from([*SWEPT, *SET]), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_of_overrides_of_one_key_the_last_holds_as_in_hydra(written: list[str], chance: random.Random) -> None:
    """A trial is what Hydra makes of what was written, with a value for each sweep; and each value is in effect."""
    jobs = [[f"{one.partition('=')[0]}={chance.choice(SWEPT[one])}" if one in SWEPT else one for one in written]
            for _ in range(3)]  # fmt: skip
    try:
        expected = [applied(job) for job in jobs]
    except HydraException:
        return  # Hydra refuses it, so does the search when it composes
    try:
        space = Space({}, written, LOADER, applied)
    except ConfigError:
        assert len({OmegaConf.to_yaml(one) for one in expected}) == 1, "nothing that is swept has an effect"
        return
    for config in expected:
        values = {one.name: OmegaConf.select(config, one.name) for one in space.parameters}
        assert all(value in one.values() for one, value in zip(space.parameters, values.values(), strict=True))
        assert applied(space.overrides(values)) == config


def test_the_command_line_goes_before_the_file() -> None:
    params = {"m.a": "1,2", "m.b": "1,2", "+c": "1,2", "n": "choice(1,2)"}
    space = Space(params, ["m.a=7", "++c=1,2", "~m.b"], LOADER, applied)
    assert [one.name for one in space.parameters] == ["n", "c"]
    assert applied(space.overrides({"n": 1, "c": 2})) == {"m": {"a": 7}, "n": 1, "c": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x=tag(Log,interval(1,2))", "may have the tag log; got Log"),
        ("x=tag(log,linear,interval(1,2))", "may have the tag log; got linear"),
        ("x=tag(Log,range(1,9))", "may have the tag log; got Log"),
        ("x=tag(typo,choice(1,2))", "may have the tag log; got typo"),
        ("x=tag(log,choice(1,2))", "must be an interval or a range to have a scale"),
        ("x=tag(log,shuffle(1,2))", "must be an interval or a range to have a scale"),
        ("x=tag(foo,tag(log,interval(1,2)))", "may have the tag log; got foo"),
        ("x=tag(log,tag(Log,interval(1,2)))", "must have one tag"),
        ("x=tag(tag(log,interval(1,2)))", "must have one tag"),
        ("x=1,true", "options that differ as numbers; got 1 and True"),
        ("x=0.0,a,false", "options that differ as numbers"),
    ],
)
def test_what_would_be_ignored_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parameter(text)


@pytest.mark.parametrize(
    ("text", "whole", "log"),
    [
        ("x=int(tag(log,interval(1.0,8.0)))", True, True),
        ("x=tag(log,int(interval(1.0,8.0)))", True, True),
        ("x=float(tag(log,interval(1,8)))", False, True),
        ("x=float(interval(1,8))", False, False),
        ("x=int(range(1,8))", True, False),
    ],
)
def test_casts_and_tags_go_together(text: str, whole: bool, log: bool) -> None:
    one = parameter(text).distribution
    kind = optuna.distributions.IntDistribution if whole else optuna.distributions.FloatDistribution
    assert isinstance(one, kind)
    assert one.log == log


def test_shuffled_options_stay_in_their_order() -> None:
    for _ in range(5):
        assert parameter("x=shuffle(1,2,3,4,5,6)").values() == [1, 2, 3, 4, 5, 6]
        assert parameter("x=shuffle(range(1,4))").values() == [1, 2, 3]
    assert parameter("x=sort(3,1,2)").values() == [1, 2, 3]
    assert parameter("x=sort(range(1,4),reverse=true)").values() == [1, 2, 3]


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
