"""The best configurations of a sweep, and the commands that repeat runs."""

from __future__ import annotations

import shlex
from math import prod

import numpy as np
import pandas as pd

from harmonic.analysis.configurations import REPLICATE, numbered, short, shown
from harmonic.config.compose import nested, repeat
from harmonic.errors import HarmonicError
from harmonic.reports.blocks import Block, Grid, Section, Text
from harmonic.reports.report_data import Sweep
from harmonic.results.load import stored_config

LISTED = 8  # configurations in the table of the best


def best(sweep: Sweep) -> Section:
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
        cells = [shown(row[column]) if not pd.isna(row[column]) else "" for column in sweep.parameters]
        rows.append(
            [trial, *cells, f"{row['mean']:.4g}", interval, _seeds(row), f"{row['dense_rmse']:.3g}",
             f"{row['sparse_rmse']:.3g}", command(sweep.runs_of(number))]
        )  # fmt: skip
    columns = ["trial", *map(short, sweep.parameters), sweep.metric, "95 % interval", "n", "dense", "sparse", "command"]
    caption = f"Mean {sweep.metric} over n seeds, its 95 % interval (Student's t), mean errors in the regions"
    blocks: list[Block] = [Grid(caption, columns, rows, commands="command")]
    blocks.append(Text(_counted(table, numbered(sweep.runs).nunique())))
    if len(sweep.objectives) > 1:
        text = f"They are ranked by {sweep.metric} alone, the first of the objectives; of its Pareto front nothing is"
        blocks.append(Text(f"{text} known yet."))
    return Section("The best configurations", blocks, within=True)


def _front(sweep: Sweep) -> Section:
    """The configurations of a search's Pareto front, by the first objective."""
    table, rows = sweep.ranking.loc[sweep.front], []
    for number, row in table.head(LISTED).iterrows():
        assert isinstance(number, int)
        runs = sweep.runs_of(number)
        cells = [shown(row[column]) if not pd.isna(row[column]) else "" for column in sweep.parameters]
        means = [f"{runs[name].mean():.4g}" for name in sweep.objectives]
        rows.append(["" if pd.isna(row["trial"]) else str(row["trial"]), *cells, *means, str(len(runs)), command(runs)])
    columns = ["trial", *map(short, sweep.parameters), *sweep.objectives, "n", "command"]
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
    told = list[str]()
    if len(level):
        told.append(f"Of {_of(tried)} {len(level)} {_are(len(level))} compared over {seeds}.")
    if rest := len(table) - len(level):
        told.append(
            f"{rest} with seeds that did not complete, or with few, {'stand' if rest > 1 else 'stands'} below: a mean "
            "over fewer seeds is not comparable."
        )
    if gone := tried - len(table):
        told.append(f"{gone} {_are(gone)} left out, for none of {'their' if gone > 1 else 'its'} runs was completed.")
    if len(table) > LISTED:
        told.append(f"The first {LISTED} are shown.")
    return " ".join(told)


def _of(count: int) -> str:
    return f"{count} configuration" + ("s" if count > 1 else "")


def _are(count: int) -> str:
    return "are" if count > 1 else "is"


def command(runs: pd.DataFrame) -> str:
    """The command that trains these runs, which differ in their seeds only, once more, or why there is none.

    Where their seeds are no product of lists, there are several, joined by &&.
    """
    try:
        overrides = _but_seeds(runs.iloc[0])
    except HarmonicError as error:
        return f"none: {error}"
    names = [name for name in REPLICATE if name in runs and runs[name].notna().any()]
    if not names:  # of a table that somebody else made
        return "none: these runs have no seed"
    different = runs.drop_duplicates(names)
    values = {name: sorted(set(different[name].dropna())) for name in names}
    if different[names].isna().any(axis=None) or prod(map(len, values.values())) != len(different):
        return " && ".join(
            shlex.join(["harmonic", *overrides, *_seed_overrides(run)]) for _, run in different.iterrows()
        )
    seeds = [f"{name}={','.join(map(str, found))}" for name, found in values.items()]
    return shlex.join(["harmonic", *(["-m"] if len(different) > 1 else []), *overrides, *seeds])


def commands(runs: pd.DataFrame) -> list[str]:
    """The command that repeats each run, or why there is none; what replicates share is made once."""
    made = dict[int, str]()
    texts = []
    for number, (_, run) in zip(numbered(runs), runs.iterrows(), strict=True):
        if number not in made:
            try:
                made[number] = shlex.join(["harmonic", *_but_seeds(run)])
            except HarmonicError as error:
                made[number] = f"none: {error}"
        there = made[number].startswith("harmonic")
        texts.append(" ".join([made[number], *_seed_overrides(run)]) if there else made[number])
    return texts


def _but_seeds(run: pd.Series) -> list[str]:
    """The overrides of a run, all but its seeds."""
    stored = stored_config(run)
    unseeded = {name: None for name in REPLICATE if name in stored} | {"seed": 0}
    return [text for text in repeat(nested(stored | unseeded)) if not text.startswith("seed=")]


def _seed_overrides(run: pd.Series) -> list[str]:
    return [f"{name}={run[name]}" for name in REPLICATE if name in run and not pd.isna(run[name])]
