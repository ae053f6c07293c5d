"""Figures of a run and its plane: the sample, the fit, the curve, and several fits side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import nn

from harmonic.data.base import Sample, as_array
from harmonic.data.regions import EXTENT, Regions
from harmonic.errors import TableError
from harmonic.figures.axes import plain_ticks
from harmonic.figures.plane import border, border_handle, image, set_plane
from harmonic.figures.requirements import CURVES, GRID, need, need_kind
from harmonic.figures.style import ABSOLUTE, DENSE, LOSS, SPARSE, VALUES, styled


def sample_frame(sample: Sample) -> pd.DataFrame:
    """The training sample as columns x0, x1, y."""
    need_kind("sample_frame", sample, Sample, "a data set's sample")
    x, y = as_array(sample.x), as_array(sample.y)
    return pd.DataFrame({"x0": x[:, 0], "x1": x[:, 1], "y": y[:, 0]})


def grid_frame(regions: Regions) -> pd.DataFrame:
    """The evaluation grid as columns x0, x1, truth, density, dense; x0 varies slowest."""
    need_kind("grid_frame", regions, Regions, "harmonic.data.regions.build")
    x = as_array(regions.x)
    columns = {"x0": x[:, 0], "x1": x[:, 1], "truth": regions.truth}
    return pd.DataFrame({**columns, "density": regions.density, "dense": regions.dense})


def with_prediction(grid: pd.DataFrame, model: nn.Module) -> pd.DataFrame:
    """The grid with a model's `prediction`."""
    need("with_prediction", grid, ["x0", "x1"], GRID)
    need_kind("with_prediction", model, nn.Module, "harmonic.load_model")
    x = torch.tensor(grid[["x0", "x1"]].to_numpy(np.float32))
    with torch.no_grad():
        return grid.assign(prediction=as_array(model(x)).ravel())


@styled
def data(points: pd.DataFrame, grid: pd.DataFrame, level: float) -> Figure:
    """The samples coloured by y, and the border of the dense region.

    Args:
        points: columns x0, x1, y.
        grid: columns x0, x1, density.
        level: the density on the border.
    """
    need("data", points, ["x0", "x1", "y"], "sample_frame")
    need("data", grid, ["x0", "x1", "density"], GRID)
    figure = Figure(figsize=(5.8, 5.0))
    axes = figure.add_subplot()
    bound = float(points["y"].abs().max())
    dots = axes.scatter(
        points["x0"], points["x1"], c=points["y"], cmap=VALUES, vmin=-bound, vmax=bound, s=14,
        edgecolors="0.35", linewidths=0.3,
    )  # fmt: skip
    border(axes, grid, level)
    set_plane(axes)
    inside = (points[["x0", "x1"]].abs() <= EXTENT).all(axis=1).sum()
    axes.set_title(f"the sample: {inside} of {len(points)} points in view")
    figure.colorbar(dots, ax=axes, label="y")
    figure.legend(handles=[border_handle()], loc="outside lower center")
    return figure


