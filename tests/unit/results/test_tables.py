"""What is written is what is read, whatever lies beside it."""

from __future__ import annotations

import copy
import itertools
import os
import random
import re
import shutil
import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonic import load_curves, load_model, load_runs
from harmonic.config import schema
from harmonic.config.schema import Config
from harmonic.errors import ConfigError, HarmonicError, TableError
from harmonic.reports import report
from harmonic.results import environment, record, tables
from harmonic.results.columns import LATER, OUTCOME, Record, leaves
from harmonic.results.files import write_atomically
from harmonic.results.outcome import failure
from harmonic.search.study import load_study
from helpers import CommandLine, config

START = datetime(2026, 1, 1, tzinfo=UTC)


def write(home: Path, run: str, trial: int | None = 0, config: Mapping[str, Any] = {}, losses: int = 3,
          row: Mapping[str, Any] = {}) -> None:  # fmt: skip
    columns = {
        "run": run, "trial": trial, "seed": 7, "status": "complete", "engine": "torch", "steps": losses,
        "final_loss": 1.5, "started": START + timedelta(seconds=trial or 0), "dir": str(trial or "."),
    }  # fmt: skip
    curve = {
        "run": [run] * losses, "step": range(losses), "loss": np.arange(losses) + 0.5,
        "dense_rmse": [np.nan] * losses, "sparse_rmse": [np.nan] * losses,
    }  # fmt: skip
    tables.write_runs(home / tables.FOLDER, run, [Record({**columns, **row}, {"model.width": 5, **config}, curve)])


def test_rows_of_different_shape_share_a_frame(tmp_path: Path) -> None:
    write(tmp_path / "a", "one", 0, {"optimizer.momentum": 0.9, "model.depth": 1, "x": None})
    write(
        tmp_path / "b",
        "two",
        None,
        {"optimizer.nesterov": True, "model.depth": "[1, 2]", "data.seed": None},
    )
    write(tmp_path / "b", "three", 2, {"optimizer.momentum": 1, "model.depth": 2, "data.seed": 4})
    runs = load_runs(tmp_path).set_index("run")
    assert list(runs.columns[:5]) == ["sweep", "trial", "seed", "status", "engine"]
    assert list(runs.columns[-len(OUTCOME) :]) == list(OUTCOME)
    assert runs.loc["one", "optimizer.momentum"] == 0.9
    assert runs.loc["three", "optimizer.momentum"] == 1
    assert runs["optimizer.momentum"].isna()["two"]
    assert runs.loc[["one", "two", "three"], "model.depth"].tolist() == ["1", "[1, 2]", "2"]
    kinds = runs.dtypes.astype(str).to_dict()
    assert kinds["trial"] == kinds["data.seed"] == "Int64"
    assert kinds["seed"] == kinds["model.width"] == "int64"
    assert kinds["optimizer.nesterov"] == "boolean"
    assert kinds["optimizer.momentum"] == kinds["final_loss"] == kinds["x"] == "float64"
    assert kinds["status"] == kinds["engine"] == "category"
    assert kinds["started"] == "datetime64[us, UTC]"
    assert "object" not in runs.dtypes.astype(str).tolist()


VALUES = st.one_of(st.none(), st.integers(-9, 9), st.floats(-1, 1), st.booleans(), st.text(max_size=3))


