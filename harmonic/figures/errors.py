"""Figures of errors: in the dense region against the sparse one, by configuration, and across the plane."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harmonic.analysis.baselines import ALIKE, predicting_zero
from harmonic.figures._requirements import GRID, RUNS, need
from harmonic.figures.style import (
    BEST,
    DENSE,
    FAINT,
    MARKERS,
    NONE,
    REFERENCE,
    SPARSE,
    WIDTH,
    band,
    colours,
    columns,
    plain_ticks,
    styled,
)

BEYOND = 10.0  # RMSE at which errors are drawn as if they were this large
BINS = 24
DASHED: Any = {"color": REFERENCE, "ls": "--", "lw": 1}  # what is there to compare with
REGIONS = (("dense_rmse", DENSE, "dense region"), ("sparse_rmse", SPARSE, "sparse region"))


@styled
def dense_against_sparse(
    runs: pd.DataFrame,
    by: str | None = None,
    landmarks: pd.DataFrame | None = None,
    zero: tuple[float, float] | None = None,
) -> Figure:
    """The error of every run in one region against that in the other, with the Pareto front.

    Args:
        runs: columns status, dense_rmse, sparse_rmse, and `by`.
        by: column whose values are told apart by colour.
        landmarks: indexed by name: dense_rmse, sparse_rmse of what to compare with.
        zero: the error of predicting zero in the dense and in the sparse region; None: that of the runs' own law,
            where they share it and it is harmonic's.
    """
    need("dense_against_sparse", runs, ["status", "dense_rmse", "sparse_rmse", *([by] if by else [])], RUNS)
    figure = Figure(figsize=(WIDTH, 5.4))
    axes = figure.add_subplot()
    done = runs[runs["status"] == "complete"].dropna(subset=["dense_rmse", "sparse_rmse"])
    ended = runs[runs["status"] == "pruned"].dropna(subset=["dense_rmse", "sparse_rmse"])
    label = "pruned runs" if len(ended) else None
    axes.scatter(*_within(ended), 12, facecolors="none", edgecolors=FAINT, linewidths=0.8, label=label)
    named = {"run": done} if by is None else dict(iter(done.groupby(by, observed=True, sort=False, dropna=False)))
    groups = {NONE if pd.isna(name) else str(name): group for name, group in named.items()}
    inks = colours(groups)
    for name, group in groups.items():
        label = "runs" if by is None else name
        axes.scatter(*_within(group), 16, color=inks[name], alpha=0.65, linewidths=0, label=label)
    front = pareto_front(done)
    axes.step(front["dense_rmse"], front["sparse_rmse"], where="post", color=BEST, lw=1.4)
    axes.plot(front["dense_rmse"], front["sparse_rmse"], "o", mfc="none", mec=BEST, ms=7, label="Pareto front")
    if (zero := zero or predicting_zero(pd.concat([done, ended]))) is not None:
        axes.axvline(zero[0], label="predicting zero", **DASHED)
        axes.axhline(zero[1], **DASHED)
    for landmark, row in (landmarks if landmarks is not None else pd.DataFrame()).iterrows():
        marker = MARKERS.get(str(landmark), "o")
        axes.plot(
            row["dense_rmse"], row["sparse_rmse"], marker, color="black", ms=8, mec="white", label=str(landmark), ls=""
        )
    axes.set(xscale="log", yscale="log", xlabel="RMSE in the dense region", ylabel="RMSE in the sparse region")
    plain_ticks(axes)
    beyond = int((done[["dense_rmse", "sparse_rmse"]] > BEYOND).any(axis=1).sum())
    if beyond:
        axes.set_title(f"{beyond} of {len(done)} runs lie beyond {BEYOND:g}, drawn at the edge", fontsize=10)
    figure.legend(loc="outside right upper")
    return figure


def pareto_front(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs that no other beats in both regions, by rising dense_rmse."""
    need("pareto_front", runs, ["dense_rmse", "sparse_rmse"], RUNS)
    ordered = runs.sort_values(["dense_rmse", "sparse_rmse"], kind="stable")
    before = ordered["sparse_rmse"].cummin().shift(fill_value=np.inf)
    return ordered[ordered["sparse_rmse"] < before]


