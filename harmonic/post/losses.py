"""The losses that the post printed, in the spread of ours."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from harmonic.analysis.intervals import CONFIDENCE, LEAST_OF_BAND, band
from harmonic.errors import TableError
from harmonic.post.experiments import EXPERIMENTS, label, published, replicates

LEAST = 3  # seeds of an experiment below which nothing is said of its losses


def compare_losses(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
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


def _outside(losses: np.ndarray, others: np.ndarray) -> int:
    """How many of a run's losses (steps,) lie outside the band of other runs' (runs, steps)."""
    low, high = band(others)
    return int(((losses < low) | (losses > high)).sum())


def summarize(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """The last published loss of each experiment beside ours, with the errors in the two regions.

    Raises:
        TableError: none of the runs is one of the post's, complete and with its curve.
    """
    table = compare_losses(runs, curves).groupby("experiment", sort=False).tail(1)
    if table.empty:
        raise TableError(
            "the runs must contain one of the post's experiments, complete and with its curve (harmonic -cn post); "
            "none is among them"
        )
    mine = replicates(runs)
    errors = mine.groupby(label(mine))[["dense_rmse", "sparse_rmse"]].median()
    return table.merge(errors, on="experiment")
