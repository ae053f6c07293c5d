"""Prints the post's table: `python -m harmonic.post outputs/post [outputs/width_lr ...]`."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from harmonic.analysis.configurations import config_ids, ranked
from harmonic.analysis.labels import format_value
from harmonic.errors import HarmonicError
from harmonic.post import judge, label, replicates, summarize
from harmonic.results.load import load_curves, load_runs

BEST = 3  # configurations shown of a sweep
PARAMETERS = {"model.width": "width", "optimizer.lr": "lr"}
ERRORS = ("final_loss", "valid_rmse", "dense_rmse", "sparse_rmse")


def print_losses(table: pd.DataFrame) -> None:
    """Print `summarize`'s table."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    title = f"Losses: the post's and of our {table['n'].min()} seeds. RMSE: medians"
    grid = Table(title=title, title_justify="left", box=box.SIMPLE)
    grid.add_column("experiment", no_wrap=True)
    for name in ("step", "post", "median", "range", "dense", "sparse"):
        grid.add_column(name, justify="right", no_wrap=True)
    for row in table.itertuples():
        grid.add_row(
            str(row.experiment), f"{row.step}", f"{row.published:.1f}", f"{row.median:.1f}",
            f"{row.least:.0f} to {row.greatest:.0f}", f"{row.dense_rmse:.2f}", f"{row.sparse_rmse:.2f}",
        )  # fmt: skip
    Console().print(grid)


def print_best(runs: pd.DataFrame, sweep: pd.DataFrame, name: str) -> None:
    """Print a sweep's best configurations (by valid_rmse, mean over seeds) below the medians of the post's runs."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = ranked(sweep, ERRORS[1])
    if table.empty:
        print(f"No run of {name} was completed, so that there is no best one to show.")
        return
    ids = config_ids(sweep)
    best = table.head(BEST).set_axis([_name(sweep[ids == one]) for one in table.head(BEST).index])
    mine = replicates(runs)
    groups = mine.groupby(label(mine), sort=False)
    # a network of somebody else's has no width, a table of somebody else's no learning rate
    parameters = [key for key in PARAMETERS if key in sweep or key in mine]
    ours = groups[list(ERRORS)].median().join(groups[[key for key in parameters if key in mine]].first())
    title = f"The best of {len(table)} configurations of {name}, below the post's medians"
    grid = Table(title=title, title_justify="left", box=box.SIMPLE)
    grid.add_column("run", no_wrap=True)
    for key in (*parameters, *ERRORS):
        title = PARAMETERS.get(key, key.removesuffix("_rmse").replace("_", " "))
        grid.add_column(title, justify="right", no_wrap=True)
    for row_name, row in pd.concat([ours, best]).iterrows():
        cells = [format_value(row[key]) if not pd.isna(row[key]) else "" for key in parameters]
        grid.add_row(str(row_name), *cells, f"{row[ERRORS[0]]:.1f}", *(f"{row[key]:.2f}" for key in ERRORS[1:]))
    Console().print(grid)


def _name(runs: pd.DataFrame) -> str:
    """A configuration's name, by its trials."""
    trials = sorted(set(runs["trial"].dropna()))
    if not trials:
        return f"run {runs['run'].iloc[0]}"
    return f"trial {trials[0]}" if len(trials) == 1 else f"trials {trials[0]} to {trials[-1]}"


def main(path: str, *sweeps: str) -> None:
    """Print the comparison for the runs below a folder, and where their pictures are; then the best of sweeps."""
    runs, curves = load_runs(path), load_curves(path)
    print_losses(summarize(runs, curves))
    if (verdict := judge(runs, curves)) is not None:
        print(verdict, end="\n\n")
    pictures = sorted(picture for folder in runs["dir"] for picture in Path(folder).glob("*.png"))
    if pictures:
        print(f"{len(pictures)} pictures, one folder a run: the first is {pictures[0]}")
    for sweep in sweeps:
        print_best(runs, load_runs(sweep), Path(sweep).resolve().name)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:] or ["outputs/post"])
    except HarmonicError as error:
        raise SystemExit(f"harmonic: {error}") from None