@given(st.lists(st.tuples(st.integers(0, 4), VALUES), max_size=8))
@settings(max_examples=30)
def test_any_leaves_can_be_read_together(leaves: list[tuple[int, Any]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for number, (key, value) in enumerate(leaves):
            write(Path(folder), f"run{number}", number, {f"key.{key}": value})
        if not leaves:
            return
        runs = load_runs(folder)
    assert runs["run"].tolist() == [f"run{number}" for number in range(len(leaves))]
    assert "object" not in runs.dtypes.astype(str).tolist()
    for number, (key, value) in enumerate(leaves):
        assert runs[f"key.{key}"].isna()[number] == (value is None)


def test_a_path_gives_the_runs_that_lie_in_it(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / "sweep" / str(number)).mkdir(parents=True)
        write(tmp_path / "sweep", f"s{number}", number)
    write(tmp_path / "run" / "x", "single", None)
    assert len(load_runs(tmp_path)) == 13
    assert len(load_runs(tmp_path / "sweep")) == 12
    assert len(load_runs(tmp_path / "sweep" / "table")) == 12
    assert load_runs(tmp_path / "sweep" / "1")["run"].tolist() == ["s1"]
    assert load_runs(tmp_path / "run")["run"].tolist() == ["single"]
    assert load_curves(tmp_path / "sweep" / "1")["run"].unique().tolist() == ["s1"]
    assert load_runs(tmp_path)["dir"].loc[12] in (str(tmp_path / "run" / "x"), str(tmp_path / "sweep" / "11"))


def test_a_copied_folder_adds_nothing(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / "sweep", f"s{number}", number)
    whole = load_runs(tmp_path), load_curves(tmp_path)
    shutil.copytree(tmp_path / "sweep", tmp_path / "sweep copied")
    write(tmp_path / "sweep copied", "s3", 3)
    with pytest.warns(UserWarning, match=r"left out 3 row\(s\) of '.*': other rows have the same ids"):
        runs, curves = load_runs(tmp_path), load_curves(tmp_path)
    assert sorted(runs["run"]) == ["s0", "s1", "s2", "s3"]
    known = curves[curves["run"] != "s3"].astype({"run": str}).reset_index(drop=True)
    pd.testing.assert_frame_equal(known, whole[1].astype({"run": str}))


def test_lost_runs_count_no_more(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path, f"s{number}", number)
    tables.write_lost(tmp_path / tables.FOLDER, ["s1"])
    for read in (load_runs, load_curves):
        with pytest.warns(UserWarning, match=r"left out 1 row\(s\) of '.*': their trials were lost"):
            assert read(tmp_path)["run"].unique().tolist() == ["s0", "s2"]
    tables.write_lost(tmp_path / tables.FOLDER, ["s0", "s1", "s2"])
    with (
        pytest.warns(UserWarning, match=r"left out 3 row\(s\)"),
        pytest.raises(TableError, match="at least one run"),
    ):
        load_runs(tmp_path)


def test_curves_are_long_and_ordered(tmp_path: Path) -> None:
    write(tmp_path, "b", 0, losses=4)
    write(tmp_path, "a", 1, losses=2)
    curves = load_curves(tmp_path)
    assert curves["run"].tolist() == ["b"] * 4 + ["a"] * 2
    assert curves["step"].tolist() == [0, 1, 2, 3, 0, 1]
    assert curves["loss"].tolist() == [0.5, 1.5, 2.5, 3.5, 0.5, 1.5]
    assert str(curves["run"].dtype) == "category"


@given(st.integers(0, 2000))
@settings(max_examples=25)
def test_a_damaged_part_is_named_and_left_out(size: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write(home, "whole", 0)
        write(home, "cut", 1)
        part = home / "table" / "runs-cut.parquet"
        part.write_bytes(part.read_bytes()[:size])
        with pytest.warns(UserWarning, match=r"runs-cut\.parquet': not a whole Parquet file"):
            runs = load_runs(home)
    assert runs["run"].tolist() == ["whole"]


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_a_flipped_bit_is_no_other_number(where: float, bit: int) -> None:
    """It is found, and the part named and left out, or it lies where nothing is read."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write(home, "flipped", 0, losses=200)
        write(home, "whole", 1, losses=200)
        curves = load_curves(home)
        part = home / "table" / "curves-flipped.parquet"
        content = bytearray(part.read_bytes())
        content[int(where * len(content))] ^= 1 << bit
        part.write_bytes(content)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            read = load_curves(home)
    if caught:
        assert [str(one.message).partition("'")[2].partition("'")[0] for one in caught] == [str(part)]
        curves = curves[curves["run"] == "whole"].reset_index(drop=True)
    pd.testing.assert_frame_equal(read, curves)


def test_an_unfinished_file_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, "whole", 0)
    (tmp_path / "table" / ".runs-other.parquet.123").write_bytes(b"half")
    assert load_runs(tmp_path)["run"].tolist() == ["whole"]


def test_writing_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"first")

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as half:
            half.write(content[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"second")
    assert path.read_bytes() == b"first"
    assert [child.name for child in tmp_path.iterdir()] == ["file"]


def test_a_path_without_runs_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    for path, rule in (
        ("nowhere", "must exist"),
        ("file", "must be a folder"),
        ("empty", "at least one run"),
    ):
        with pytest.raises(TableError, match=rule):
            load_runs(tmp_path / path)
        with pytest.raises(TableError, match=rule):
            load_curves(tmp_path / path)


def test_leaves_are_dotted() -> None:
    nested = {"a": {"b": 1, "c": {"d": [1, 2]}}, "e": None}
    assert leaves(nested) == {"a.b": 1, "a.c.d": "[1, 2]", "e": None}


BASE = config()
LEAVES = st.dictionaries(
    st.sampled_from(["model.a", "model.b", "optimizer.c"]),
    st.one_of(
        st.none(), st.booleans(), st.sampled_from([0, 1, 2]), st.sampled_from([0.0, 1.0, float("nan"), float("inf")]),
        st.sampled_from(["", "0", "1", "1.0", "nan", "True", "null", "None", "[1, 2]"]), st.just([1, 2]), st.just({}),
    ),
)  # fmt: skip


@given(LEAVES, LEAVES, st.booleans())
def test_a_run_is_taken_for_itself_and_no_other(theirs: Any, ours: Any, beside: bool) -> None:
    """Whatever leaves two configs have, and whatever lies in the part beside."""
    import tempfile

    def made(leaves: Mapping[str, Any]) -> Config:
        made = copy.deepcopy(BASE)
        for key, value in leaves.items():
            section, _, name = key.partition(".")
            getattr(made, section)[name] = value
        return made

    ours = {key: value for key, value in ours.items() if value != "[1, 2]"}  # a table has it for the list
    with tempfile.TemporaryDirectory() as folder:
        place, home = record.Place(Path(folder) / "0", Path(folder), "s", 0), Path(folder)
        entries = [record.record(made(theirs), place, failure(ValueError()))]
        if beside:
            entries.append(record.record(made({"model.a": 3.5, "optimizer.d": 1}), replace(place, folder=home / "1"),
                                      failure(ValueError())))  # fmt: skip
        entries = [replace(one, row={**one.row, "status": "complete"}) for one in entries]
        tables.write_runs(home / "table", "0", entries)
        rows = tables.by_folder(tables.read_rows(home / "table"))["0"]
    same = repr(dict(sorted(theirs.items()))).replace("'[1, 2]'", "[1, 2]") == repr(dict(sorted(ours.items())))
    if same:
        row = record.find(made(ours), place, rows)
        assert row is not None
        assert row["run"] == entries[0].row["run"]
    else:
        with pytest.raises(ConfigError, match="must be free or hold the same run"):
            record.find(made(ours), place, rows)


def test_a_column_that_other_runs_have_is_none_of_this_run(tmp_path: Path) -> None:
    """Somebody joined the parts of a table to one: a leaf that a run lacks is null there."""
    ours, place = config(), record.Place(tmp_path / "0", tmp_path, "s", 0)
    other = config("+optimizer.momentum=0.5")
    for number, one in enumerate((ours, other)):
        entry = record.record(one, replace(place, folder=tmp_path / str(number)), failure(ValueError()))
        tables.write_runs(tmp_path / "table", str(number), [replace(entry, row={**entry.row, "status": "complete"})])
    parts = sorted((tmp_path / "table").glob("runs-*"))
    joined = pa.concat_tables([pq.read_table(part) for part in parts], promote_options="permissive")
    for part in parts:
        part.unlink()
    pq.write_table(joined, parts[0])
    rows = tables.by_folder(tables.read_rows(tmp_path / "table"))
    assert record.find(ours, place, rows["0"]) is not None
    assert record.find(other, place, rows["1"]) is not None
    for one, name in ((ours, "1"), (other, "0")):
        with pytest.raises(ConfigError, match=r"optimizer\.momentum"):
            record.find(one, place, rows[name])


@pytest.mark.parametrize("launcher", ["harmonic", "basic"])
def test_a_grid_adopts_no_runs_that_had_more_to_their_config(harmonic_command: CommandLine, launcher: str) -> None:
    grid = ("-m", "optimizer=adam", "seed=0,1", "hydra.sweep.dir=a", f"hydra/launcher={launcher}",
            "training.steps=5", "data.points=10")  # fmt: skip
    assert harmonic_command(*grid, "+optimizer.amsgrad=true").code == 0
    refused = harmonic_command(*grid)
    assert refused.code == 2
    assert "has optimizer.amsgrad=True, this one no optimizer.amsgrad: choose another hydra.sweep.dir" in refused.err
    assert harmonic_command(*grid, "+optimizer.amsgrad=true").code == 0
    assert len(load_runs(harmonic_command.folder)) == 2


class Arranged:
    """Sweeps below a folder and what people and disks do to them, at random; each part holds one row."""

    def __init__(self, home: Path, chance: random.Random) -> None:
        self.home, self.chance, self.count, self.folders = home, chance, 0, list[Path]()
        for _ in range(chance.randint(1, 4)):
            self.sweep()
        acts = [self.copy, self.merge, self.link, self.cut, self.stray, self.lose, self.repeat, self.confirm]
        for _ in range(chance.randint(0, 6)):
            chance.choice(acts)()

    def run(self, folder: Path, number: int, called: str = "id", **row: Any) -> str:
        self.count += 1
        run = f"{called}{self.count}"
        write(folder, run, number, {"model.k": self.count}, row=row)
        return run

    def sweep(self) -> None:
        above = self.chance.choice([self.home, *self.folders])
        folder = above / self.chance.choice(["", "a", "b/c", "table", "fresh", "é x"])
        self.folders.append(folder)
        for number in range(self.chance.randint(1, 3)):
            self.run(folder, number)

    def copy(self) -> None:
        source, target = self.chance.choice(self.folders), self.home / f"copy{self.chance.randint(0, 9)}"
        if source != self.home and not target.exists():
            shutil.copytree(source, target, symlinks=True)

    def merge(self) -> None:
        """What `cp -rn` leaves: runs of another sweep that name the same folders."""
        self.run(self.chance.choice(self.folders), 0)

    def link(self) -> None:
        link = self.chance.choice(self.folders) / f"link{self.chance.randint(0, 9)}"
        if not link.is_symlink():
            link.symlink_to(self.chance.choice([*self.folders, self.home, self.home / "nowhere", link]))

    def cut(self) -> None:
        part = self.chance.choice(sorted(self.home.rglob("runs-*.parquet")))
        part.write_bytes(part.read_bytes()[:-9])

    def stray(self) -> None:
        odd: list[dict[str, Any]] = [
            {"dir": "../x"}, {"dir": "0\0"}, {"dir": None}, {"run": None}, {"run": ""}, {"status": "odd"},
            {"started": None},
        ]  # fmt: skip
        self.run(self.chance.choice(self.folders), 7, **self.chance.choice(odd))

    def lose(self) -> None:
        folder = self.chance.choice(self.folders)
        tables.write_lost(folder / "table", [self.run(folder, 8)])

    def repeat(self) -> None:
        folder = self.chance.choice(self.folders)
        failed = self.run(folder, 9, "failed", status="failed")
        write(folder, f"made{self.count}", 9, {"model.k": self.count}, row={"started": START - timedelta(days=9)})
        assert failed.endswith(str(self.count))

    def confirm(self) -> None:
        """A search's best from other seeds."""
        self.run(self.chance.choice(self.folders) / "fresh", 0, "fresh", sweep="search/fresh")


@given(st.integers(0, 2**32))
@settings(max_examples=60)
def test_no_row_is_silently_left_out(seed: int) -> None:
    """Each row is loaded or named, but for failed runs that were made again and `fresh`, as documented."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        Arranged(Path(folder), random.Random(seed))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                loaded = load_runs(folder)["run"].tolist()
            except TableError:
                loaded = []
        walked = [Path(above) / name for above, _, names in os.walk(folder) for name in names]
        beside = {one for one in walked for up in one.parents if up.name == "fresh" and (up.parent / "table").is_dir()}
    told = [str(one.message) for one in caught]
    assert all(text.startswith("left out ") for text in told), told
    damaged = {text.split("'")[1] for text in told if "not a whole Parquet file" in text}
    named = sum(int(one[1]) for text in told if (one := re.match(r"left out (\d+) row", text)))
    parts = [part for part in walked if part.name.startswith("runs-")]
    elsewhere = {text.split("'")[1] for text in told if "must lie in a folder 'table'" in text}
    damaged |= {str(part) for part in parts if str(part.parent) in elsewhere}
    ids = {part: part.stem.removeprefix("runs-") for part in parts if str(part) not in damaged}
    documented = [
        run
        for part, run in ids.items()
        if (run.startswith("failed") and run not in loaded) or (run.startswith("fresh") and part in beside)
    ]
    assert len(loaded) == len(set(loaded))
    assert len(loaded) + named + len(damaged) + len(documented) == len(parts), (told, loaded, parts)


@pytest.mark.parametrize("shape", ["nested", "linked", "loops", "merged", "table", "above", "chain", "link to a table"])
def test_each_table_is_found_once(tmp_path: Path, shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lies above it or leads to it; the runs' folders are where they are, and absolute."""
    home = tmp_path / "outputs"
    write(home / "z", "one", 0)
    if shape == "nested":
        write(home, "two", 0)
        write(home / "z" / "y", "three", 0)
    elif shape == "linked":
        write(tmp_path / "elsewhere", "two", 0)
        (home / "a").symlink_to(tmp_path / "elsewhere")
        (home / "b").symlink_to(tmp_path / "elsewhere")
    elif shape == "loops":
        for name in "abcdefgh":
            (home / name).symlink_to(home)
            (home / "z" / name).symlink_to(home / "z")
    elif shape == "merged":
        write(home / "z", "two", 0, {"model.width": 6})
    elif shape == "table":
        write(home / "table", "two", 0)
        write(home / "table" / "table", "three", 0)
    elif shape == "chain":
        (home / "a").symlink_to(home / "b")
        (home / "b").symlink_to(home / "z")
    elif shape == "link to a table":
        write(tmp_path / "large disk", "two", 0)
        (home / "y").mkdir()
        (home / "y" / "table").symlink_to(tmp_path / "large disk" / "table")
    elif shape == "above":
        write(tmp_path, "two", 0, row={"dir": "outputs"})
        write(tmp_path, "outside", 1)
    count = {"nested": 3, "loops": 1, "table": 3, "chain": 1}.get(shape, 2)
    monkeypatch.chdir(home)
    for path in (home, ".", "../outputs", home / "z" / ".."):
        runs = load_runs(path)
        assert set(runs["run"]) == {"one", "two", "three"} - set(["three", "two"][: 3 - count])
        assert all(Path(name).is_absolute() for name in runs["dir"])
        assert load_curves(path)["run"].nunique() == count
    folders = load_runs(home).set_index("run")["dir"]
    assert folders["one"] == str(home / "z")
    assert shape != "linked" or folders["two"] == str(home / "a")
    assert shape != "link to a table" or folders["two"] == str(home / "y")


def test_the_best_from_fresh_seeds_stays_apart(tmp_path: Path) -> None:
    write(tmp_path / "s", "trial", 0)
    write(tmp_path / "s" / "fresh", "confirmed", 0, row={"sweep": "s/fresh"})
    write(tmp_path / "fresh", "own", 0, row={"sweep": "fresh"})
    write(tmp_path, "above", 0)
    assert set(load_runs(tmp_path)["run"]) == {"trial", "own", "above"}
    assert load_runs(tmp_path / "s")["run"].tolist() == ["trial"]
    assert load_runs(tmp_path / "s" / "fresh")["run"].tolist() == ["confirmed"]


def test_what_cannot_be_looked_into_is_named(tmp_path: Path) -> None:
    write(tmp_path / "s", "run", 0)
    for name, rule in {"a": "a link that leads nowhere", "b": "leads to a folder that holds this one"}.items():
        (tmp_path / name).symlink_to(tmp_path / "nowhere" if name == "a" else tmp_path.parent)
        with pytest.warns(UserWarning, match=rule):
            assert load_runs(tmp_path)["run"].tolist() == ["run"]
        (tmp_path / name).unlink()
    (tmp_path / "table").touch()
    with pytest.warns(UserWarning, match="a table must be a folder"):
        assert load_runs(tmp_path)["run"].tolist() == ["run"]


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8")
def test_a_path_that_is_not_utf8_is_a_line(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    write(tmp_path / "s", "run", 0)
    write(odd, "other", 0)
    with pytest.warns(UserWarning, match=r"left out '.*\\xff/table': its path must be UTF-8"):
        assert load_runs(tmp_path)["run"].tolist() == ["run"]
    for read in (load_runs, load_curves):
        with pytest.raises(TableError, match=r"must be UTF-8; got '.*\\xff'"):
            read(odd)


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8")
@pytest.mark.parametrize("arguments", [(), ("-m", "seed=0,1"), ("-m", "hydra/sweeper=harmonic", "seed=range(0,3)")])
def test_a_run_in_a_folder_that_is_not_utf8_is_a_line(
    harmonic_command: CommandLine, arguments: tuple[str, ...]
) -> None:
    harmonic_command.folder = Path(os.fsdecode(os.fsencode(harmonic_command.folder) + b"/\xff"))
    harmonic_command.folder.mkdir()
    done = harmonic_command(*arguments, "training.steps=2", "data.points=4")
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("harmonic: a run's folder must have a name in UTF-8; got '")
    assert not list(harmonic_command.folder.rglob("*.parquet"))
    with pytest.raises(HarmonicError):
        report([harmonic_command.folder])


@pytest.mark.parametrize(
    "column", [pa.array([[1]]), pa.array([{"a": 1}]), pa.array([b"1"]), pa.array([date(2026, 1, 1)])], ids=str
)
def test_a_part_of_odd_columns_is_named(tmp_path: Path, column: pa.Array) -> None:
    for number in range(2):
        write(tmp_path, f"s{number}", number)
    part = tmp_path / "table" / "runs-s1.parquet"
    pq.write_table(pq.read_table(part).append_column("model.odd", column), part)
    with pytest.warns(UserWarning, match=r"runs-s1\.parquet': not a whole Parquet file .*model\.odd do not"):
        assert load_runs(tmp_path)["run"].tolist() == ["s0"]


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(), max_size=3),
              st.sampled_from([2**63, "\udcff", b"x", Path("x"), date(2026, 1, 1)])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", "seed", "run", "a.b", "", 1, "1", "\udcff"]), inner, max_size=3),
    ),
    max_leaves=5,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["seed", "run", "a", "inner"]), ANYTHING, max_size=3))
