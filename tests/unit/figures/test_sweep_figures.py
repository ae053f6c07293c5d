"""What the figures of sweeps show, read back from the figures."""

from __future__ import annotations

from inspect import signature
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from harmonic import HarmonicError, figures, load_curves, load_runs
from harmonic.analysis.configurations import ranked, swept
from harmonic.analysis.importance import importances
from harmonic.data import Harmonic, regions
from harmonic.figures.style import BEST, colours
from helpers import exit_code

ERROR = st.floats(1e-3, 1e3)


def search(count: int = 40) -> pd.DataFrame:
    """Trials of a search in which the learning rate decides and the width does not."""
    rng = np.random.default_rng(0)
    rate, width = 10 ** rng.uniform(-4, -1, count), rng.integers(8, 128, count)
    return pd.DataFrame(
        {"trial": np.arange(count), "seed": 0, "status": "complete", "optimizer.lr": rate, "model.width": width,
         "model.depth": rng.integers(1, 3, count), "valid_rmse": 0.1 + np.abs(np.log10(rate) + 2)}
    )  # fmt: skip


@given(st.lists(st.tuples(ERROR, ERROR), min_size=1, max_size=30))
def test_no_run_beats_one_of_the_front_and_one_of_the_front_beats_each_other(points: list[tuple[float, float]]) -> None:
    runs = pd.DataFrame(points, columns=["dense_rmse", "sparse_rmse"])
    front = figures.pareto_front(runs)

    def beaten(row: pd.Series, by: pd.DataFrame) -> bool:
        no_worse = (by["dense_rmse"] <= row["dense_rmse"]) & (by["sparse_rmse"] <= row["sparse_rmse"])
        better = (by["dense_rmse"] < row["dense_rmse"]) | (by["sparse_rmse"] < row["sparse_rmse"])
        return bool((no_worse & better).any())

    assert len(front) > 0
    assert not any(beaten(row, runs) for _, row in front.iterrows())
    rest = runs.drop(index=front.index).merge(front, how="left", indicator=True)
    assert all(beaten(row, front) for _, row in rest[rest["_merge"] == "left_only"].iterrows())


def test_a_name_has_one_colour_whatever_else_is_shown() -> None:
    assert colours(["Adam"])["Adam"] == colours(["AdamW", "SGD", "Adam"])["Adam"]
    assert colours(["sin"])["sin"] == colours(["relu", "sin"])["sin"]
    assert colours(["best: sin"])["best: sin"] == BEST
    assert colours(["best: sin", "worst: relu", "post_deep"])["post_deep"] == colours(["post_deep"])["post_deep"]
    several = colours(["sin", "sgd", *map(str, range(7))])
    assert len(set(several.values())) == 9


def test_the_history_shows_every_trial_and_the_best_so_far() -> None:
    trials = search()
    trials.loc[3, "status"] = "pruned"
    trials.loc[5, "status"] = "failed"
    trials.loc[5, "valid_rmse"] = np.nan
    axes = figures.history(trials, "valid_rmse").axes[0]
    shown = {str(line.get_label()).partition(" (")[0]: np.asarray(line.get_ydata()) for line in axes.lines}
    assert [len(shown[name]) for name in ("complete", "pruned", "diverged or failed")] == [38, 1, 1]
    assert np.array_equal(shown["best so far"], np.minimum.accumulate(shown["complete"]))


def test_the_landscape_has_its_trials_as_points() -> None:
    table = ranked(search(), "valid_rmse")
    axes = figures.landscape(table.assign(valid_rmse=table["mean"]), "model.width", "optimizer.lr", "valid_rmse").axes[
        0
    ]
    points = axes.collections[-1]
    assert np.allclose(np.asarray(points.get_offsets()), table[["model.width", "optimizer.lr"]])
    assert axes.get_yscale() == "log"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("width", "learning rate")


@pytest.mark.parametrize("along", ["distance", "density"])
def test_a_constant_error_is_the_same_everywhere(along: str) -> None:
    where = figures.grid_frame(regions.build(Harmonic(100, 3.1415, 0.1), 0.9))
    distance = np.hypot(where["x0"], where["x1"])
    errors = pd.DataFrame(
        {"group": "one", "run": "a", "error": -0.25, "distance": distance, "density": where["density"]}
    )
    line = figures.profile(errors, along).axes[0].lines[0]
    assert np.nanmax(np.abs(np.asarray(line.get_ydata(), float) - 0.25)) < 1e-12


def test_bands_hold_the_share_they_say() -> None:
    rng = np.random.default_rng(0)
    runs = [f"r{number}" for number in range(200)]
    curves = pd.concat(
        [pd.DataFrame({"run": run, "step": range(3), "loss": np.exp(rng.normal(size=3))}) for run in runs]
    )
    figure = figures.learning(curves, pd.Series("all", index=runs))
    vertices = np.asarray(figure.axes[0].collections[0].get_paths()[0].vertices)
    low, high = vertices[:, 1].min(), vertices[:, 1].max()
    assert ((curves["loss"] > low) & (curves["loss"] < high)).mean() == pytest.approx(0.95, abs=0.03)


def test_what_decides_is_important() -> None:
    table = ranked(search(200), "valid_rmse")
    shares = importances(table, ["model.width", "optimizer.lr", "model.depth"], "mean")
    assert shares["parameter"].iloc[0] == "optimizer.lr"
    assert shares["importance"].iloc[0] > 0.8
    assert shares["importance"].sum() == pytest.approx(1)
    assert importances(table.head(5), ["model.width"], "mean").empty


