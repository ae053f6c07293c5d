"""What the figures' axes have in common: bands of curves, the limits, ticks and labels of axes, legends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from harmonic.analysis import intervals
from harmonic.analysis.configurations import SPAN

SHORT, LONG = 8, 1e4  # a log axis that spans less, as a ratio, has even ticks; one that spans more, powers of ten
STEEP = 4  # ratio of the greatest to the least value above which a metric is drawn on a log scale
BROAD = 40  # letters of a legend's entry of which two stand side by side

_METRICS = {
    "valid_rmse": "RMSE on the validation sample",
    "dense_rmse": "RMSE in the dense region",
    "sparse_rmse": "RMSE in the sparse region",
    "final_loss": "final loss",
    "train_s": "training time (s)",
}


def draw_band(
    axes: Axes, x: NDArray[Any], values: NDArray[Any], colour: str, label: str, share: float = 0.95
) -> NDArray[Any]:
    """The median of curves (curves, points) and the band that holds a share of them (`intervals.band`).

    Returns:
        The lower and the upper border of what is drawn (2, points).
    """
    axes.plot(x, np.nanmedian(values, axis=0), color=colour, lw=1.8, label=label)
    borders = intervals.band(values, share)
    if len(values) > 1:
        axes.fill_between(x, *borders, color=colour, alpha=0.2, linewidth=0)
    return borders


def limit_losses(axes: Axes, drawn: pd.DataFrame, top: float | None = None) -> None:
    """End a log axis of losses where a spike would else take most of it; a text says how high the spike goes.

    Args:
        drawn: what is drawn, a column a step.
        top: where the axis ends; None: at twice the greatest initial loss, if any goes far beyond.
    """
    steps, curves = drawn.columns.to_numpy(float), drawn.to_numpy(float)
    highest, initial = float(np.nanmax(curves)), float(np.nanmax(curves[:, 0]))
    if top is None and highest > 3 * initial:
        top = 2 * initial
        axes.set_ylim(0.8 * float(np.nanmin(curves)), top)
    if top is not None and highest > top:
        at = float(steps[int(np.nanargmax(np.nanmax(curves, axis=0)))])
        early = at < steps.mean()
        axes.annotate(
            f"spike up to {float(f'{highest:.0e}'):,.0f}", (at, 1), xycoords=("data", "axes fraction"),
            xytext=(8 if early else -8, -2), textcoords="offset points", va="top", ha="left" if early else "right",
            fontsize=9,
        )  # fmt: skip


def legend_columns(names: Iterable[str]) -> int:
    """The number of columns that a legend above a figure has room for."""
    return 2 if max(map(len, names), default=0) <= BROAD else 1


def plain_ticks(axes: Axes) -> None:
    """Label log axes with plain numbers, 0.1 instead of a power of ten."""
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            low, high = sorted(axis.get_view_interval())
            # a short axis would else have one number, or none
            short = high / low <= SHORT
            subs = (1, 2, 5) if high / low < LONG else (1,)
            axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]) if short else LogLocator(subs=subs))
            if short:
                axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())


def metric_label(metric: str) -> str:
    """A metric's column as the label of an axis."""
    return _METRICS.get(metric, metric)


def spans_decades(values: pd.Series) -> bool:
    """Whether values are positive and span so much that they are drawn on a log scale."""
    return bool((values > 0).all() and values.max() > SPAN * values.min())


def scale_metric(axes: Axes, values: pd.Series) -> None:
    """Draw a metric on a log scale where its values are positive and differ by much."""
    if len(values) and (values > 0).all() and values.max() > STEEP * values.min():
        axes.set_yscale("log")
        plain_ticks(axes)
