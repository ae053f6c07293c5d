"""Prints the post's table: `python -m harmonic.post outputs/post [outputs/width_lr ...]`."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from harmonic.errors import HarmonicError
from harmonic.loading import load_curves, load_runs
from harmonic.post import label, summarize

BEST = 3  # trials shown of a sweep


def show(table: pd.DataFrame) -> None:
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


def show_best(runs: pd.DataFrame, sweep: pd.DataFrame) -> None:
    """Print the best trials of a sweep (by valid_rmse, mean over seeds) below the medians of the post's runs."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    parameters, errors = ["model.width", "optimizer.lr"], ["final_loss", "valid_rmse", "dense_rmse", "sparse_rmse"]
    ours = runs.groupby(label(runs), sort=False)[parameters + errors].median()
    complete = sweep[sweep["status"] == "complete"]
    means = complete.groupby("trial")[parameters + errors].mean()
    best = means.sort_values("valid_rmse").head(BEST).rename(index=lambda trial: f"trial {trial}")
    title = f"Of {len(means)} trials the best, below the post's medians"
    grid = Table(title=title, title_justify="left", box=box.SIMPLE)
    grid.add_column("run", no_wrap=True)
    for name in ("width", "lr", "final loss", "valid", "dense", "sparse"):
        grid.add_column(name, justify="right", no_wrap=True)
    for experiment, row in pd.concat([ours, best]).iterrows():
        width, lr, loss, *rest = row.tolist()
        grid.add_row(str(experiment), f"{width:.0f}", f"{lr:.2g}", f"{loss:.1f}", *(f"{value:.2f}" for value in rest))
    Console().print(grid)


def main(path: str, *sweeps: str) -> None:
    """Print the comparison for the runs below a folder, and where their pictures are; then the best of sweeps."""
    runs = load_runs(path)
    show(summarize(runs, load_curves(path)))
    pictures = sorted(picture for folder in runs["dir"] for picture in Path(folder).glob("*.png"))
    if pictures:
        print(f"{len(pictures)} pictures, one folder a run: the first is {pictures[0]}")
    for sweep in sweeps:
        show_best(runs, load_runs(sweep))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:] or ["outputs/post"])
    except HarmonicError as error:
        raise SystemExit(f"harmonic: {error}") from None
