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

from harmonic.analysis.configurations import REPLICATE, config_columns, without_repeats
from harmonic.analysis.intervals import mean_interval, sources
from harmonic.errors import TableError
from harmonic.training.status import Status

SHOWN = 8  # seeds or columns named in a message
MOST = 32  # values of a column that are compared with each other: 496 rows
HOW = ("figures", "training.evaluate_every", "training.engine")  # how a run is done and shown; not what it is


def compare(
    runs: pd.DataFrame, by: str = "optimizer._target_", metric: str = "sparse_rmse", paired: bool = True
) -> pd.DataFrame:
    """The difference that a choice makes, for each pair of its values.

    Two runs are a pair if they have the same seeds (`seed`, `data.seed`, `model.seed`) and the same config, but for
    `by` and for what it brings along: a `_target_` its own arguments (betas come with the optimizer), a column that is
    no config (`sweep`, `trial`, one of your own) all that is the same throughout each of its values. With several
    other configurations the values are averaged within each replicate. The replicates are what counts, paired or not.
    Runs alike in config and seeds are one run done twice, and the first of them counts.

    Args:
        runs: as `load_runs` gives them; only complete ones with a finite metric count.
        by: column whose values are compared, at most 32 of them.
        metric: column of numbers; less is better.
        paired: False compares means of independent groups.

    Returns:
        One row a pair of values: `a`, `b`, `n` (replicates in common; unpaired: of the smaller group), `mean_a`,
        `mean_b`, `difference` (a - b, below 0 where a is better), `low`, `high` (its 95 % interval: Student's of the
        paired differences, or Welch's; missing for n < 2), `a_wins`, `b_wins` (share of the replicates in which each is
        better; unpaired: missing), `left_out` (runs of the two that are in no pair, have no finite metric or repeat
        another). Values without a common replicate have n = 0.

    Raises:
        TableError: a column is missing or holds no numbers, there is one value only or too many, or no runs are
            paired.
    """
    groups = _groups(runs, by, metric)
    usable = {name: _usable(group, metric) for name, group in groups.items()}
    rows, reasons = [], list[str]()
    for a, b in combinations(groups, 2):
        first, second, count = usable[a], usable[b], len(groups[a]) + len(groups[b])
        if paired:
            matched = _pairing_columns(first, second, by, metric)
            pairs = first[[*matched, metric]].merge(second[[*matched, metric]], on=matched, suffixes=("_a", "_b"))
            if pairs.empty:
                reasons.append(_why_unpaired(first, second, matched, (a, b), metric))
            pair, used = _paired(pairs, metric), 2 * len(pairs)
        else:
            pair, used = _unpaired(first, second, metric), len(first) + len(second)
        rows.append({"a": a, "b": b, **pair, "left_out": count - used})
    if len(reasons) == len(rows):
        raise TableError(reasons[0] + _advice(runs, by, metric))
    return pd.DataFrame(rows)


def _groups(runs: pd.DataFrame, by: str, metric: str) -> dict[Any, pd.DataFrame]:
    """All runs by their value of the column, in order of appearance."""
    for name in (by, metric):
        if name not in runs:
            raise TableError(f"a comparison needs a column of the table; got '{name}', which it does not have")
    if by in REPLICATE:
        raise TableError(f"a comparison is made over the seeds, so that by must be another column; got '{by}'")
    if not pd.api.types.is_numeric_dtype(runs[metric]) or pd.api.types.is_bool_dtype(runs[metric]):
        raise TableError(f"the metric must be a column of numbers; got '{metric}' of kind {runs[metric].dtype}")
    groups = {value: group for value, group in runs.groupby(by, sort=False, observed=True) if len(group)}
    if len(groups) < 2:
        raise TableError(
            f"a comparison needs two or more values of '{by}'; got {', '.join(map(str, groups)) or 'none'}"
        )
    if len(groups) > MOST:
        raise TableError(
            f"a comparison takes at most {MOST} values of '{by}'; got {len(groups)}, as of a range: choose some, or "
            f"compare intervals of it by a column of your own (pandas.cut(runs['{by}'], 3))"
        )
    return groups