def test_what_follows_from_the_rest_was_not_swept() -> None:
    names = ["Adam", "SGD"] * 20
    runs = search()
    runs["optimizer._target_"] = names
    runs["optimizer.betas"] = ["[0.9, 0.999]" if name == "Adam" else None for name in names]
    assert swept(runs) == ["optimizer.lr", "model.width", "model.depth", "optimizer._target_"]


@pytest.mark.parametrize("count", [1, 3, 5])
def test_trials_on_one_line_have_no_map_but_are_shown(count: int) -> None:
    line = pd.DataFrame({"model.width": np.arange(count) + 8.0, "optimizer.lr": (np.arange(count) + 8) * 1e-3})
    table = line.assign(valid_rmse=0.1 + np.arange(count))
    axes = figures.landscape(table, "model.width", "optimizer.lr", "valid_rmse").axes[0]
    assert len(np.asarray(axes.collections[-1].get_offsets())) == count


def test_a_configuration_tried_twice_is_no_replicate() -> None:
    runs = search()
    again = runs[runs["trial"].isin([0, 1])].assign(trial=[40, 41])
    alone, repeated = (ranked(table, "valid_rmse") for table in (runs, pd.concat([runs, again], ignore_index=True)))
    assert (repeated["n"] == 1).all()
    assert repeated["mean"].tolist() == alone["mean"].tolist()


def test_a_spike_that_leaves_the_axis_is_named() -> None:
    steps = np.arange(50)
    calm = pd.DataFrame({"run": "a", "step": steps, "loss": 1000.0 - 10 * steps})
    wild = calm.assign(loss=np.where(steps == 3, 7e5, calm["loss"]))
    said = [
        [text.get_text() for text in figures.learning(curves, pd.Series({"a": "one"})).axes[0].texts]
        for curves in (calm, wild)
    ]
    assert said == [[], ["spike up to 700,000"]]


@pytest.fixture(scope="module")
def swept_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A search over width, rate and depth, two seeds a trial, as `load_runs` and `load_curves` give it."""
    folder = tmp_path_factory.mktemp("swept")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        sweep = (
            "hydra/sweeper=harmonic",
            "hydra.sweeper.n_trials=12",
            "hydra.sweeper.seeds=[0,1]",
            "hydra.sweep.dir=s",
        )
        space = ("model.width=interval(3,9)", "optimizer.lr=tag(log,interval(1e-5,1e-4))", "model=shallow,deep")
        assert exit_code(patch, "-m", *sweep, *space, "training.steps=20", "data.points=40") == 0
    return load_runs(folder / "s"), load_curves(folder / "s")


def drawn(name: str, runs: pd.DataFrame) -> object:
    """What a public function gives of a table of runs in each of its places; other places take what they say."""
    function = getattr(figures, name)
    others = {
        "metric": "valid_rmse", "x": "model.width", "y": "optimizer.lr", "parameters": ["optimizer.lr"], "level": 0.1,
        "along": "distance", "kind": "png", "path": Path("x.png"), "columns": {"y": "y"},
    }  # fmt: skip
    needed = [one.name for one in signature(function).parameters.values() if one.default is one.empty]
    return function(**{one: others.get(one, runs) for one in needed})


@pytest.mark.parametrize("name", [name for name in figures.__all__ if callable(getattr(figures, name))])
def test_given_runs_a_figure_is_drawn_or_says_in_a_line_what_it_wants(
    name: str, swept_runs: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    runs, _ = swept_runs
    takes_runs = {"dense_against_sparse", "history", "importances", "landscape", "pareto_front", "slices"}
    odd = [runs, runs.head(1), runs.assign(status="diverged", valid_rmse=np.nan), runs.drop(columns="dense_rmse")]
    for table in odd:
        said = None
        try:
            given = drawn(name, table)
        except HarmonicError as error:
            said = str(error)
        if said is not None:
            assert "\n" not in said
            assert f"figures.{'picture' if name == 'save' else name} " in said
        assert said is None or name not in takes_runs or table is not runs
        assert said is not None or name in takes_runs
        if said is None and isinstance(given, Figure):
            figures.picture(given)


def test_of_runs_figures_show_means_over_seeds(swept_runs: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    runs, curves = swept_runs
    ranking = ranked(runs, "valid_rmse")
    history = figures.history(runs, "valid_rmse").axes[0].lines[0]
    assert np.allclose(np.asarray(history.get_ydata()), runs.groupby("trial")["valid_rmse"].mean())
    points = figures.landscape(runs, "model.width", "optimizer.lr", "valid_rmse").axes[0].collections[-1]
    assert np.allclose(np.asarray(points.get_offsets()), ranking[["model.width", "optimizer.lr"]])
    shares = importances(ranking, swept(runs), "mean")
    bars = figures.importances(runs).axes[0].patches
    assert sorted(bar.get_bbox().width for bar in bars if isinstance(bar, Rectangle)) == pytest.approx(
        sorted(shares["importance"])
    )
    figures.picture(figures.learning(curves, runs.set_index("run")["model.depth"]))
    with pytest.raises(HarmonicError, match="indexed by run"):
        figures.learning(curves, runs["model.depth"])
    figures.picture(figures.strips(runs, by="model.depth"))
