"""The blog post's published losses beside ours.

    python -m harmonic.post outputs/post
    python -m harmonic.post outputs/post outputs/width_lr      # and the best of a sweep

The post printed 41 losses of three configurations and fixed no seed. What can be compared is
therefore not number with number, but each of its numbers with the spread over our seeds.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pandas as pd

from harmonic.compose import compose
from harmonic.errors import HarmonicError, TableError
from harmonic.tables import leaves, load_curves, load_runs

EXPERIMENTS = ("post_sgd", "post_adam", "post_deep")

BEST = 3  # trials shown of a sweep

# What may differ between two runs of one experiment: the replicate, and how it is computed.
_FREE = ("seed", "data.seed", "model.seed", "objective", "figures")


def published() -> pd.DataFrame:
    """The post's 41 losses: columns experiment, step, loss."""
    table: pd.DataFrame = pd.read_csv(Path(__file__).with_name("post.csv"), comment="#")
    return table


def label(runs: pd.DataFrame) -> pd.Series:
    """Which of the post's experiments each run is (by its config, whatever its seed); missing for others."""
    labels = pd.Series(pd.NA, index=runs.index, dtype="str", name="experiment")
    for experiment in EXPERIMENTS:
        config = leaves(dataclasses.asdict(compose([f"+experiment={experiment}"])))
        fixed = {k: v for k, v in config.items() if k not in _FREE and k.partition(".")[0] != "training"}
        fixed["training.steps"] = config["training.steps"]
        same = pd.Series(True, index=runs.index)
        for key, value in fixed.items():
            same &= runs[key] == value if key in runs else False
        labels[same.fillna(False).astype(bool)] = experiment
    return labels


def compare(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Each published loss beside the spread of ours at the same step.

    Args:
        runs: as `load_runs` gives them; runs that are none of the post's are left out.
        curves: their `load_curves`.

    Returns:
        One row for each published number: experiment, step, published, n (runs), low, median,
        high (the least, the middle and the greatest of ours), percentile (share of ours below
        the published, in percent).
    """
    ours = curves.merge(runs.assign(experiment=label(runs))[["run", "experiment"]], on="run")
    joined = published().rename(columns={"loss": "published"}).merge(ours, on=["experiment", "step"], how="inner")
    joined["below"] = joined["loss"] < joined["published"]
    groups = joined.groupby(["experiment", "step", "published"], sort=False)
    table = groups["loss"].agg(n="count", low="min", median="median", high="max")
    table["percentile"] = 100 * groups["below"].mean()
    flat: pd.DataFrame = table.reset_index()
    return flat


def summarize(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """The last published loss of each experiment beside ours, with the errors in the two regions.

    Raises:
        TableError: none of the runs is one of the post's.
    """
    table = compare(runs, curves).groupby("experiment", sort=False).tail(1)
    if table.empty:
        raise TableError("the runs must contain one of the post's experiments (harmonic -cn post); none is among them")
    errors = runs.assign(experiment=label(runs)).groupby("experiment")[["dense_rmse", "sparse_rmse"]].median()
    return table.merge(errors, on="experiment")


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
            f"{row.low:.0f} to {row.high:.0f}", f"{row.dense_rmse:.2f}", f"{row.sparse_rmse:.2f}",
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
