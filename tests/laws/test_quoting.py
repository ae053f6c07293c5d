"""The commands that repeat a run: what they write, Hydra reads as it was."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from harmonic import load_runs
from harmonic.config.compose import compose, nested, repeat
from harmonic.config.quoting import is_path, written
from harmonic.errors import ConfigError
from harmonic.reports.commands import command
from helpers import CommandLine, config

PARSER = OverridesParser.create()
BASE = config()
SMALL = ("training.steps=10", "data.points=30")

ODD = ["", " ", "1", "1e-4", "0x1", "null", "True", "nan", "-inf", "[1]", "{a:1}", "${seed}", "\\${x}", "\\\\${x}",
       "a,b", "range(1,3)", "ü", " a ", "x=1", "'", '"', "\\", "\\'", "a\\", "~a", "+a", "-m",
       "#", "a b", "\n", "*"]  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(ODD),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    st.text("\\'\"{}$[](),=:~+ \n\t#%@?|.a1", max_size=8),
).filter(lambda text: text != "???")  # OmegaConf's word for what is missing
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(2**62), 2**62), st.floats(), TEXTS)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True).filter(lambda name: name not in ("null", "true", "false"))
KEYS = st.one_of(NAMES, st.sampled_from(["a b", "x-y", "a.b", "p:q", "a\\b"]), st.integers(-3, 3), st.booleans())
VALUES = st.recursive(
    SCALARS, lambda one: st.one_of(st.lists(one, max_size=3), st.dictionaries(KEYS, one, max_size=3)), max_leaves=6
)
SECTIONS = st.dictionaries(NAMES.filter(lambda name: name != "seed"), VALUES, max_size=4)


def typed(value: Any) -> Any:
    """Equal where value and type are: 1, 1.0 and true are equal to Python."""
    if isinstance(value, dict):
        return {repr(key): typed(one) for key, one in value.items()}
    return [typed(one) for one in value] if isinstance(value, list) else repr(value)


@given(VALUES)
@example([*ODD, {"a": ODD}])
def test_a_value_is_read_as_it_was_written(value: Any) -> None:
    (word,) = shlex.split(shlex.join([f"key={written('key', value)}"]))
    override = PARSER.parse_override(word)
    assert not override.is_sweep_override()
    read = OmegaConf.to_container(OmegaConf.create({"key": override.value()}), resolve=True)
    assert isinstance(read, dict)
    assert typed(read["key"]) == typed(value)


@settings(max_examples=10)
@given(SECTIONS, SECTIONS, st.sampled_from([1, 1.0, 3e-5, 1e22]))
@example({"text": ODD, "deep": {"a.b": {"c": {}}, "1": [[]], "true": {1: "1", False: "null"}}}, {"empty": {}}, 1.0)
def test_a_command_composes_to_the_config_it_repeats(model: Any, data: Any, lr: float) -> None:
    one = dataclasses.replace(
        BASE,
        model={"_target_": "nobody.Model", "seed": None, **model},
        data={"_target_": "nobody.Data", "seed": 3, **data},
        optimizer={"_target_": "torch.optim.SGD", "lr": float(lr), "betas": [0.9, lr]},
    )
    words = shlex.split(shlex.join(repeat(dataclasses.asdict(one), {"model": "mine", "data": "harmonic"})))
    assert typed(dataclasses.asdict(compose(words))) == typed(dataclasses.asdict(one))


def test_what_is_plain_is_written_plainly() -> None:
    assert [written("", one) for one in ("torch.optim.SGD", True, 1e-5, 3, None, [1, 2.5], "a/b-c")] == [
        "torch.optim.SGD", "true", "1e-05", "3", "null", "[1,2.5]", "a/b-c",
    ]  # fmt: skip


def test_a_key_that_no_override_can_write_is_named() -> None:
    assert not is_path("größe")
    with pytest.raises(
        ConfigError, match=r"the keys of model must be such that an override can write them; got 'größe"
    ):
        repeat({**dataclasses.asdict(BASE), "model": {"_target_": "nobody.Model", "größe": 1}})
    with pytest.raises(ConfigError, match="'model' with both"):
        nested({"model": 1, "model.width": 2})


def test_a_search_repeats_what_its_environment_said(
    harmonic_command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIND", "tanh")
    done = harmonic_command(
        "-m", "hydra/sweeper=harmonic", "hydra.sweeper.n_trials=1", "model.width=4,5",
        "model.activation=${oc.env:KIND}",
        "hydra.sweep.dir=s", *SMALL,
    )  # fmt: skip
    assert done.code == 0
    found = yaml.safe_load((harmonic_command.folder / "s" / "optimization_results.yaml").read_text())
    words = shlex.split(found["best_repeat"])
    monkeypatch.delenv("KIND")
    assert harmonic_command(*words[1:], "hydra.run.dir=again", "figures=false").code == 0
    columns = ["model.activation", "model.width", "final_loss"]
    once, again = (load_runs(harmonic_command.folder / name)[columns] for name in ("s", "again"))
    assert once.equals(again)


def test_a_report_repeats_numbers_beside_lists(harmonic_command: CommandLine) -> None:
    done = harmonic_command("-m", "model=deep", "model.width=[8,8],16", "hydra.sweep.dir=s", *SMALL)
    assert done.code == 0
    runs = load_runs(harmonic_command.folder / "s")
    assert runs["model.width"].tolist() == ["[8, 8]", "16"]  # a column of a table has one type
    for index, width in enumerate(([8, 8], 16)):
        words = shlex.split(command(runs.iloc[index : index + 1]))
        assert compose(words[1:]).model["width"] == width
