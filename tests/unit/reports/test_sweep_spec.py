"""What a sweep was asked is read from a file that may hold anything: it is understood, or it is named."""

from __future__ import annotations

import copy
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonic.errors import TableError
from harmonic.reports import report
from harmonic.reports.report_data import gather
from harmonic.reports.sweep_spec import FILE, SearchSpec, SweepSpec, read
from helpers import CommandLine

SPACE = {"model.width": "interval(8,128)", "++optimizer.lr": "tag(log,interval(1e-4,1e-1))"}
SOUND: dict[str, Any] = {
    "hydra": {
        "sweeper": {
            "params": SPACE, "n_trials": 8, "direction": ["maximize"], "seeds": "range(0,3)",
            "sampler": {"_target_": "optuna.samplers.TPESampler", "seed": 0}, "pruner": None,
        },
        "overrides": {"hydra": ["hydra.sweep.dir=there", "hydra.mode=MULTIRUN"], "task": ["model.width=4,8", "seed=1"]},
        "job": {"config_name": "width_lr"},
    }
}  # fmt: skip
PLACES = [
    ("hydra",),
    *[("hydra", name) for name in SOUND["hydra"]],
    *[("hydra", name, key) for name, section in SOUND["hydra"].items() for key in section],
]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
ANYTHING = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(LEAVES, inner), max_leaves=5)


def written(folder: Path, content: bytes) -> Path:
    (folder / FILE).write_bytes(content)
    return folder


def test_a_sound_note_is_understood(tmp_path: Path) -> None:
    assert read(written(tmp_path, yaml.safe_dump(SOUND).encode())) == SweepSpec(
        config="width_lr",
        overrides=("model.width=4,8", "seed=1", "hydra.sweep.dir=there"),
        space={"model.width": "4,8", "optimizer.lr": SPACE["++optimizer.lr"]},
        search=SearchSpec("8", ("maximize",), "range(0,3)", "TPESampler (seed=0)", "none"),
    )


def understood_or_named(folder: Path, content: bytes) -> None:
    """Nothing but text comes out of a note, or the line that names it."""
    line = ""
    try:
        found = read(written(folder, content))
    except TableError as error:
        line, found = str(error), SweepSpec()
    assert not line or (str(folder / FILE) in line and "\n" not in line)
    texts = [found.config, *found.overrides, *found.space, *found.space.values()]
    for one in astuple(found.search) if found.search is not None else ():
        texts += one if isinstance(one, tuple) else [one]
    assert all(isinstance(text, str) for text in texts)


@settings(max_examples=50)
@given(place=st.sampled_from(PLACES), value=ANYTHING)
def test_a_wrong_value_anywhere_does_no_harm(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[str, ...], value: object
) -> None:
    content = copy.deepcopy(SOUND)
    section = content
    for name in place[:-1]:
        section = section[name]
    section[place[-1]] = value
    understood_or_named(tmp_path_factory.mktemp("note"), yaml.safe_dump(content).encode())


@given(st.binary(max_size=200) | st.text("{}[]:,-&*!? \n\tahydra'\"").map(str.encode))
def test_any_bytes_do_no_harm(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    understood_or_named(tmp_path_factory.mktemp("note"), content)


def test_a_report_is_whole_whatever_the_note_holds(harmonic_command: CommandLine) -> None:
    home = harmonic_command.folder / "s"
    harmonic_command("-m", "model.width=2,4,8", f"hydra.sweep.dir={home}", "data.points=60", "training.steps=20")
    assert gather([home]).notes == []
    for content in (b"hydra: {overrides: text}", b"\x00\xff", b"", b"[" * 10_000):
        (note,) = gather([written(home, content)]).notes
        assert note.startswith(f"left out '{home / FILE}'")
    (home / FILE).unlink()
    page = report([home]).read_text()
    assert f"Left out &#39;{home / FILE}&#39;: " in page
    assert all(title in page for title in ("The best configurations", "What was swept", "The networks"))


def test_a_password_is_not_told(tmp_path: Path) -> None:
    storage = "hydra.sweeper.storage=postgresql://me:secret@host/db"
    noted = {"hydra": {"overrides": {"hydra": [storage], "task": ["seed=1"]}}}
    (tmp_path / FILE).write_text(yaml.safe_dump(noted))
    assert read(tmp_path).overrides == ("seed=1", storage.replace("secret", "***"))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("few words", "'few words'"),
        ("more words than a message has room for in its line", "'more words than a message has room for..."),
        ("x" * 60, "'" + "x" * 39 + "..."),
        ({"one": "value", "another": "valuable one"}, "{'one': 'value', 'another': 'valuable..."),
    ],
)
def test_a_value_in_a_message_ends_with_a_word(tmp_path: Path, value: object, shown: str) -> None:
    noted = {"hydra": {"sweeper": {"n_trials": 8, "direction": value}}}
    with pytest.raises(TableError) as raised:
        read(written(tmp_path, yaml.safe_dump(noted, sort_keys=False).encode()))
    assert f"; got {shown}; what was asked is not known" in str(raised.value)