@settings(max_examples=200)
def test_what_a_config_may_hold_the_table_holds(arguments: dict[str, Any]) -> None:
    """What it cannot hold is refused before training."""
    import tempfile

    asked = copy.deepcopy(BASE)
    asked.optimizer = {**asked.optimizer, **arguments}
    try:
        accepted = schema.validated(asked)
    except ConfigError:
        return
    with tempfile.TemporaryDirectory() as folder:
        place = record.Place(Path(folder) / "0", Path(folder), "s", 0)
        entry = record.record(accepted, place, failure(ValueError("\udcff")))
        tables.write_runs(Path(folder) / "table", "0", [replace(entry, row={**entry.row, "status": "complete"})])
        (row,) = tables.read_rows(Path(folder) / "table")
        assert record.find(accepted, place, [row]) is not None
        assert len(load_runs(folder)) == 1


def test_a_seed_of_somebody_elses_may_be_text(harmonic_command: CommandLine) -> None:
    model = "+model={_target_: helpers.Named, seed: 3, inner: {seed: text, kinds: {}}}"
    done = harmonic_command("-m", "~model", model, "seed=0,1", "training.steps=2", "data.points=4", "hydra.sweep.dir=s")
    assert (done.code, done.err) == (0, "")
    assert load_runs(harmonic_command.folder)["model.inner.seed"].tolist() == ["text"] * 2