def _usable(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    values = runs[metric].astype(float)
    return without_repeats(runs[(runs["status"] == Status.COMPLETE) & np.isfinite(values)], but_for=HOW)


def _paired(pairs: pd.DataFrame, metric: str) -> dict[str, Any]:
    a, b = (_by_replicate(pairs, f"{metric}_{one}") for one in "ab")
    differences = a - b
    centre = float(differences.mean())
    low, high = mean_interval(centre, sources(differences))
    return {
        "n": len(a), "mean_a": a.mean(), "mean_b": b.mean(), "difference": centre, "low": low, "high": high,
        "a_wins": float((differences < 0).mean()) if len(a) else np.nan,
        "b_wins": float((differences > 0).mean()) if len(a) else np.nan,
    }  # fmt: skip


def _unpaired(a: pd.DataFrame, b: pd.DataFrame, metric: str) -> dict[str, Any]:
    groups = [_by_replicate(one, metric) for one in (a, b)]
    means = [float(one.mean()) for one in groups]
    low, high = mean_interval(means[0] - means[1], [part for one in groups for part in sources(one)])
    return {
        "n": min(map(len, groups)), "mean_a": means[0], "mean_b": means[1], "difference": means[0] - means[1],
        "low": low, "high": high, "a_wins": np.nan, "b_wins": np.nan,
    }  # fmt: skip


def _by_replicate(runs: pd.DataFrame, metric: str) -> pd.Series:
    """The metric's mean over what was trained with the same seeds."""
    seeds = [name for name in REPLICATE if name in runs]
    return runs.groupby(seeds, dropna=False, sort=False)[metric].mean().astype(float)


def _pairing_columns(a: pd.DataFrame, b: pd.DataFrame, by: str, metric: str) -> list[str]:
    """The columns in which the runs of a pair must agree: their seeds, and all that varies but for what `by` brings."""
    both = pd.concat([a, b])
    seeds = [name for name in REPLICATE if name in both]
    varying = [name for name in config_columns(both) if name not in (by, metric, *HOW) and len(both[name].unique()) > 1]
    section, _, last = by.rpartition(".")
    brings_all = not section
    return seeds + [
        name
        for name in varying
        if any(len(one[name].unique()) > 1 for one in (a, b))
        or not (brings_all or (last == "_target_" and name.startswith(f"{section}.")))
    ]


def _why_unpaired(a: pd.DataFrame, b: pd.DataFrame, matched: list[str], names: tuple[Any, Any], metric: str) -> str:
    """The first column in which two groups have nothing in common, and what each has."""
    for name, runs in zip(names, (a, b), strict=True):
        if runs.empty:
            return f"runs to be compared must be complete and have a finite {metric}; of {name} none has"
    varying = [name for name in matched if len(pd.concat([a[name], b[name]]).unique()) > 1] or ["seed"]
    reason = "no combination of these in both"
    for column in varying:
        ours, theirs = (
            list(dict.fromkeys(one[column].astype(object).where(one[column].notna(), "null"))) for one in (a, b)
        )
        if not set(ours) & set(theirs):
            texts = [", ".join(map(str, sorted(values, key=_order)[:SHOWN])) for values in (ours, theirs)]
            reason = f"{column} {texts[0]} of {names[0]} and {texts[1]} of {names[1]}"
            break
    return f"runs to be paired must share {', '.join(varying)}; got {reason}: use paired=False"


def _order(value: Any) -> tuple[bool, Any]:
    return (True, str(value)) if isinstance(value, str) else (False, value)


def _advice(runs: pd.DataFrame, by: str, metric: str) -> str:
    """Which sweeps of the table have pairs, each by itself."""
    if "sweep" not in runs or len(runs["sweep"].unique()) < 2:
        return ""
    paired = list[str]()
    for name, sweep in runs.groupby("sweep", sort=False, observed=True):
        groups = [_usable(group, metric) for _, group in sweep.groupby(by, sort=False, observed=True)]
        for a, b in combinations(groups[:MOST], 2):
            if not a.merge(b, on=_pairing_columns(a, b, by, metric)).empty:
                paired.append(str(name))
                break
    return f", or one sweep that has pairs (runs[runs['sweep'] == '{paired[0]}'])" if paired else ""
