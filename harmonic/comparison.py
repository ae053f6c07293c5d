"""Does one choice beat another? Differences paired over seeds, with an interval.

    harmonic.compare(runs, by="optimizer._target_", metric="sparse_rmse")

Runs that share a seed share their data, so that most of what differs between two seeds is the same for
both choices: their difference is known better than either mean.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from harmonic.configurations import CONFIDENCE, REPLICATE, config_columns
from harmonic.errors import TableError

RESAMPLES = 9999
SHOWN = 8  # seeds or columns named in a message


def compare(
    runs: pd.DataFrame, by: str = "optimizer._target_", metric: str = "sparse_rmse", paired: bool = True
) -> pd.DataFrame:
    """The difference that a choice makes, for each pair of its values.

    Two runs are a pair if they have the same seed and the same config, but for `by` and what follows from
    it (as betas from the optimizer). With several other configurations the differences are averaged
    within each seed, and the seeds are what is resampled.

    Args:
        runs: as `load_runs` gives them; only complete ones count.
        by: column whose values are compared.
        metric: column of numbers; less is better.
        paired: False compares means of independent groups.

    Returns:
        One row a pair of values: `a`, `b`, `n` (seeds in common; unpaired: the smaller group), `mean_a`,
        `mean_b`, `difference` (a - b, below 0 where a is better), `low`, `high` (its bootstrap interval,
        95 %, percentiles; Efron and Tibshirani, "An Introduction to the Bootstrap", 1993; missing for
        n = 1), `a_wins`, `b_wins` (share of the seeds in which each is better; unpaired: missing),
        `left_out` (runs of the two that are in no pair, or have no finite metric).

    Raises:
        TableError: a column is missing or holds no numbers, there is one value only, or the runs are not
            paired.
    """
    groups = _groups(runs, by, metric)
    rows = []
    for a, b in combinations(groups, 2):
        first, second = (_finite(groups[name], metric) for name in (a, b))
        count = len(groups[a]) + len(groups[b])
        pair = _paired(first, second, by, metric, (a, b)) if paired else _apart(first, second, metric)
        used = pair.pop("used")
        rows.append({"a": a, "b": b, **pair, "left_out": count - used})
    return pd.DataFrame(rows)


def _groups(runs: pd.DataFrame, by: str, metric: str) -> dict[Any, pd.DataFrame]:
    """All runs by their value of the column, in order of appearance."""
    for name in (by, metric):
        if name not in runs:
            raise TableError(f"a comparison needs a column of the table; got '{name}', which it does not have")
    if not pd.api.types.is_numeric_dtype(runs[metric]) or pd.api.types.is_bool_dtype(runs[metric]):
        raise TableError(f"the metric must be a column of numbers; got '{metric}' of kind {runs[metric].dtype}")
    groups = {value: group for value, group in runs.groupby(by, sort=False, observed=True) if len(group)}
    if len(groups) < 2:
        raise TableError(
            f"a comparison needs two or more values of '{by}'; got {', '.join(map(str, groups)) or 'none'}"
        )
    return groups


def _finite(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    values = runs[metric].astype(float)
    return runs[(runs["status"] == "complete") & np.isfinite(values)]


def _paired(a: pd.DataFrame, b: pd.DataFrame, by: str, metric: str, names: tuple[Any, Any]) -> dict[str, Any]:
    matched = _matched(a, b, by)
    for name, runs in zip(names, (a, b), strict=True):
        if (twice := runs.duplicated(matched)).any():
            first = ", ".join(f"{key}={value}" for key, value in runs.loc[twice, matched].iloc[0].items())
            raise TableError(
                f"a pair needs one run of each value; got more than one of {by}={name} with {first}: "
                "choose among them, or use paired=False"
            )
    pairs = a[[*matched, metric]].merge(b[[*matched, metric]], on=matched, suffixes=("_a", "_b"))
    if pairs.empty:
        got = _apart_by(a, b, matched, names)
        raise TableError(f"runs to be paired must share {', '.join(matched)}; got {got}: use paired=False")
    seeds = pairs.groupby("seed")[[f"{metric}_a", f"{metric}_b"]].mean().astype(float)
    differences = (seeds[f"{metric}_a"] - seeds[f"{metric}_b"]).to_numpy()
    low, high = _interval((differences,), lambda one, axis: np.mean(one, axis=axis))
    return {
        "n": len(seeds), "mean_a": seeds[f"{metric}_a"].mean(), "mean_b": seeds[f"{metric}_b"].mean(),
        "difference": differences.mean(), "low": low, "high": high,
        "a_wins": float((differences < 0).mean()), "b_wins": float((differences > 0).mean()), "used": 2 * len(pairs),
    }  # fmt: skip


def _apart(a: pd.DataFrame, b: pd.DataFrame, metric: str) -> dict[str, Any]:
    values = [one[metric].to_numpy(float) for one in (a, b)]
    means = [float(one.mean()) if len(one) else np.nan for one in values]
    low, high = _interval(tuple(values), lambda x, y, axis: np.mean(x, axis=axis) - np.mean(y, axis=axis))
    return {
        "n": min(map(len, values)), "mean_a": means[0], "mean_b": means[1], "difference": means[0] - means[1],
        "low": low, "high": high, "a_wins": np.nan, "b_wins": np.nan, "used": sum(map(len, values)),
    }  # fmt: skip


def _matched(a: pd.DataFrame, b: pd.DataFrame, by: str) -> list[str]:
    """The columns in which the runs of a pair must agree: all that vary, but for what follows from `by`."""
    both = pd.concat([a, b])
    columns = [name for name in (*REPLICATE, *config_columns(both)) if name in both and name != by]
    varying = [name for name in columns if len(both[name].unique()) > 1]
    within = [name for name in varying if len(a[name].unique()) > 1 or len(b[name].unique()) > 1]
    return ["seed", *(name for name in within if name != "seed")]


def _apart_by(a: pd.DataFrame, b: pd.DataFrame, matched: list[str], names: tuple[Any, Any]) -> str:
    """The first column in which two groups have nothing in common, and what each has."""
    for column in matched:
        ours, theirs = (sorted(set(one[column].dropna())) for one in (a, b))
        if not set(ours) & set(theirs):
            texts = [", ".join(map(str, values[:SHOWN])) or "none" for values in (ours, theirs)]
            return f"{column} {texts[0]} of {names[0]} and {texts[1]} of {names[1]}"
    return "no combination of these in both"


def _interval(samples: tuple[NDArray[np.float64], ...], statistic: Any) -> tuple[float, float]:
    if min(map(len, samples)) < 2:
        return np.nan, np.nan
    if all(np.ptp(one) == 0 for one in samples):
        value = float(statistic(*samples, axis=0))
        return value, value
    found = stats.bootstrap(
        samples, statistic, n_resamples=RESAMPLES, confidence_level=CONFIDENCE, method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    return float(found.low), float(found.high)
