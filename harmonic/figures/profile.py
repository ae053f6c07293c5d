"""How errors grow across the plane, away from the data."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from harmonic.figures.axes import draw_band, legend_columns, plain_ticks
from harmonic.figures.errors import DASHED
from harmonic.figures.requirements import GRID, need
from harmonic.figures.style import WIDTH, colours, styled

BINS = 24
LABELS = {"distance": "distance from the centre", "density": "sampling density per unit area"}


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
    figure = Figure(figsize=(WIDTH, 3.6 + 0.25 * (len(names) + 2) / legend_columns(names)))
    axes = figure.add_subplot()
    log = along == "density"
    edges = _edges(errors[along].to_numpy(float), log)
    middles = np.sqrt(edges[1:] * edges[:-1]) if log else (edges[1:] + edges[:-1]) / 2
    colour_of = colours(names)
    bins = np.clip(np.digitize(errors[along], edges) - 1, 0, BINS - 1)
    squares = errors.assign(square=errors["error"] ** 2, bin=bins)
    for name in names:
        mine = squares[squares["group"] == name]
        means = mine.pivot_table(index="run", columns="bin", values="square", aggfunc="mean", observed=True)
        values = np.sqrt(means.reindex(columns=range(BINS)).to_numpy(float))
        draw_band(axes, middles, values, colour_of[name], name)
    if border is not None:
        axes.axvline(border, color="black", lw=1, label="border of the dense region")
    if "truth" in errors:
        zero = np.sqrt((errors["truth"] ** 2).groupby(bins).mean())
        axes.plot(middles[zero.index], zero, label="predicting zero", **DASHED)
    axes.set(yscale="log", xlabel=LABELS[along], ylabel="RMSE against the truth")
    plain_ticks(axes)
    if log:
        axes.set_xscale("log")
        axes.invert_xaxis()  # outwards to the right, as with the distance
    figure.legend(loc="outside upper center", ncols=legend_columns(names))
    return figure


def _edges(values: np.ndarray, log: bool) -> np.ndarray:
    if not log:
        return np.linspace(0, values.max(), BINS + 1)
    return np.geomspace(values.min() * 0.999, values.max() * 1.001, BINS + 1)