@styled
def strips(runs: pd.DataFrame, by: str = "configuration", zero: tuple[float, float] | None = None) -> Figure:
    """The errors of each configuration in both regions: a dot a seed, a bar at the median.

    Args:
        runs: columns dense_rmse, sparse_rmse and `by`, whose order of appearance is kept, from above.
        zero: the error of predicting zero in the dense and in the sparse region; None: that of the runs' own law,
            where they share it and it is harmonic's.
    """
    need("strips", runs, [by, *(column for column, _, _ in REGIONS)], f"{RUNS}; by= names the configuration")
    runs = runs.dropna(subset=[by, *(column for column, _, _ in REGIONS)])
    names = list(dict.fromkeys(runs[by]))
    figure = Figure(figsize=(WIDTH, 0.8 * len(names) + 1.4))
    axes = figure.add_subplot()
    shifts = np.random.default_rng(0)
    for row, name in enumerate(names):
        for offset, (column, colour, _label) in zip((-0.17, 0.17), REGIONS, strict=True):
            errors = runs.loc[runs[by] == name, column]
            values, median = errors.clip(upper=BEYOND), errors.median()
            at = min(median, BEYOND)
            height = row + offset + shifts.uniform(-0.09, 0.09, len(values))
            axes.scatter(values, height, s=9, color=colour, alpha=0.4, linewidths=0)
            axes.plot([at] * 2, [row + offset - 0.16, row + offset + 0.16], color=colour, lw=2.5)
            above = offset < 0
            axes.annotate(
                f"{median:.2g}", (at, row + offset + (-0.17 if above else 0.17)), ha="center",
                va="bottom" if above else "top", xytext=(0, 1 if above else -1), textcoords="offset points",
                fontsize=9, color=colour,
            )  # fmt: skip
    handles = [Line2D([], [], ls="", marker="o", color=colour, label=label) for _, colour, label in REGIONS]
    if (zero := zero or predicting_zero(runs)) is not None:
        one = np.isclose(*zero, rtol=ALIKE)
        for value, (_, colour, _label) in zip(zero, REGIONS, strict=True):
            axes.axvline(value, **DASHED | ({} if one else {"color": colour}))
        handles.append(Line2D([], [], label="predicting zero", **DASHED))
    axes.set(xscale="log", xlabel="RMSE against the truth", ylim=(len(names) - 0.4, -0.6))
    axes.set_yticks(range(len(names)), names)
    axes.grid(axis="y", visible=False)
    plain_ticks(axes)
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


@styled
def profile(errors: pd.DataFrame, along: str, border: float | None = None) -> Figure:
    """How the error grows away from the data: RMSE by distance from the centre, or by sampling density.

    Args:
        errors: columns group, run, error (prediction - truth), and `along`, for every point of the grid; where it has
            `truth`, the error of predicting zero is drawn, too.
        along: `distance` or `density`.
        border: where on that axis the dense region ends.
    """
    need("profile", errors, ["group", "run", "error", along], f"one row a point of the grid: {GRID}")
    names = list(dict.fromkeys(errors["group"]))
    figure = Figure(figsize=(WIDTH, 3.6 + 0.25 * (len(names) + 2) / columns(names)))
    axes = figure.add_subplot()
    log = along == "density"
    edges = _edges(errors[along].to_numpy(float), log)
    middles = np.sqrt(edges[1:] * edges[:-1]) if log else (edges[1:] + edges[:-1]) / 2
    inks = colours(names)
    bins = np.clip(np.digitize(errors[along], edges) - 1, 0, BINS - 1)
    squares = errors.assign(square=errors["error"] ** 2, bin=bins)
    for name in names:
        mine = squares[squares["group"] == name]
        means = mine.pivot_table(index="run", columns="bin", values="square", aggfunc="mean", observed=True)
        values = np.sqrt(means.reindex(columns=range(BINS)).to_numpy(float))
        band(axes, middles, values, inks[name], name)
    if border is not None:
        axes.axvline(border, color="black", lw=1, label="border of the dense region")
    if "truth" in errors:
        zero = np.sqrt((errors["truth"] ** 2).groupby(bins).mean())
        axes.plot(middles[zero.index], zero, label="predicting zero", **DASHED)
    labels = {"distance": "distance from the centre", "density": "sampling density per unit area"}
    axes.set(yscale="log", xlabel=labels[along], ylabel="RMSE against the truth")
    plain_ticks(axes)
    if log:
        axes.set_xscale("log")
        axes.invert_xaxis()  # outwards to the right, as with the distance
    figure.legend(loc="outside upper center", ncols=columns(names))
    return figure


def _edges(values: np.ndarray, log: bool) -> np.ndarray:
    if not log:
        return np.linspace(0, values.max(), BINS + 1)
    return np.geomspace(values.min() * 0.999, values.max() * 1.001, BINS + 1)


def _within(runs: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    return runs["dense_rmse"].clip(upper=BEYOND), runs["sparse_rmse"].clip(upper=BEYOND)