@styled
def fit(points: pd.DataFrame, grid: pd.DataFrame, level: float) -> Figure:
    """Truth, prediction and absolute error side by side, samples and dense border over them.

    Truth and prediction share one colour scale, that of the truth; what lies beyond it is drawn
    in the scale's last colour, and the colour bar's pointed ends say so.

    Args:
        points: columns x0, x1.
        grid: columns x0, x1, truth, prediction, density.
        level: the density on the border.
    """
    need("fit", points, ["x0", "x1"], "sample_frame")
    need("fit", grid, ["x0", "x1", "truth", "prediction", "density"], GRID)
    figure = Figure(figsize=(13.2, 4.2))
    left, middle, right = figure.subplots(1, 3, sharey=True)
    bound = float(grid["truth"].abs().max())
    for axes, name in ((left, "truth"), (middle, "prediction")):
        values = image(axes, grid[name], VALUES, -bound, bound)
        axes.set_title(name)
    beyond = "both" if float(grid["prediction"].abs().max()) > bound else "neither"
    figure.colorbar(values, ax=[left, middle], label="y", extend=beyond, pad=0.01)
    error = (grid["prediction"] - grid["truth"]).abs()
    errors = image(right, error, ABSOLUTE, 0, float(error.max()))
    right.set_title("absolute error")
    figure.colorbar(errors, ax=right, label="|prediction - truth|", pad=0.02)
    for axes, colour in ((left, "black"), (middle, "black"), (right, "white")):
        axes.scatter(points["x0"], points["x1"], s=1.5, c=colour, alpha=0.45, linewidths=0)
        border(axes, grid, level, colour)
        set_plane(axes)
    for axes in (middle, right):
        axes.set_ylabel("")
    dots = Line2D([], [], ls="", marker="o", ms=2.5, color="black", label="samples")
    figure.legend(handles=[dots, border_handle()], loc="outside lower center", ncols=2)
    return figure


@styled
def curve(curves: pd.DataFrame) -> Figure:
    """The loss of one run at every step, with its dense and sparse RMSE where evaluated.

    Args:
        curves: columns step, loss, dense_rmse, sparse_rmse, as `load_curves` gives them.
    """
    need("curve", curves, ["step", "loss", "dense_rmse", "sparse_rmse"], CURVES)
    if "run" in curves and (count := len(curves["run"].unique())) > 1:
        raise TableError(f"figures.curve draws one run (curves[curves.run == runs.run[0]]); got {count} runs")
    figure = Figure(figsize=(6.4, 4.2))
    axes = figure.add_subplot()
    axes.plot(curves["step"], curves["loss"], color=LOSS, lw=1.5, label="loss (left)")
    axes.set(yscale="log", xlabel="step", ylabel="loss: sum of squared residuals")
    plain_ticks(axes)
    errors = axes.twinx()
    errors.grid(False)
    errors.spines["right"].set_visible(True)
    evaluated = curves.dropna(subset=["dense_rmse", "sparse_rmse"])
    for name, colour, marker in (("dense_rmse", DENSE, "o"), ("sparse_rmse", SPARSE, "s")):
        label = name.replace("_rmse", " RMSE (right)")
        errors.plot(evaluated["step"], evaluated[name], color=colour, marker=marker, ms=4, lw=1.2, label=label)
    errors.set(ylabel="RMSE against the truth", ylim=(0, None))
    handles = [*axes.get_lines(), *errors.get_lines()]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


@styled
def maps(grid: pd.DataFrame, columns: Mapping[str, str], level: float) -> Figure:
    """Several functions of the plane side by side, on the colour scale of the truth.

    Args:
        grid: columns x0, x1, truth, density, and those to be shown.
        columns: title of each panel by column.
        level: the density on the border.
    """
    need("maps", grid, ["x0", "x1", "density", *columns], GRID)
    count = 2 if len(columns) == 4 else min(3, len(columns))
    rows = -(-len(columns) // count)
    figure = Figure(figsize=(3.0 * count + 1.2, 3.1 * rows + 0.5))
    panels = figure.subplots(rows, count, sharex=True, sharey=True, squeeze=False)
    bound = float(grid["truth"].abs().max())
    for axes, (name, title) in zip(panels.flat, columns.items(), strict=False):
        values = image(axes, grid[name], VALUES, -bound, bound)
        border(axes, grid, level)
        set_plane(axes)
        axes.label_outer()
        axes.set_title(title, fontsize=10)
    for axes in list(panels.flat)[len(columns) :]:
        axes.set_visible(False)
    beyond = max(float(grid[name].abs().max()) for name in columns) > bound
    figure.colorbar(values, ax=panels, label="y", extend="both" if beyond else "neither", shrink=0.9)
    figure.legend(handles=[border_handle()], loc="outside lower center")
    return figure
