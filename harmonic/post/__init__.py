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

from harmonic.analysis.configurations import REPLICATE
from harmonic.analysis.intervals import CONFIDENCE, LEAST_OF_BAND, band
from harmonic.config.compose import compose
from harmonic.errors import TableError
from harmonic.results.tables import leaves

EXPERIMENTS = ("post_sgd", "post_adam", "post_deep")
LEAST = 3  # seeds of an experiment below which nothing is said of its losses

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
        runs: as `load_runs` gives them; complete runs of the post's count, each once.
        curves: their `load_curves`.

    Returns:
        One row for each published number: experiment, step, published, n (runs), least, low, median,
        high, greatest (of ours; low and high as `intervals.band` has them), percentile (of the published among ours:
        a loss of ours that is the i-th of n is at i / (n + 1), as in the band; 0 and 100 are beyond all of ours).
    """
    mine = replicates(runs)
    ours = curves.merge(mine.assign(experiment=label(mine))[["run", "experiment"]], on="run")
    joined = published().rename(columns={"loss": "published"}).merge(ours, on=["experiment", "step"], how="inner")
    joined["loss"] = joined["loss"].astype(float)  # of no runs it is no column of numbers
    groups = joined.groupby(["experiment", "step", "published"], sort=False)
    table = groups["loss"].agg(n="count", least="min", median="median", greatest="max")
    borders = [band(losses.to_numpy()[:, None])[:, 0] for _, losses in groups["loss"]]
    table[["low", "high"]] = np.array(borders).reshape(len(table), 2)
    places = [_percentile(losses["published"].iloc[0], losses["loss"]) for _, losses in groups]
    table["percentile"] = places
    columns = ["n", "least", "low", "median", "high", "greatest", "percentile"]
    flat: pd.DataFrame = table[columns].reset_index()
    return flat


def _percentile(value: float, losses: pd.Series) -> float:
    places = np.arange(1, len(losses) + 1) / (len(losses) + 1)
    return 100 * float(np.interp(value, np.sort(losses), places, left=0, right=1))


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether more of the post's losses lie outside our bands than chance would put there.

    experiments: those that are judged; printed: how many losses the post printed of them; seeds: the fewest runs of
    one; outside: how many losses are outside; expected: how many of a post made of our own runs would be, on average;
    chance: the share of such posts in which as many or more are.
    """

    experiments: tuple[str, ...]
    printed: int
    seeds: int
    outside: int
    expected: float
    chance: float

    def __str__(self) -> str:
        """What can be said with so many seeds, in words."""
        named = "" if len(self.experiments) == len(EXPERIMENTS) else f" of {' and '.join(self.experiments)}"
        inside = f"Of the {self.printed} losses that the post printed{named}, {self.printed - self.outside} lie in "
        ours = f"a post made of our own runs has {self.expected:.1f} outside on average"
        if self.seeds < LEAST_OF_BAND:
            return (
                f"{inside}the range of our {self.seeds} seeds and {self.outside} outside. That is no more than a "
                f"range: {ours}, and a 95 % band takes {LEAST_OF_BAND} seeds or more "
                "(harmonic -cn post 'seed=range(0,64)')."
            )
        more = "no clear surplus" if self.chance > 1 - CONFIDENCE else "more than chance gives"
        return (
            f"{inside}the 95 % band of our {self.seeds} seeds and {self.outside} outside, {more}: {ours}, and "
            f"{self.outside} or more in {self.chance:.0%} of all cases. (The losses of one run go together, so that "
            "they are as many draws as there are configurations.)"
        )


def judge(runs: pd.DataFrame, curves: pd.DataFrame) -> Verdict | None:
    """Count the published losses outside the band of ours, and set that beside chance.

    The losses of one run go together, so that 41 numbers are not 41 draws: a binomial test would be
    wrong. Instead each of our runs takes the post's place in turn, against the band of the others; a post
    is one run of each experiment, and all combinations of them are counted. Experiments with fewer than three seeds
    are not judged; None where that leaves none.
    """
    done = replicates(runs)
    experiments, judged, total, odds = label(done), list[tuple[str, int, int]](), 0, np.ones(1)
    for name, printed in published().groupby("experiment", sort=False):
        few = curves[curves["run"].isin(done.loc[experiments == name, "run"]) & curves["step"].isin(printed["step"])]
        ours = few.pivot_table(index="run", columns="step", values="loss", observed=True).to_numpy()  # (runs, steps)
        if len(ours) < LEAST:
            continue
        judged.append((str(name), len(printed), len(ours)))
        total += _outside(printed["loss"].to_numpy(), ours)
        counts = [_outside(one, np.delete(ours, index, axis=0)) for index, one in enumerate(ours)]
        odds = np.convolve(odds, np.bincount(counts) / len(counts))
    if not judged:
        return None
    names, printed_of, seeds = zip(*judged, strict=True)
    chance = float(odds[total:].sum())
    return Verdict(names, sum(printed_of), min(seeds), total, float(odds @ np.arange(len(odds))), chance)


def replicates(runs: pd.DataFrame) -> pd.DataFrame:
    """The complete runs of the post's experiments, one of each experiment and its seeds."""
    done = runs[runs["status"] == "complete"]
    labels = label(done)
    seeds = [name for name in REPLICATE if name in done] or ["run"]
    return done[labels.notna() & ~done[seeds].assign(label=labels).duplicated()]


def _outside(losses: np.ndarray, others: np.ndarray) -> int:
    """How many of a run's losses (steps,) lie outside the band of other runs' (runs, steps)."""
    low, high = band(others)
    return int(((losses < low) | (losses > high)).sum())


def summarize(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """The last published loss of each experiment beside ours, with the errors in the two regions.

    Raises:
        TableError: none of the runs is one of the post's, complete and with its curve.
    """
    table = compare(runs, curves).groupby("experiment", sort=False).tail(1)
    if table.empty:
        raise TableError(
            "the runs must contain one of the post's experiments, complete and with its curve (harmonic -cn post); "
            "none is among them"
        )
    mine = replicates(runs)
    errors = mine.groupby(label(mine))[["dense_rmse", "sparse_rmse"]].median()
    return table.merge(errors, on="experiment")