def test_each_row_names_the_machine_that_trained_it(
    harmonic_command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the leader's: what a worker gives says where it ran, and the report counts the runs of each machine."""
    here, asked = environment.current(), itertools.count()

    def somewhere() -> Mapping[str, str]:
        return {**here, "machine": f"machine {min(next(asked) % 4, 1)}, 8 cores"}

    monkeypatch.setattr(environment, "current", somewhere)
    grid = ("-m", "seed=range(0,8)", "training.steps=2", "data.points=4", "hydra.launcher.executor.workers=1")
    assert harmonic_command(*grid, "hydra.sweep.dir=s").code == 0
    home = harmonic_command.folder / "s"
    counts = load_runs(home)["machine"].value_counts().to_dict()
    assert counts == {"machine 0, 8 cores": 2, "machine 1, 8 cores": 6}
    assert len(environment.read(home / "table")) == 2
    page = report([home]).read_text()
    assert f"machine 1, 8 cores, {here['system']}: 6 runs; machine 0, 8 cores, {here['system']}: 2 runs" in page


def test_a_table_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """It lacks the columns that were added since."""
    for number in range(2):
        write(tmp_path, f"s{number}", number, row={"machine": "m"})
    part = tmp_path / "table" / "runs-s1.parquet"
    pq.write_table(pq.read_table(part).drop_columns(list(LATER)), part)
    runs = load_runs(tmp_path).set_index("run")
    assert runs["machine"].isna().to_dict() == {"s0": False, "s1": True}
    assert list(runs.columns[-len(OUTCOME) :]) == list(OUTCOME)
    assert tables.read_rows(tmp_path / "table")[-1]["machine"] is None


def test_what_is_loaded_stays_where_it_is_after_chdir(
    harmonic_command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = ("-m", "hydra/sweeper=harmonic", "model.width=range(2,4)", "hydra.sweeper.n_trials=2")
    assert harmonic_command(*search, "hydra.sweep.dir=s", "training.steps=2", "data.points=4").code == 0
    monkeypatch.chdir(harmonic_command.folder)
    runs, study = load_runs("s"), load_study(Path("s"))
    monkeypatch.chdir("/")
    assert len(study.get_trials()) == 2
    for _, run in runs.iterrows():
        load_model(run)
        assert load_runs(run["dir"])["run"].tolist() == [run["run"]]
