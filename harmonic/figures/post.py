"""Figures of the post reproduced: its losses in the band of ours, its picture of a fit beside ours."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator

from harmonic.figures.curves import by_step
from harmonic.figures.run import _border, _image, _plane
from harmonic.figures.style import MARKERS, REFERENCE, SPARSE, WIDTH, band, colours, styled
from harmonic.regions import EXTENT, RESOLUTION


@styled
def bands(curves: pd.DataFrame, experiments: pd.Series, published: pd.DataFrame) -> Figure:
    """The post's printed losses over the bands of our seeds, a panel for each of its configurations.

    Args:
        curves: columns run, step, loss.
        experiments: experiment of each run, indexed by run.
        published: columns experiment, step, loss.
    """
    names = list(dict.fromkeys(published["experiment"]))
    inks = colours(names)
    figure = Figure(figsize=(1.35 * WIDTH, 3.9))
    low = float(published["loss"].min())
    for axes, name in zip(figure.subplots(1, len(names), sharey=True), names, strict=True):
        losses = by_step(curves[curves["run"].isin(experiments.index[experiments == name])])
        if len(losses):
            low = min(low, float(losses.min().min()))
            band(
                axes, losses.columns.to_numpy(float), losses.to_numpy(float), inks[name], "median and 95 % of our seeds"
            )
        theirs = published[published["experiment"] == name]
        axes.plot(theirs["step"], theirs["loss"], MARKERS[name], color="black", ms=5, label="printed in the post")
        axes.set(yscale="log", xlabel="step", title=f"{name} ({len(losses)} seeds)")
    figure.axes[0].set(ylabel="loss: sum of squared residuals", ylim=(0.5 * low, 1.5 * published["loss"].max()))
    line = Line2D([], [], color=REFERENCE, lw=1.8, label="median and 95 % of our seeds")
    theirs = Line2D([], [], ls="", marker="o", color="black", ms=5, label="printed in the post")
    figure.legend(handles=[line, theirs], loc="outside lower center", ncols=2)
    return figure


@styled
def as_printed(grid: pd.DataFrame, level: float) -> Figure:
    """One fit as the post draws it, and as harmonic does.

    The post hands the transposed prediction to imshow with its default origin, so that its picture has
    x1 pointing down while its axis says up, and a colour scale of its own.

    Args:
        grid: columns x0, x1, density, truth, prediction.
    """
    figure = Figure(figsize=(1.1 * WIDTH, 3.7))
    theirs, ours = figure.subplots(1, 2)
    picture = grid["prediction"].to_numpy().reshape(RESOLUTION, RESOLUTION).T
    theirs.imshow(picture, extent=(-EXTENT, EXTENT, -EXTENT, EXTENT), cmap="viridis")
    theirs.set(title="as the post draws it", xlabel="x0", ylabel="its axis; x1 points down")
    theirs.grid(False)
    for axis in (theirs.xaxis, theirs.yaxis):
        axis.set_major_locator(MultipleLocator(5))
    bound = float(np.abs(grid["truth"]).max())
    values = _image(ours, grid["prediction"], "RdBu_r", -bound, bound)
    _border(ours, grid, level)
    _plane(ours)
    ours.set_title("ours")
    beyond = float(grid["prediction"].abs().max()) > bound
    figure.colorbar(values, ax=ours, label="y", extend="both" if beyond else "neither", shrink=0.85)
    return figure


@styled
def percentiles(table: pd.DataFrame) -> Figure:
    """Where each printed loss stands among ours at the same step.

    Args:
        table: columns experiment, step, published, low, high, percentile, as `harmonic.post.compare` gives them.
    """
    figure = Figure(figsize=(WIDTH, 3.4))
    axes = figure.add_subplot()
    names = list(dict.fromkeys(table["experiment"]))
    inks = colours(names)
    for name in names:
        mine = table[table["experiment"] == name]
        axes.plot(mine["step"], mine["percentile"], MARKERS[name], color=inks[name], ms=6, ls="-", lw=0.8, label=name)
    outside = table[(table["published"] < table["low"]) | (table["published"] > table["high"])]
    axes.plot(
        outside["step"],
        outside["percentile"],
        "o",
        mfc="none",
        mec=SPARSE,
        mew=1.6,
        ms=12,
        label="outside our 95 % band",
    )
    axes.set(xlabel="step", ylabel="percentile among our seeds", ylim=(-4, 104), yticks=[0, 25, 50, 75, 100])
    figure.legend(loc="outside upper center", ncols=2)
    return figure
