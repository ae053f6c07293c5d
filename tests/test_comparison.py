"""Laws of comparisons: what is paired is paired, and what is not is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonic import compare
from harmonic.errors import TableError
from helpers import CommandLine

BY = "optimizer._target_"
WALK = Path(__file__).parent.parent / "docs" / "comparing.md"


def table(seeds: int = 8, noise: float = 0.1, luck: float = 1.0, rates: tuple[float, ...] = (0.1,)) -> pd.DataFrame:
    """Runs of SGD and Adam, Adam better by 0.3; the luck of a seed is shared by both."""
    rng = np.random.default_rng(0)
    shared = luck * rng.normal(size=seeds)
    rows = [
        {"run": f"{name}{seed}{rate}", BY: name, "seed": seed, "status": "complete", "optimizer.lr": rate,
         "optimizer.betas": "[0.9, 0.999]" if name == "Adam" else None,
         "sparse_rmse": 5 + shared[seed] + gain + noise * rng.normal()}
        for name, gain in (("SGD", 0.0), ("Adam", -0.3)) for seed in range(seeds) for rate in rates
    ]  # fmt: skip
    return pd.DataFrame(rows)


def only(runs: pd.DataFrame, paired: bool = True) -> pd.Series:
    rows = compare(runs, BY, "sparse_rmse", paired)
    assert len(rows) == 1
    return rows.iloc[0]


def test_the_difference_is_that_of_the_means() -> None:
    runs = table()
    row, means = only(runs), runs.groupby(BY)["sparse_rmse"].mean()
    assert (row["a"], row["b"], row["n"], row["left_out"]) == ("SGD", "Adam", 8, 0)
    assert row["difference"] == pytest.approx(means["SGD"] - means["Adam"])
    assert row["low"] < row["difference"] < row["high"]
    assert row["low"] > 0
    assert row["b_wins"] == 1


@settings(max_examples=20)
@given(st.lists(st.floats(-100, 100), min_size=8, max_size=8))
def test_what_a_seed_adds_to_both_changes_nothing(shifts: list[float]) -> None:
    runs = table()
    moved = runs.assign(sparse_rmse=runs["sparse_rmse"] + runs["seed"].map(dict(enumerate(shifts))))
    assert only(moved)[["difference", "low", "high"]].astype(float).tolist() == pytest.approx(
        only(runs)[["difference", "low", "high"]].astype(float).tolist(), abs=1e-9
    )


def test_order_changes_nothing_but_the_sign() -> None:
    runs = table()
    there, back = only(runs), only(runs.iloc[::-1])
    assert back["a"] == there["b"]
    assert back["difference"] == pytest.approx(-there["difference"])
    assert back["a_wins"] == there["b_wins"]
    assert back["low"] == pytest.approx(-there["high"], abs=0.02)


def test_pairs_know_more_than_groups() -> None:
    runs = table()
    near, far = only(runs), only(runs, paired=False)
    assert near["difference"] == pytest.approx(far["difference"])
    assert near["high"] - near["low"] < 0.3 * (far["high"] - far["low"])
    assert np.isnan(far["a_wins"])


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng, covered = np.random.default_rng(1), 0
    for _ in range(60):
        runs = table(seeds=24)
        runs["sparse_rmse"] += rng.normal(size=len(runs)) * 0.1
        row = only(runs.assign(sparse_rmse=np.where(runs[BY] == "SGD", 0.3, 0.0) + rng.normal(size=len(runs))))
        covered += row["low"] <= 0.3 <= row["high"]
    assert 50 <= covered <= 60


def test_other_configurations_are_averaged_within_a_seed() -> None:
    runs = table(rates=(0.1, 0.2, 0.3))
    assert only(runs)["n"] == 8
    assert only(runs)["left_out"] == 0


def test_what_has_no_partner_is_left_out_and_counted() -> None:
    runs = table()
    lost = (runs[BY] == "SGD") & (runs["seed"] == 3)
    runs = runs.assign(status=runs["status"].mask(lost, "diverged"), sparse_rmse=runs["sparse_rmse"].mask(lost))
    row = only(runs)
    assert (row["n"], row["left_out"]) == (7, 2)
    few = only(table().query("seed == 0"))
    assert few["n"] == 1
    assert np.isnan(few["low"])


def test_equal_differences_are_an_interval_of_one_point() -> None:
    runs = table(noise=0.0, luck=0.0)
    row = only(runs)
    assert row["low"] == row["high"] == pytest.approx(0.3)


def test_what_is_not_paired_is_refused() -> None:
    runs = table()
    apart = runs.assign(seed=runs["seed"] + np.where(runs[BY] == "Adam", 100, 0))
    with pytest.raises(TableError, match=r"must share seed; got seed 0, 1, .* of SGD and 100, .*paired=False"):
        compare(apart, BY)
    assert only(apart, paired=False)["n"] == 8
    searched = runs.assign(**{"optimizer.lr": np.linspace(0.1, 1, len(runs))})
    with pytest.raises(TableError, match=r"must share seed, optimizer\.lr"):
        compare(searched, BY)
    with pytest.raises(TableError, match="more than one of"):
        compare(pd.concat([runs, runs]), BY)


@pytest.mark.parametrize(
    ("by", "metric", "rule"),
    [
        ("nobody", "sparse_rmse", "needs a column"),
        (BY, "status", "column of numbers"),
        ("status", "sparse_rmse", "two"),
    ],
)
def test_bad_input_is_a_line(by: str, metric: str, rule: str) -> None:
    with pytest.raises(TableError, match=rule) as raised:
        compare(table(), by, metric)
    assert "\n" not in str(raised.value)


def test_the_walk_through_runs(harmonic_command: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    text = WALK.read_text()
    commands = re.findall(r"^    harmonic (-m .*)$", text, re.MULTILINE)
    assert commands
    for one in commands:
        words = [word.strip("'") for word in one.split()]
        assert harmonic_command(*words, "training.steps=60", "data.points=50").code == 0
    monkeypatch.chdir(harmonic_command.folder)
    scope: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, scope)
    assert "decision" in scope
