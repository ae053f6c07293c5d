"""Laws of comparisons: what is paired is paired, and what is not is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import simulation
from harmonic import compare
from harmonic.analysis.configurations import ranked
from harmonic.analysis.intervals import LEAST_OF_BAND, band, band_name, mean_interval, sources
from harmonic.errors import TableError
from helpers import CommandLine

BY = "optimizer._target_"
WALK = Path(__file__).parents[3] / "docs" / "comparing.md"


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
    return only_of(compare(runs, BY, "sparse_rmse", paired))


def only_of(rows: pd.DataFrame) -> pd.Series:
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
    assert back["low"] == pytest.approx(-there["high"])


def test_pairs_know_more_than_groups() -> None:
    runs = table()
    near, far = only(runs), only(runs, paired=False)
    assert near["difference"] == pytest.approx(far["difference"])
    assert near["high"] - near["low"] < 0.3 * (far["high"] - far["low"])
    assert np.isnan(far["a_wins"])


def measured(page: str) -> dict[str, list[float]]:
    """The shares of a page's table of how often intervals hold the truth, by its rows."""
    rows = re.findall(r"^\| ([a-z ]+?)((?: \| \d+ %)+) \|$", page, re.MULTILINE)
    return {name: [float(share) / 100 for share in re.findall(r"\d+", cells)] for name, cells in rows}


def test_the_docs_say_how_often_the_interval_holds_the_truth() -> None:
    """Of 1000 draws a share of 0.9 is known to 0.01: too narrow an interval fails, and too wide a one as well."""
    said = measured(WALK.read_text())
    assert set(said) == {*simulation.DIFFERENCES, "a band holds another seed"}
    for name, draw in simulation.DIFFERENCES.items():
        found = [simulation.coverage(draw, seeds, 1000) for seeds in simulation.SEEDS[:4]]
        assert found == pytest.approx(said[name][:4], abs=0.03), name
    assert said["normal"] == [0.95] * len(simulation.SEEDS)
    assert simulation.coverage(simulation.DIFFERENCES["normal"], 8, 400, simulation.percentiles) < 0.92


def test_a_band_holds_another_seed_as_often_as_it_is_said_to() -> None:
    shares = [simulation.held(seeds, 4000) for seeds in simulation.SEEDS]
    assert shares == pytest.approx(measured(WALK.read_text())["a band holds another seed"], abs=0.02)
    for seeds in (LEAST_OF_BAND - 1, LEAST_OF_BAND, 50):
        named = "95 %" in band_name([seeds])
        assert named == (seeds >= LEAST_OF_BAND)
        assert simulation.held(seeds, 4000) == pytest.approx(min(0.95, (seeds - 1) / (seeds + 1)), abs=0.012)
        values = np.random.default_rng(0).normal(size=(seeds, 1))
        low, high = band(values)
        assert ((values >= low) & (values <= high)).mean() >= 0.95


@pytest.mark.parametrize("seeds", [2, 5, 8])
def test_the_intervals_are_students_and_welchs(seeds: int) -> None:
    runs = table(seeds)
    a, b = (runs.loc[runs[BY] == name, "sparse_rmse"].to_numpy() for name in ("SGD", "Adam"))
    near, far = only(runs), only(runs[~((runs[BY] == "SGD") & (runs["seed"] == 7))], paired=False)
    student = stats.ttest_rel(a, b).confidence_interval()
    welch = stats.ttest_ind(a[:7], b, equal_var=False).confidence_interval()
    assert (near["low"], near["high"]) == pytest.approx((student.low, student.high))
    assert (far["low"], far["high"]) == pytest.approx((welch.low, welch.high))


