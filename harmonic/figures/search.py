"""Figures of a sweep: what was tried and what it gave, by each of its parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harmonic.analysis.configurations import DEFAULT_METRIC, by_trial, objective, ranked, short, shown, swept
from harmonic.errors import TableError
from harmonic.figures._requirements import RUNS, by_configuration, need, need_numbers
from harmonic.figures.style import BAD, BEST, FAINT, MUTED, WIDTH, metric_name, plain_ticks, spans_decades, styled

WIDE = 16  # letters of tick labels that have room side by side in a third of a figure
FEW = 4  # values of a parameter that are shown side by side
STEEP = 4  # ratio of the greatest to the least value above which a metric is drawn on a log scale


@styled
def history(trials: pd.DataFrame, metric: str, best_is: str = "minimize") -> Figure:
    """The value of each trial in the order of their numbers, and the best so far; pruned and failed ones marked.

    Args:
        trials: runs, or one row a trial: columns trial, status and the metric.

    Raises:
        TableError: a column is missing, or the metric is none of numbers.
    """
    need("history", trials, ["trial", "status", metric], RUNS)
    need_numbers("history", trials, [metric])
    trials = by_trial(trials, metric)
    figure = Figure(figsize=(WIDTH, 4.0))
    axes = figure.add_subplot()
    done = trials[trials["status"] == "complete"].dropna(subset=[metric]).sort_values("trial")
    pruned = trials[trials["status"] == "pruned"].dropna(subset=[metric])
    failed = trials[trials["status"].isin(["diverged", "failed"])]
    axes.plot(done["trial"], done[metric], "o", color=MUTED[0], ms=4, alpha=0.7, label=f"complete ({len(done)})")
    if len(pruned):
        axes.plot(pruned["trial"], pruned[metric], "o", mfc="none", mec="0.6", ms=4, label=f"pruned ({len(pruned)})")
    if len(failed):
        top = axes.get_xaxis_transform()
        label = f"diverged or failed ({len(failed)})"
        axes.plot(
            failed["trial"], [0.98] * len(failed), "x", color=BAD, ms=5, transform=top, label=label, clip_on=False
        )
    so_far = done[metric].cummin() if best_is == "minimize" else done[metric].cummax()
    axes.step(done["trial"], so_far, where="post", color=BEST, lw=1.6, label="best so far")
    axes.set(xlabel="trial", ylabel=metric_name(metric))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(done) and (done[metric] > 0).all() and done[metric].max() > STEEP * done[metric].min():
        axes.set_yscale("log")
        plain_ticks(axes)
    figure.legend(loc="outside upper center", ncols=2)
    return figure


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
    figure.supylabel(metric_name(metric), fontsize=11)
    if (table[metric] > 0).all() and table[metric].max() > STEEP * table[metric].min():
        panels[0, 0].set_yscale("log")
        plain_ticks(panels[0, 0])
    return figure


def _slice(axes: Axes, table: pd.DataFrame, name: str, metric: str, alone: bool) -> None:
    known = table.dropna(subset=[name])
    # a few values are told apart better than measured: a depth of 1, 2
    words = not pd.api.types.is_numeric_dtype(known[name]) or known[name].nunique() <= FEW
    places = known[name].map({v: i for i, v in enumerate(_ordered(known[name]))}) if words else known[name]
    if alone and {"low", "high"} <= set(known) and not known["low"].isna().all():
        order = places.sort_values().index
        if words:
            errors = [known[metric] - known["low"], known["high"] - known[metric]]
            axes.errorbar(places, known[metric], yerr=errors, fmt="none", ecolor=FAINT, capsize=4)
        else:
            axes.fill_between(places[order], known["low"][order], known["high"][order], color=MUTED[0], alpha=0.2)
        if pd.api.types.is_numeric_dtype(known[name]):
            axes.plot(places[order], known[metric][order], color=MUTED[0], lw=1)
    shift = np.random.default_rng(0).uniform(-0.15, 0.15, len(places)) if words and not alone else 0
    axes.plot(places + shift, known[metric], "o", color=MUTED[0], ms=4, alpha=0.6)
    if len(known) and known.index[0] == table.index[0]:  # the best may lack a parameter
        at = float((places + shift).iloc[0])
        axes.plot(at, float(known[metric].iloc[0]), "o", mfc="none", mec=BEST, mew=2, ms=10)
    axes.set_xlabel(short(name))
    if words:
        labels = [shown(value) for value in _ordered(known[name])]
        wide = len("".join(labels)) > (WIDE if not alone else 3 * WIDE)
        axes.set_xticks(range(len(labels)), labels)
        for text in axes.get_xticklabels() if wide else ():
            text.set(rotation=30, rotation_mode="anchor", ha="right")
        axes.set_xlim(-0.5, len(labels) - 0.5)
    elif spans_decades(known[name]):
        axes.set_xscale("log")


@styled
def importances(table: pd.DataFrame, metric: str | None = None, best_is: str = "minimize") -> Figure:
    """How much each parameter decides about being among the best configurations.

    Args:
        table: runs, or the shares that `harmonic.analysis.importances` gives of their ranking: columns parameter,
            importance.
        metric: column to rank runs by; None: their objective.

    Raises:
        TableError: it is neither of these, or of these runs nothing can be said.
    """
    if isinstance(table, pd.DataFrame) and "status" in table:
        metric = metric or objective(table)
        table = _shares(table, metric, best_is)
    need("importances", table, ["parameter", "importance"], f"{RUNS}, or harmonic.analysis.importances")
    metric = metric or DEFAULT_METRIC
    figure = Figure(figsize=(WIDTH, 0.42 * len(table) + 1.1))
    axes = figure.add_subplot()
    ordered = table.sort_values("importance")
    axes.barh([short(name) for name in ordered["parameter"]], ordered["importance"], color=MUTED[0], height=0.6)
    for row, value in enumerate(ordered["importance"]):
        axes.annotate(f"{value:.0%}", (value, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=10)
    axes.set(
        xlabel=f"importance for {metric_name(metric)} (PED-ANOVA)", xlim=(0, 1.12 * float(ordered["importance"].max()))
    )
    axes.grid(axis="y", visible=False)
    return figure


def _shares(runs: pd.DataFrame, metric: str, best_is: str) -> pd.DataFrame:
    from harmonic.analysis.importance import LEAST, importances  # Optuna, which no single run needs

    by_configuration("importances", runs, [], metric, best_is)
    ranking, parameters = ranked(runs, metric, best_is), swept(runs)
    shares = importances(ranking, parameters, "mean", best_is)
    if shares.empty:
        raise TableError(
            f"figures.importances needs {LEAST} configurations with the same parameters, of which one varies; "
            f"got {len(ranking)} over {', '.join(parameters) or 'none'}: choose runs of one sweep"
        )
    return shares


def _ordered(values: pd.Series) -> list[Any]:
    return sorted(values.unique(), key=None if pd.api.types.is_numeric_dtype(values) else str)
