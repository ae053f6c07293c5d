"""Figures of the post reproduced: its losses in the band of ours, its picture of a fit beside ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D

from harmonic.analysis.intervals import band_name
from harmonic.data.regions import EXTENT, RESOLUTION
from harmonic.figures.axes import draw_band, limit_losses, plain_ticks
from harmonic.figures.curves import by_step
from harmonic.figures.plane import border, image, set_plane
from harmonic.figures.requirements import CURVES, GRID, need, need_kind
from harmonic.figures.style import BAD, REFERENCE, VALUES, WIDTH, colours, markers, styled


@styled
def bands(curves: pd.DataFrame, experiments: pd.Series, published: pd.DataFrame) -> Figure:
    """The post's printed losses over the bands of our seeds, a panel for each of its configurations.

    Args:
        curves: columns run, step, loss.
        experiments: experiment of each run, indexed by run.
        published: columns experiment, step, loss.
    """
    need("bands", curves, ["run", "step", "loss"], CURVES)
    need("bands", published, ["experiment", "step", "loss"], "harmonic.post.published")
    need_kind("bands", experiments, pd.Series, "of experiments by run, as of harmonic.post.label")
    tables = {
        name: by_step(curves[curves["run"].isin(experiments.index[experiments == name])])
        for name in dict.fromkeys(published["experiment"])
        if (experiments == name).any()
    }
    colour_of = colours(tables)
    figure = Figure(figsize=(1.35 * WIDTH, 3.9))
    top = 1.5 * published["loss"].max()
    low = min([float(published["loss"].min()), *(float(losses.min().min()) for losses in tables.values())])
    panels = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
    for axes, (name, losses) in zip(panels, tables.items(), strict=True):
        borders = draw_band(axes, losses.columns.to_numpy(float), losses.to_numpy(float), colour_of[name], name)
        theirs = published[published["experiment"] == name]
        axes.plot(theirs["step"], theirs["loss"], markers()[name], color="black", ms=5)
        axes.set(yscale="log", xlabel="step", title=f"{name} ({len(losses)} seeds)", ylim=(0.8 * low, top))
        limit_losses(axes, pd.DataFrame(borders, columns=losses.columns), top)
        plain_ticks(axes)
    panels[0].set_ylabel("loss: sum of squared residuals")
    marks = tuple(Line2D([], [], ls="", marker=markers()[name], color="black", ms=5) for name in tables)
    counts = [len(losses) for losses in tables.values()]
    handles: list[Any] = [Line2D([], [], color=REFERENCE, lw=1.8), marks]
    figure.legend(handles, [f"median and {band_name(counts)}", "printed in the post"], loc="outside lower center",
                  ncols=2, handler_map={tuple: HandlerTuple(ndivide=None)})  # fmt: skip
    return figure


@styled
def as_printed(grid: pd.DataFrame, level: float) -> Figure:
    """One fit as the post draws it, and as harmonic does.

    The post hands the transposed prediction to imshow with its default origin, so that its picture has
    x1 pointing down while its axis says up, and a colour scale of its own.

    Args:
        grid: columns x0, x1, density, truth, prediction.
    """
    need("as_printed", grid, ["x0", "x1", "density", "truth", "prediction"], GRID)
    figure = Figure(figsize=(1.2 * WIDTH, 3.6))
    theirs, ours = figure.subplots(1, 2, gridspec_kw={"wspace": 0.1})
    picture = grid["prediction"].to_numpy().reshape(RESOLUTION, RESOLUTION).T
    printed = theirs.imshow(picture, extent=(-EXTENT, EXTENT, -EXTENT, EXTENT), cmap="viridis")
    theirs.grid(False)
    set_plane(theirs)
    theirs.set(title="as the post draws it", ylabel="-x1")
    figure.colorbar(printed, ax=theirs, label="y", shrink=0.85)
    bound = float(np.abs(grid["truth"]).max())
    values = image(ours, grid["prediction"], VALUES, -bound, bound)
    border(ours, grid, level)
    set_plane(ours)
    ours.set_title("ours")
    beyond = float(grid["prediction"].abs().max()) > bound
    figure.colorbar(values, ax=ours, label="y", extend="both" if beyond else "neither", shrink=0.85)
    return figure


@styled
def percentiles(table: pd.DataFrame) -> Figure:
    """Where each printed loss stands among ours at the same step.

    Args:
        table: columns experiment, step, published, n, low, high, percentile, as `harmonic.post.compare_losses` gives
            them.
    """
    need(
        "percentiles",
        table,
        ["experiment", "step", "published", "n", "low", "high", "percentile"],
        "harmonic.post.compare_losses",
    )
    figure = Figure(figsize=(WIDTH, 3.4))
    axes = figure.add_subplot()
    names = list(dict.fromkeys(table["experiment"]))
    colour_of = colours(names)
    for name in names:
        mine = table[table["experiment"] == name]
        axes.plot(
            mine["step"], mine["percentile"], markers()[name], color=colour_of[name], ms=6, ls="-", lw=0.8, label=name
        )
    outside = table[(table["published"] < table["low"]) | (table["published"] > table["high"])]
    axes.plot(
        outside["step"],
        outside["percentile"],
        "o",
        mfc="none",
        mec=BAD,
        mew=1.6,
        ms=12,
        label=f"outside {band_name(table['n'])}",
    )
    axes.set(xlabel="step", ylabel="percentile among our seeds", ylim=(-4, 104), yticks=[0, 25, 50, 75, 100])
    figure.legend(loc="outside upper center", ncols=2)
    return figure
