"""The blog post that harmonic comes from: what it printed, beside ours.

    python -m harmonic.post outputs/post
    python -m harmonic.post outputs/post outputs/width_lr      # and the best of a sweep

The post printed 41 losses of three configurations and fixed no seed. What can be compared is
therefore not number with number, but each of its numbers with the spread over our seeds.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harmonic.compose import compose
from harmonic.errors import TableError
from harmonic.intervals import band
from harmonic.tables import leaves

EXPERIMENTS = ("post_sgd", "post_adam", "post_deep")

# What may differ between two runs of one experiment: the replicate, and how it is computed.
_FREE = ("seed", "data.seed", "model.seed", "objective", "figures")


def published() -> pd.DataFrame:
    """The post's 41 losses: columns experiment, step, loss."""
    return _shipped("losses.csv")


def landmarks() -> pd.DataFrame:
    """The errors of the post's configurations from seeds 0 to 63: columns experiment, seed, dense_rmse, sparse_rmse.

    They ship with harmonic, so that any sweep can be set beside them; the tests train them anew.
    """
    return _shipped("errors.csv")


@cache
def _read(name: str) -> pd.DataFrame:
    table: pd.DataFrame = pd.read_csv(Path(__file__).with_name(name), comment="#")
    return table


def _shipped(name: str) -> pd.DataFrame:
    return _read(name).copy()


def label(runs: pd.DataFrame) -> pd.Series:
    """Which of the post's experiments each run is (by its config, whatever its seed); missing for others."""
    labels = pd.Series(pd.NA, index=runs.index, dtype="str", name="experiment")
    for experiment in EXPERIMENTS:
        fixed = _fixed(experiment)
        same = pd.Series(True, index=runs.index)
        for key, value in fixed.items():
            same &= runs[key] == value if key in runs else False
        labels[same.fillna(False).astype(bool)] = experiment
    return labels


def is_posts_own(runs: pd.DataFrame) -> bool:
    """Whether all runs are of the post's experiments."""
    return bool(label(runs).notna().all())


@cache
def _fixed(experiment: str) -> dict[str, Any]:
    """The config's leaves that make a run one of this experiment."""
    config = leaves(dataclasses.asdict(compose([f"+experiment={experiment}"])))
    fixed = {k: v for k, v in config.items() if k not in _FREE and k.partition(".")[0] != "training"}
    return fixed | {"training.steps": config["training.steps"]}


def compare(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Each published loss beside the spread of ours at the same step.

    Args:
        runs: as `load_runs` gives them; runs that are none of the post's are left out.
        curves: their `load_curves`.

    Returns:
        One row for each published number: experiment, step, published, n (runs), least, low, median,
        high, greatest (of ours; low and high as `intervals.band` has them), percentile (share of ours below the
        published, in percent).
    """
    ours = curves.merge(runs.assign(experiment=label(runs))[["run", "experiment"]], on="run")
    joined = published().rename(columns={"loss": "published"}).merge(ours, on=["experiment", "step"], how="inner")
    joined["loss"] = joined["loss"].astype(float)  # of no runs it is no column of numbers
    joined["below"] = joined["loss"] < joined["published"]
    groups = joined.groupby(["experiment", "step", "published"], sort=False)
    table = groups["loss"].agg(n="count", least="min", median="median", greatest="max")
    borders = [band(losses.to_numpy()[:, None])[:, 0] for _, losses in groups["loss"]]
    table[["low", "high"]] = np.array(borders).reshape(len(table), 2)
    table["percentile"] = 100 * groups["below"].mean()
    columns = ["n", "least", "low", "median", "high", "greatest", "percentile"]
    flat: pd.DataFrame = table[columns].reset_index()
    return flat


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether more of the post's losses lie outside our bands than chance would put there.

    outside: how many do; expected: how many of a post made of our own runs would, on average;
    chance: the share of such posts in which as many or more do.
    """

    outside: int
    expected: float
    chance: float


def judge(runs: pd.DataFrame, curves: pd.DataFrame) -> Verdict | None:
    """Count the published losses outside the band of ours, and set that beside chance; None with too few runs.

    The losses of one run go together, so that 41 numbers are not 41 draws: a binomial test would be
    wrong. Instead each of our runs takes the post's place in turn, against the band of the others; a post
    is one run of each experiment, and all combinations of them are counted.
    """
    experiments, total, odds = label(runs), 0, np.ones(1)
    for name, printed in published().groupby("experiment", sort=False):
        members = runs.loc[(experiments == name) & (runs["status"] == "complete"), "run"]
        few = curves[curves["run"].isin(members) & curves["step"].isin(printed["step"])]
        ours = few.pivot_table(index="run", columns="step", values="loss", observed=True).to_numpy()  # (runs, steps)
        if len(ours) < 3:
            return None
        total += _outside(printed["loss"].to_numpy(), ours)
        counts = [_outside(one, np.delete(ours, index, axis=0)) for index, one in enumerate(ours)]
        odds = np.convolve(odds, np.bincount(counts) / len(counts))
    return Verdict(total, float(odds @ np.arange(len(odds))), float(odds[total:].sum()))


def _outside(losses: np.ndarray, others: np.ndarray) -> int:
    """How many of a run's losses (steps,) lie outside the band of other runs' (runs, steps)."""
    low, high = band(others)
    return int(((losses < low) | (losses > high)).sum())


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
