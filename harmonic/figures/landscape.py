"""A metric over two parameters, as a map."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from harmonic.analysis.labels import column_label
from harmonic.figures.axes import metric_label, plain_ticks, spans_decades
from harmonic.figures.requirements import by_configuration, need_numbers
from harmonic.figures.style import BAD, BEST, QUALITY, WIDTH, styled

MANY = 200  # points that are drawn small
FINE = 320  # cells of a map, on a side
CEILING = 0.8  # quantile of the metric beyond which a landscape does not tell values apart


@styled
def landscape(
    table: pd.DataFrame, x: str, y: str, metric: str, failed: pd.DataFrame | None = None, best_is: str = "minimize"
) -> Figure:
    """A metric over two parameters: a map between the trials, and the trials as points.

    Args:
        table: runs, or one row a configuration, the best first: columns x, y (numbers) and the metric.
        failed: columns x, y of configurations without a value.

    Raises:
        TableError: a column is missing or holds no numbers, or no run is complete.
    """
    table = by_configuration("landscape", table, [x, y], metric, best_is)
    need_numbers("landscape", table, [x, y])
    figure = Figure(figsize=(WIDTH, 4.8))
    axes = figure.add_subplot()
    less = best_is == "minimize"
    best, worst = (float(table[metric].quantile(share if less else 1 - share)) for share in (0, CEILING))
    low, high = sorted((best, worst))
    scale: Any = {
        "cmap": QUALITY if less else f"{QUALITY}_r", "vmin": low, "vmax": high if high > low else low + 1e-9
    }  # fmt: skip
    tried = table if failed is None else pd.concat([table[[x, y]], failed[[x, y]]])
    log = {name: spans_decades(tried[name]) for name in (x, y)}
    _map(axes, table, log, metric, scale)
    dots = _points(axes, table, (x, y), metric, scale)
    if failed is not None and len(failed):
        axes.plot(failed[x], failed[y], "x", color=BAD, ms=6, zorder=3, label="diverged or failed")
    axes.grid(False)
    axes.use_sticky_edges = False  # the map would else cut the points on its border
    axes.margins(0.04)
    axes.set(xscale="log" if log[x] else "linear", yscale="log" if log[y] else "linear")
    plain_ticks(axes)
    axes.set(xlabel=column_label(x), ylabel=column_label(y))
    figure.colorbar(dots, ax=axes, label=metric_label(metric), extend="max" if less else "min")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def _points(axes: Axes, table: pd.DataFrame, columns: tuple[str, str], metric: str, scale: Any) -> PathCollection:
    """The trials in the colours of the map, ringed so that they are seen on any of them; the best ringed once more."""
    x, y = (table[name] for name in columns)
    few = len(table) < MANY
    axes.scatter(x, y, s=52 if few else 14, color="black", linewidths=0, zorder=3)
    dots = axes.scatter(
        x, y, c=table[metric], s=34 if few else 9, edgecolors="white", linewidths=0.9 if few else 0.4, zorder=3, **scale
    )
    halo = [withStroke(linewidth=5, foreground="white")]
    best: Any = {"mfc": "none", "mec": BEST, "mew": 2, "ms": 13, "path_effects": halo, "label": "best"}
    axes.plot(x.iloc[0], y.iloc[0], "o", zorder=4, **best)
    return dots


def _map(axes: Axes, table: pd.DataFrame, log: dict[str, bool], metric: str, scale: Any) -> None:
    """The metric between the trials, linear on triangles in the axes' own coordinates; nothing outside their hull."""
    from scipy.interpolate import griddata
    from scipy.spatial import QhullError

    places = [(np.log10(table[c]) if log[c] else table[c].astype(float)).to_numpy(float) for c in log]
    unit = [(one - one.min()) / (np.ptp(one) or 1) for one in places]
    wanted = np.meshgrid(np.linspace(0, 1, FINE), np.linspace(0, 1, FINE))
    try:
        fitted = griddata(np.column_stack(unit), table[metric].to_numpy(float), tuple(wanted), method="linear")
    except QhullError:
        return  # too few points, or all on one line
    x, y = (one.min() + np.ptp(one) * share for one, share in zip(places, wanted, strict=True))
    across, up = (10**grid if one else grid for one, grid in zip(log.values(), (x, y), strict=True))
    axes.pcolormesh(across, up, fitted, shading="nearest", linewidth=0, rasterized=True, **scale)
