"""The best configurations of a sweep, and the commands that repeat runs."""

from __future__ import annotations

import shlex

import numpy as np
import pandas as pd

from harmonic.compose import nested, repeat
from harmonic.configurations import short, shown
from harmonic.errors import HarmonicError
from harmonic.loading import stored_config
from harmonic.report.blocks import Block, Grid, Section, Text
from harmonic.report.material import Sweep

LISTED = 8  # configurations in the table of the best


def best(sweep: Sweep) -> Section:
    """The best configurations, each with its spread and the command that repeats it."""
    table = sweep.ranking
    if table.empty:
        return Section("The best configurations", [Text("No run of this sweep was completed.")], within=True)
    rows = []
    for number, row in table.head(LISTED).iterrows():
        assert isinstance(number, int)
        interval = "" if np.isnan(row["low"]) else f"{row['low']:.4g} to {row['high']:.4g}"
        trial = "" if pd.isna(row["trial"]) else str(row["trial"])
        cells = [shown(row[column]) if not pd.isna(row[column]) else "" for column in sweep.parameters]
        rows.append(
            [trial, *cells, f"{row['mean']:.4g}", interval, _seeds(row), f"{row['dense_rmse']:.3g}",
             f"{row['sparse_rmse']:.3g}", command(sweep.runs_of(number))]
        )  # fmt: skip
    columns = ["trial", *map(short, sweep.parameters), sweep.metric, "95 % interval", "n", "dense", "sparse", "command"]
    caption = f"Mean {sweep.metric} over n seeds, its 95 % interval (Student's t), mean errors in the regions"
    blocks: list[Block] = [Grid(caption, columns, rows, commands="command")]
    blocks.append(Text(_counted(table)))
    return Section("The best configurations", blocks, within=True)


def _seeds(row: pd.Series) -> str:
    """How many seeds a mean is over, and of how many that were tried where these are more."""
    return str(row["n"]) if row["n"] == row["tried"] else f"{row['n']} of {row['tried']}"


def _counted(table: pd.DataFrame) -> str:
    """How many configurations are compared over how many seeds, and which are not."""
    level = table[table["comparable"]]
    counts = sorted(set(level["n"]))
    over = " or ".join(map(str, counts)) if len(counts) < 3 else f"{counts[0]} to {counts[-1]}"
    seeds = "one seed each: no spread is known" if counts == [1] else f"{over} seeds"
    told = f"{len(level)} configurations are compared over {seeds}." if len(level) else ""
    rest = len(table) - len(level)
    if rest:
        told += (
            f" {rest} with seeds that did not complete, or with few, stand below them: their means are not comparable."
        )
    return told.strip()


def command(runs: pd.DataFrame) -> str:
    """The command that trains these runs, which differ in their seeds only, once more, or why there is none."""
    try:
        overrides = repeat(nested(stored_config(runs.iloc[0])))
    except HarmonicError as error:
        return f"none: {error}"
    overrides = [text for text in overrides if not text.startswith("seed=")]
    seeds = ",".join(str(seed) for seed in sorted(set(runs["seed"])))
    return shlex.join(["harmonic", *(["-m"] if "," in seeds else []), *overrides, f"seed={seeds}"])
