"""Figures of a search: the values of its trials in their order, and what its parameters decide."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harmonic.analysis.configurations import DEFAULT_METRIC, by_trial, objective, ranked, swept
from harmonic.analysis.labels import column_label
from harmonic.errors import TableError
from harmonic.figures.axes import metric_label, scale_metric
from harmonic.figures.requirements import RUNS, by_configuration, need, need_numbers
from harmonic.figures.style import BAD, BEST, MUTED, WIDTH, styled
from harmonic.training.status import Status


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
    done = trials[trials["status"] == Status.COMPLETE].dropna(subset=[metric]).sort_values("trial")
    pruned = trials[trials["status"] == Status.PRUNED].dropna(subset=[metric])
    failed = trials[trials["status"].isin([Status.DIVERGED, Status.FAILED])]
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
    axes.set(xlabel="trial", ylabel=metric_label(metric))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    scale_metric(axes, done[metric])
    figure.legend(loc="outside upper center", ncols=2)
    return figure


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
    axes.barh([column_label(name) for name in ordered["parameter"]], ordered["importance"], color=MUTED[0], height=0.6)
    for row, value in enumerate(ordered["importance"]):
        axes.annotate(f"{value:.0%}", (value, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=10)
    axes.set(
        xlabel=f"importance for {metric_label(metric)} (PED-ANOVA)", xlim=(0, 1.12 * float(ordered["importance"].max()))
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
