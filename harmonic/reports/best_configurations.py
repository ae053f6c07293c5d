"""The best configurations of a sweep, each with the command that repeats it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harmonic.analysis.configurations import config_ids
from harmonic.analysis.labels import column_label, format_value
from harmonic.reports.blocks import Block, Grid, Section, Text
from harmonic.reports.commands import command
from harmonic.reports.report_data import SweepData

LISTED = 8  # configurations in the table of the best


def best_section(sweep: SweepData) -> Section:
    """The best configurations, each with its spread and the command that repeats it."""
    table = sweep.ranking
    if table.empty:
        return Section("The best configurations", [Text("No run of this sweep was completed.")], within=True)
    if sweep.front:
        return _front(sweep)
    rows = []
    for number, row in table.head(LISTED).iterrows():
        assert isinstance(number, int)
        interval = "" if np.isnan(row["low"]) else f"{row['low']:.4g} to {row['high']:.4g}"
        trial = "" if pd.isna(row["trial"]) else str(row["trial"])
        cells = [format_value(row[column]) if not pd.isna(row[column]) else "" for column in sweep.parameters]
        rows.append(
            [trial, *cells, f"{row['mean']:.4g}", interval, _seeds(row), f"{row['dense_rmse']:.3g}",
             f"{row['sparse_rmse']:.3g}", command(sweep.runs_of(number))]
        )  # fmt: skip
    columns = [
        "trial",
        *map(column_label, sweep.parameters),
        sweep.metric,
        "95 % interval",
        "n",
        "dense",
        "sparse",
        "command",
    ]
    caption = f"Mean {sweep.metric} over n seeds, its 95 % interval (Student's t), mean errors in the regions"
    blocks: list[Block] = [Grid(caption, columns, rows, commands="command")]
    blocks.append(Text(_counted(table, config_ids(sweep.runs).nunique())))
    if len(sweep.objectives) > 1:
        text = f"They are ranked by {sweep.metric} alone, the first of the objectives; of its Pareto front nothing is"
        blocks.append(Text(f"{text} known yet."))
    return Section("The best configurations", blocks, within=True)


def _front(sweep: SweepData) -> Section:
    """The configurations of a search's Pareto front, by the first objective."""
    table, rows = sweep.ranking.loc[sweep.front], []
    for number, row in table.head(LISTED).iterrows():
        assert isinstance(number, int)
        runs = sweep.runs_of(number)
        cells = [format_value(row[column]) if not pd.isna(row[column]) else "" for column in sweep.parameters]
        means = [f"{runs[name].mean():.4g}" for name in sweep.objectives]
        rows.append(["" if pd.isna(row["trial"]) else str(row["trial"]), *cells, *means, str(len(runs)), command(runs)])
    columns = ["trial", *map(column_label, sweep.parameters), *sweep.objectives, "n", "command"]
    named = " and ".join(sweep.objectives)
    grid = Grid(f"Means of {named} over n seeds", columns, rows, commands="command")
    listed = f"the first {len(rows)} of " if len(rows) < len(table) else ""
    text = (
        f"No other configuration of the search is as good in {named} and better in one of them. Here are {listed}the "
        f'{len(table)} of its front, by {sweep.metric}, which "best" below goes by as well.'
    )
    return Section("The Pareto front", [grid, Text(text)], within=True)


def _seeds(row: pd.Series) -> str:
    """How many seeds a mean is over, and of how many that were tried where these are more."""
    return str(row["n"]) if row["n"] == row["tried"] else f"{row['n']} of {row['tried']}"


def _counted(table: pd.DataFrame, tried: int) -> str:
    """How many of the configurations tried are compared over how many seeds, and which are not."""
    level = table[table["comparable"]]
    counts = sorted(set(level["n"]))
    over = " or ".join(map(str, counts)) if len(counts) < 3 else f"{counts[0]} to {counts[-1]}"
    seeds = "one seed each: no spread is known" if counts == [1] else f"{over} seeds"
    sentences = list[str]()
    if len(level):
        sentences.append(f"Of {_of(tried)} {len(level)} {_are(len(level))} compared over {seeds}.")
    if rest := len(table) - len(level):
        sentences.append(
            f"{rest} with seeds that did not complete, or with few, {'stand' if rest > 1 else 'stands'} below: a mean "
            "over fewer seeds is not comparable."
        )
    if gone := tried - len(table):
        sentences.append(
            f"{gone} {_are(gone)} left out, for none of {'their' if gone > 1 else 'its'} runs was completed."
        )
    if len(table) > LISTED:
        sentences.append(f"The first {LISTED} are shown.")
    return " ".join(sentences)


def _of(count: int) -> str:
    return f"{count} configuration" + ("s" if count > 1 else "")


def _are(count: int) -> str:
    return "are" if count > 1 else "is"
