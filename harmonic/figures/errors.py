"""Figures of errors: in the dense region against the sparse one, and by configuration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harmonic.analysis.baselines import ALIKE, predicting_zero
from harmonic.figures.axes import plain_ticks
from harmonic.figures.requirements import RUNS, need
from harmonic.figures.style import BEST, DENSE, FAINT, NONE, REFERENCE, SPARSE, WIDTH, colours, markers, styled
from harmonic.training.status import Status

BEYOND = 10.0  # RMSE at which errors are drawn as if they were this large
DASHED: Any = {"color": REFERENCE, "ls": "--", "lw": 1}  # what is there to compare with
REGIONS = (("dense_rmse", DENSE, "dense region"), ("sparse_rmse", SPARSE, "sparse region"))


@styled
def dense_against_sparse(
    runs: pd.DataFrame,
    by: str | None = None,
    baselines: pd.DataFrame | None = None,
    zero: tuple[float, float] | None = None,
) -> Figure:
    """The error of every run in one region against that in the other, with the Pareto front.

    Args:
        runs: columns status, dense_rmse, sparse_rmse, and `by`.
        by: column whose values are told apart by colour.
        baselines: indexed by name: dense_rmse, sparse_rmse of what to compare with.
        zero: the error of predicting zero in the dense and in the sparse region; None: that of the runs' own law,
            where they share it and it is harmonic's.
    """
    need("dense_against_sparse", runs, ["status", "dense_rmse", "sparse_rmse", *([by] if by else [])], RUNS)
    figure = Figure(figsize=(WIDTH, 5.4))
    axes = figure.add_subplot()
    done = runs[runs["status"] == Status.COMPLETE].dropna(subset=["dense_rmse", "sparse_rmse"])
    ended = runs[runs["status"] == Status.PRUNED].dropna(subset=["dense_rmse", "sparse_rmse"])
    label = "pruned runs" if len(ended) else None
    axes.scatter(*_within(ended), 12, facecolors="none", edgecolors=FAINT, linewidths=0.8, label=label)
    _scatter(axes, done, by)
    front = pareto_front(done)
    axes.step(front["dense_rmse"], front["sparse_rmse"], where="post", color=BEST, lw=1.4)
    axes.plot(front["dense_rmse"], front["sparse_rmse"], "o", mfc="none", mec=BEST, ms=7, label="Pareto front")
    if (zero := zero or predicting_zero(pd.concat([done, ended]))) is not None:
        axes.axvline(zero[0], label="predicting zero", **DASHED)
        axes.axhline(zero[1], **DASHED)
    _mark(axes, baselines if baselines is not None else pd.DataFrame())
    axes.set(xscale="log", yscale="log", xlabel="RMSE in the dense region", ylabel="RMSE in the sparse region")
    plain_ticks(axes)
    beyond = int((done[["dense_rmse", "sparse_rmse"]] > BEYOND).any(axis=1).sum())
    if beyond:
        axes.set_title(f"{beyond} of {len(done)} runs lie beyond {BEYOND:g}, drawn at the edge", fontsize=10)
    figure.legend(loc="outside right upper")
    return figure


def _scatter(axes: Axes, done: pd.DataFrame, by: str | None) -> None:
    """A dot a run, in the colour of its value of `by`."""
    named = {"run": done} if by is None else dict(iter(done.groupby(by, observed=True, sort=False, dropna=False)))
    groups = {NONE if pd.isna(name) else str(name): group for name, group in named.items()}
    colour_of = colours(groups)
    for name, group in groups.items():
        label = "runs" if by is None else name
        axes.scatter(*_within(group), 16, color=colour_of[name], alpha=0.65, linewidths=0, label=label)


def _mark(axes: Axes, baselines: pd.DataFrame) -> None:
    """A black mark for each baseline."""
    for name, row in baselines.iterrows():
        style: Any = {"color": "black", "ms": 8, "mec": "white", "label": str(name), "ls": ""}
        axes.plot(row["dense_rmse"], row["sparse_rmse"], markers().get(str(name), "o"), **style)


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
            height = row + offset + shifts.uniform(-0.09, 0.09, len(errors))
            axes.scatter(errors.clip(upper=BEYOND), height, s=9, color=colour, alpha=0.4, linewidths=0)
            _median(axes, errors.median(), row + offset, colour, above=offset < 0)
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


def _median(axes: Axes, median: float, height: float, colour: str, above: bool) -> None:
    """A bar at the median, with its number above or below it."""
    at = min(median, BEYOND)
    axes.plot([at] * 2, [height - 0.16, height + 0.16], color=colour, lw=2.5)
    axes.annotate(
        f"{median:.2g}", (at, height + (-0.17 if above else 0.17)), ha="center", va="bottom" if above else "top",
        xytext=(0, 1 if above else -1), textcoords="offset points", fontsize=9, color=colour,
    )  # fmt: skip


def _within(runs: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    return runs["dense_rmse"].clip(upper=BEYOND), runs["sparse_rmse"].clip(upper=BEYOND)