@pytest.mark.parametrize("luck", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0, 0.3), (0.0, 0.0, 1.0)])
def test_crossed_seeds_are_no_independent_draws(luck: tuple[float, float, float]) -> None:
    """Differences that go with the data, with the weights, with both: the means by either are as two independent
    groups to Welch, which is about right where one of them is all there is, and wide where neither is."""
    rng, covered = np.random.default_rng(0), 0
    seeds = pd.MultiIndex.from_product([range(4), range(5)], names=["data.seed", "model.seed"])
    for _ in range(300):
        data, model, rest = rng.normal(size=(4, 1)), rng.normal(size=(1, 5)), rng.normal(size=(4, 5))
        values = pd.Series((luck[0] * data + luck[1] * model + luck[2] * rest).ravel(), seeds)
        low, high = mean_interval(float(values.mean()), sources(values))
        covered += low <= 0 <= high
        means = [values.groupby(level=name).mean() for name in seeds.names if luck[seeds.names.index(name)] or luck[2]]
        exact = (
            stats.ttest_1samp(means[0], 0) if len(means) == 1 else stats.ttest_ind(means[0], -means[1], equal_var=False)
        )
        assert high - low == pytest.approx(np.ptp(exact.confidence_interval()))
        assert (low + high) / 2 == pytest.approx(values.mean())
    least, most = (0.985, 1.0) if luck[2] == 1 else (0.9, 0.985)
    assert least * 300 < covered <= most * 300


SPLITS = st.sampled_from([("seed",), ("data.seed",), ("model.seed",), ("data.seed", "model.seed")])


@given(SPLITS)
def test_replicates_are_of_any_seed(names: tuple[str, ...]) -> None:
    runs = table(6)
    one = runs["seed"] if len(names) == 1 else runs["seed"] // 2
    split = runs.assign(seed=0).assign(**dict.fromkeys(("data.seed", "model.seed"), np.nan))
    split[names[0]] = one
    split[names[-1]] = runs["seed"] % 2 if len(names) > 1 else one
    row, whole = only(split), only(runs)
    assert (row["n"], row["left_out"]) == (6, 0)
    assert (row["difference"], row["a_wins"]) == (whole["difference"], whole["a_wins"])
    assert np.isfinite(row["low"])
    alone = ranked(split.assign(trial=0), "sparse_rmse")
    assert alone["n"].tolist() == alone["tried"].tolist() == [6, 6]


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


def test_a_run_done_twice_counts_once() -> None:
    runs = table(rates=(0.1, 0.2))
    again = runs.iloc[[0, 3]].assign(run="again", sweep="other", figures=True, sparse_rmse=77.0)
    row, alone = only(pd.concat([runs, again], ignore_index=True)), only(runs)
    assert row.drop("left_out").tolist() == alone.drop("left_out").tolist()
    assert row["left_out"] == 2


def test_pairs_share_all_that_varies() -> None:
    """What comes with a `_target_` may differ, and nothing else: not even where each value has one of it."""
    runs = table().assign(**{"model.width": 50, "training.steps": 1000})
    adam = runs[BY] == "Adam"
    assert only(runs.assign(**{"optimizer.lr": np.where(adam, 1e-3, 1e-4)}))["n"] == 8
    for other in ("model.width", "training.steps", "data.points"):
        with pytest.raises(TableError, match=f"must share seed, {other}; got {other} 5 of SGD and 7 of Adam"):
            compare(runs.assign(**{other: np.where(adam, 7, 5)}), BY)
    named = runs.assign(label=np.where(adam, "theirs", "ours"))  # a column of one's own names whole configurations
    assert len(compare(named, "label")) == 1


def test_drawn_rates_of_other_widths_are_no_pairs() -> None:
    rng = np.random.default_rng(0)
    few = pd.DataFrame({"trial": range(6), "seed": 0, "status": "complete", "optimizer.lr": rng.uniform(size=6),
                        "model.width": rng.permutation(6) + 8, "sparse_rmse": rng.normal(size=6)})  # fmt: skip
    for by, other in (("optimizer.lr", "model.width"), ("model.width", "optimizer.lr")):
        with pytest.raises(TableError, match=f"must share {other}; got {other} "):
            compare(few, by)
    many = pd.concat([few.assign(**{"optimizer.lr": few["optimizer.lr"] + k}) for k in range(8)], ignore_index=True)
    with pytest.raises(TableError, match=r"at most 32 values of 'optimizer.lr'; got 48"):
        compare(many, "optimizer.lr")
    halves = many.assign(rate=pd.cut(many["optimizer.lr"], 2))
    assert only_of(compare(halves, "rate", paired=False))["n"] == 1  # one seed is one, whatever was tried with it


