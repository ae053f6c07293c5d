"""What is written is what is read, whatever lies beside it."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonic import load_curves, load_runs, tables
from harmonic.errors import TableError

START = datetime(2026, 1, 1, tzinfo=UTC)


def write(home: Path, run: str, trial: int | None = 0, config: Mapping[str, Any] = {}, losses: int = 3) -> None:
    row = {
        "run": run, "trial": trial, "seed": 7, "status": "complete", "engine": "torch", "steps": losses,
        "final_loss": 1.5, "started": START + timedelta(seconds=trial or 0), "dir": str(trial or "."),
    }  # fmt: skip
    curve = {
        "run": [run] * losses, "step": range(losses), "loss": np.arange(losses) + 0.5,
        "dense_rmse": [np.nan] * losses, "sparse_rmse": [np.nan] * losses,
    }  # fmt: skip
    tables.write_runs(home / tables.FOLDER, run, [tables.Record(row, {"model.width": 5, **config}, curve)])


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
    assert list(runs.columns[-11:]) == list(tables.OUTCOME)
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
    runs, curves = load_runs(tmp_path), load_curves(tmp_path)
    assert sorted(runs["run"]) == ["s0", "s1", "s2", "s3"]
    known = curves[curves["run"] != "s3"].astype({"run": str}).reset_index(drop=True)
    pd.testing.assert_frame_equal(known, whole[1].astype({"run": str}))


def test_lost_runs_count_no_more(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path, f"s{number}", number)
    tables.write_lost(tmp_path / tables.FOLDER, ["s1"])
    assert load_runs(tmp_path)["run"].tolist() == ["s0", "s2"]
    assert load_curves(tmp_path)["run"].unique().tolist() == ["s0", "s2"]
    tables.write_lost(tmp_path / tables.FOLDER, ["s0", "s1", "s2"])
    with pytest.raises(TableError, match="at least one run"):
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
    tables.write_atomically(path, b"first")

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as half:
            half.write(content[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        tables.write_atomically(path, b"second")
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
    assert tables.leaves(nested) == {"a.b": 1, "a.c.d": "[1, 2]", "e": None}
