"""A metric against each parameter of a sweep by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harmonic.analysis.labels import column_label, format_value
from harmonic.figures.axes import metric_label, scale_metric, spans_decades
from harmonic.figures.requirements import by_configuration
from harmonic.figures.style import BEST, FAINT, MUTED, WIDTH, styled

WIDE = 16  # letters of tick labels that have room side by side in a third of a figure
FEW = 4  # values of a parameter that are shown side by side


@styled
def slices(table: pd.DataFrame, parameters: list[str], metric: str) -> Figure:
    """A metric against each parameter by itself; with a single one, its mean and 95 % interval where known.

    Args:
        table: runs, or one row a configuration, the best first: the parameters, the metric, and `low`, `high` of its
            interval.

    Raises:
        TableError: a column is missing, the metric is none of numbers, or no run is complete.
    """
    table = by_configuration("slices", table, parameters, metric)
    count = min(3, len(parameters))
    rows = -(-len(parameters) // count)
    figure = Figure(figsize=(WIDTH if count > 1 else 0.8 * WIDTH, (2.8 if count > 1 else 4.0) * rows))
    panels = figure.subplots(rows, count, sharey=True, squeeze=False)
    for axes, name in zip(panels.flat, parameters, strict=False):
        _slice(axes, table, name, metric, alone=len(parameters) == 1)
        axes.label_outer(remove_inner_ticks=False) if rows == 1 else None
    for axes in list(panels.flat)[len(parameters) :]:
        axes.set_visible(False)
    figure.supylabel(metric_label(metric), fontsize=11)
    scale_metric(panels[0, 0], table[metric])
    return figure


def _slice(axes: Axes, table: pd.DataFrame, name: str, metric: str, alone: bool) -> None:
    """One panel. alone: it is the only one, and shows intervals instead of scattered points."""
    known = table.dropna(subset=[name])
    choices = _choices(known[name])
    places = known[name].map({value: place for place, value in enumerate(choices)}) if choices else known[name]
    if alone:
        _draw_intervals(axes, known, places, name, metric, apart=bool(choices))
    shift = np.random.default_rng(0).uniform(-0.15, 0.15, len(places)) if choices and not alone else 0
    axes.plot(places + shift, known[metric], "o", color=MUTED[0], ms=4, alpha=0.6)
    if len(known) and known.index[0] == table.index[0]:  # the best may lack a parameter
        best = float((places + shift).iloc[0]), float(known[metric].iloc[0])
        axes.plot(*best, "o", mfc="none", mec=BEST, mew=2, ms=10)
    axes.set_xlabel(column_label(name))
    if choices:
        _name_choices(axes, choices, 3 * WIDE if alone else WIDE)
    elif spans_decades(known[name]):
        axes.set_xscale("log")


def _choices(values: pd.Series) -> list[Any]:
    """The values in order where they are shown side by side, as names are and a few numbers, a depth of 1, 2; else
    none."""
    numeric = pd.api.types.is_numeric_dtype(values)
    if numeric and values.nunique() > FEW:
        return []
    return sorted(values.unique(), key=None if numeric else str)


def _draw_intervals(axes: Axes, known: pd.DataFrame, places: pd.Series, name: str, metric: str, apart: bool) -> None:
    """The intervals of the means, where they are known. apart: a bar each, not an area."""
    if not {"low", "high"} <= set(known) or known["low"].isna().all():
        return
    order = places.sort_values().index
    if apart:
        errors = [known[metric] - known["low"], known["high"] - known[metric]]
        axes.errorbar(places, known[metric], yerr=errors, fmt="none", ecolor=FAINT, capsize=4)
    else:
        axes.fill_between(places[order], known["low"][order], known["high"][order], color=MUTED[0], alpha=0.2)
    if pd.api.types.is_numeric_dtype(known[name]):
        axes.plot(places[order], known[metric][order], color=MUTED[0], lw=1)


def _name_choices(axes: Axes, choices: list[Any], room: int) -> None:
    """Label the places of choices by their values, aslant where these have more letters than there is room."""
    labels = [format_value(value) for value in choices]
    axes.set_xticks(range(len(labels)), labels)
    if len("".join(labels)) > room:
        for text in axes.get_xticklabels():
            text.set(rotation=30, rotation_mode="anchor", ha="right")
    axes.set_xlim(-0.5, len(labels) - 0.5)
