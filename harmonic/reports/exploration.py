"""How a sweep came to its best configurations: the metric over what was swept, the history, the learning curves."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.collections import QuadMesh

from harmonic import figures
from harmonic.analysis.configurations import by_trial, config_ids
from harmonic.analysis.importance import importances
from harmonic.analysis.intervals import band_name
from harmonic.analysis.labels import column_label, describe, format_value
from harmonic.reports.blocks import Block, Figure, Section
from harmonic.reports.report_data import SweepData
from harmonic.training.status import Status

GROUPS = 6  # groups of learning curves that can be told apart
IMPORTANCES = "How far the values of the best tenth of the configurations differ from those of all (PED-ANOVA)."


def swept_section(sweep: SweepData) -> Section | None:
    """The metric by what was swept, and its history."""
    table, metric = sweep.ranking, sweep.metric
    table = table.assign(**{metric: table["mean"]})
    blocks: list[Block] = []
    if len(table) > 2 and sweep.parameters:
        blocks += _by_parameters(sweep, table)
    trials = by_trial(sweep.runs, metric)
    if sweep.spec.search is not None and len(trials) > 2 and (trials["status"] == Status.COMPLETE).any():
        drawing = figures.history(trials, metric, sweep.best_is)
        counts = ", ".join(f"{count} {status}" for status, count in trials["status"].value_counts().items() if count)
        values = trials.loc[trials["status"] == "complete", metric]
        best = values.min() if sweep.best_is == "minimize" else values.max()
        alt = f"{metric} of each trial by its number, with the best so far: {counts}; the best is {best:.4g}."
        caption = f"One point a trial{_over(sweep)}; the line is the best so far."
        if len(sweep.objectives) > 1:
            caption += f" Of the {len(sweep.objectives)} objectives the first alone."
        blocks.append(Figure(f"{sweep.stem}-history", drawing, alt, caption))
    return Section("What was swept", blocks, within=True) if blocks else None


def _by_parameters(sweep: SweepData, table: pd.DataFrame) -> list[Block]:
    parameters, metric, stem = sweep.parameters, sweep.metric, sweep.stem
    numbers = [one for one in parameters if pd.api.types.is_numeric_dtype(table[one])]
    named = " and ".join(map(column_label, parameters))
    best_at = describe(table.iloc[0], parameters)
    if len(parameters) == 2 and len(numbers) == 2 and table[parameters].notna().all(axis=None):
        bad = sweep.runs[sweep.runs["status"].isin([Status.DIVERGED, Status.FAILED])]
        x, y = sorted(parameters, key=lambda one: one != "model.width")
        drawing = figures.landscape(table, x, y, metric, bad, sweep.best_is)
        alt = f"Map of {metric} over {named}, the {len(table)} configurations as points; the best at {best_at}."
        caption = f"Each point is a configuration{_over(sweep)}"
        if any(isinstance(one, QuadMesh) for one in drawing.axes[0].collections):
            caption += "; the map between them is interpolated"
        caption += ". The bar's pointed end: the worst fifth shares one colour."
        return [Figure(f"{stem}-landscape", drawing, alt, caption)]
    drawing = figures.slices(table, parameters, metric)
    listed = ", ".join(map(column_label, parameters))
    alt = f"{metric} of {len(table)} configurations against {listed}; the best at {best_at}."
    caption = f"One point a configuration{_over(sweep)}; the ring is the best."
    if len(parameters) == 1 and table["low"].notna().any():
        caption += " Around the means: their 95 % intervals (Student's t)."
    blocks: list[Block] = [Figure(f"{stem}-slices", drawing, alt, caption)]
    shares = importances(table, parameters, metric, sweep.best_is) if len(parameters) > 2 else pd.DataFrame()
    if len(shares):
        parts = ", ".join(f"{column_label(row['parameter'])} {row['importance']:.0%}" for _, row in shares.iterrows())
        alt = f"Bars of parameter importance: {parts}."
        blocks.append(Figure(f"{stem}-importances", figures.importances(shares, metric), alt, IMPORTANCES))
    return blocks


def _over(sweep: SweepData) -> str:
    """What a configuration's value is, where it has several seeds."""
    return " (mean over its seeds)" if (sweep.ranking["n"] > 1).any() else ""


def training_section(sweep: SweepData) -> Section | None:
    """Learning curves, grouped by what was swept."""
    groups = curve_groups(sweep)
    groups = groups[groups.index.isin(sweep.curves["run"].unique())]  # of a damaged part there are no curves
    if groups.empty:
        return None
    replicates = groups.nunique() == config_ids(sweep.runs)[sweep.runs["status"] == Status.COMPLETE].nunique()
    drawing = figures.learning(sweep.curves, groups, 0.95 if replicates else 0.5)
    names = list(dict.fromkeys(groups))
    last = sweep.runs.set_index("run")["final_loss"].groupby(groups).median()
    parts = "; ".join(f"{one}: median final loss {last.get(one, float('nan')):.3g}" for one in names)
    counts = groups.value_counts()
    held = band_name(counts) if replicates else "the band that holds the middle half of the runs"
    ended = sweep.runs["status"].isin([Status.PRUNED, Status.DIVERGED, Status.FAILED]).sum()
    caption = f"Median and {held} (their number in brackets)" if counts.max() > 1 else "One run each"
    caption += f"; without the {ended} that were not completed." if ended else "."
    return Section(
        "Training",
        [Figure(f"{sweep.stem}-learning", drawing, f"Loss against step by group. {parts}.", caption)],
        within=True,
    )


def curve_groups(sweep: SweepData) -> pd.Series:
    """A name for each complete run's group, by run: its configuration if they are few, else one swept choice,
    else the quarter of the parameter that goes with the final loss most."""
    runs = sweep.runs[sweep.runs["status"] == Status.COMPLETE]
    if runs.empty:
        return pd.Series(dtype=str)
    indexed = runs.set_index("run")
    if not sweep.parameters:
        return pd.Series(sweep.name, index=indexed.index)
    if config_ids(runs).nunique() <= GROUPS:
        return indexed.apply(lambda row: describe(row, sweep.parameters), axis=1)
    values = np.log(indexed["final_loss"])
    choices = [
        one
        for one in sweep.parameters
        if indexed[one].nunique() <= GROUPS and not pd.api.types.is_numeric_dtype(indexed[one])
    ]
    if choices:
        by = max(choices, key=lambda one: values.groupby(indexed[one], observed=True).median().std())
        return indexed[by].map(format_value).sort_values()
    numeric = [one for one in sweep.parameters if pd.api.types.is_numeric_dtype(indexed[one])]
    if not numeric:
        return pd.Series(sweep.name, index=indexed.index)
    by = max(numeric, key=lambda one: abs(indexed[one].rank().corr(values.rank())))
    ordered = indexed[by].sort_values()
    quarters = ordered.groupby(pd.qcut(ordered, 4, duplicates="drop"), observed=True)
    return quarters.transform(lambda values: f"{column_label(by)} {values.min():.3g} to {values.max():.3g}").astype(str)