def test_values_without_partners_are_rows_of_none() -> None:
    runs = table()
    alone = runs[runs["seed"] < 2].assign(seed=[100, 101] * 2).assign(**{BY: "AdamW"})
    rows = compare(pd.concat([runs, alone], ignore_index=True), BY).set_index(["a", "b"])
    assert rows["n"].tolist() == [8, 0, 0]
    assert rows.loc[("SGD", "AdamW"), ["difference", "low", "a_wins"]].isna().all()
    assert rows["left_out"].tolist() == [0, 12, 12]


def test_of_a_mixed_table_it_says_which_sweep_to_take() -> None:
    ours, other = table().assign(sweep="ours"), table().assign(sweep="other")
    other = other.assign(**{"optimizer.lr": np.linspace(0.2, 1, len(other))})
    moved = ours.assign(**{"optimizer.lr": np.where(ours[BY] == "Adam", 0.1, 0.01)})
    with pytest.raises(TableError, match=r"or one sweep that has pairs \(runs\[runs\['sweep'\] == 'ours'\]\)$"):
        compare(pd.concat([moved, other], ignore_index=True), BY)


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_what_is_not_finite_is_left_out_and_counted(value: float) -> None:
    runs = table()
    row = only(runs.assign(sparse_rmse=runs["sparse_rmse"].mask(runs["seed"] == 2, value)))
    assert (row["n"], row["left_out"]) == (7, 2)
    with pytest.raises(TableError, match="finite sparse_rmse; of SGD none has"):
        compare(runs.assign(sparse_rmse=value), BY)
    far = runs.assign(sparse_rmse=runs["sparse_rmse"] * 1e200)
    assert only(far)["high"] == pytest.approx(only(runs)["high"] * 1e200)


def configurations(**seeds: list[int]) -> pd.DataFrame:
    """Runs of configurations by name; what a seed adds is shared, and the seed 8 is a hard one."""
    rows = [
        {"run": f"{name}{seed}", "trial": k, "seed": seed, "status": "complete" if seed >= 0 else "diverged",
         "model.name": name, "valid_rmse": k + (100.0 if seed == 8 else 0.1 * abs(seed))}
        for k, (name, each) in enumerate(seeds.items()) for seed in each
    ]  # fmt: skip
    runs = pd.DataFrame(rows)
    return runs.assign(seed=runs["seed"].abs())


def test_an_extra_seed_hides_nobody_and_moves_nobody() -> None:
    table = ranked(configurations(a=list(range(9)), b=list(range(8)), c=list(range(8))), "valid_rmse")
    assert table["model.name"].tolist() == ["a", "b", "c"]
    assert table["n"].tolist() == [8, 8, 8]
    assert table["complete"].tolist() == [9, 8, 8]
    assert table["mean"].tolist() == pytest.approx([0.35, 1.35, 2.35])


def test_what_lacks_seeds_stands_below_the_others() -> None:
    table = ranked(configurations(lucky=[0, 1, -2, -3], one=[0], whole=[0, 1, 2, 3], other=[0, 1, 2, 3]), "valid_rmse")
    assert table["model.name"].tolist() == ["whole", "other", "lucky", "one"]
    assert table["comparable"].tolist() == [True, True, False, False]
    assert list(zip(table["n"], table["tried"], strict=True)) == [(4, 4), (4, 4), (2, 4), (1, 1)]
    apart = ranked(configurations(a=[0, 1, 2], b=[10, 11, 12]), "valid_rmse")
    assert apart[["n", "comparable"]].to_numpy().tolist() == [[3, True], [3, True]]


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.integers(-9, 9), min_size=1), min_size=1))
def test_a_ranking_leaves_out_no_configuration_that_has_a_complete_run(seeds: dict[str, set[int]]) -> None:
    runs = configurations(**{name: list(each) for name, each in seeds.items()})
    table = ranked(runs, "valid_rmse")
    complete = runs[runs["status"] == "complete"]
    assert sorted(table["model.name"]) == sorted(set(complete["model.name"]))
    assert (table["n"] <= table["complete"]).all()
    assert (table["n"] >= 1).all()
    assert (table["low"].notna() == (table["n"] > 1)).all()
    assert table.loc[table["comparable"], "mean"].is_monotonic_increasing
    assert table["comparable"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("by", "metric", "rule"),
    [
        ("seed", "sparse_rmse", "another column"),
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
