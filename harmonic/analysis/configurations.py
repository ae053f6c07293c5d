"""Which runs are replicates of one configuration, what distinguishes the configurations, which is best.

swept(runs)                          # ["model.width", "optimizer.lr"]
ranked(runs, "valid_rmse").head()    # one row a configuration: mean, 95 % interval, n
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from harmonic.analysis.intervals import mean_interval, sources
from harmonic.results.columns import FRONT, IDENTITY, OUTCOME, STATUSES
from harmonic.training.status import Status

REPLICATE = ("seed", "data.seed", "model.seed")  # columns in which the replicates of a configuration differ
MANY = 8  # values of a column beyond which it counts as a range, not as a choice
LEAST = 3  # replicates below which a configuration is not compared with others that have more
SPAN = 20  # ratio of the ends above which a range is on a log scale
DEFAULT_METRIC = "valid_rmse"


def config_columns(runs: pd.DataFrame) -> list[str]:
    """The columns that hold the config of a run, but for its seeds and its objective."""
    other = {*IDENTITY, *OUTCOME, FRONT, *REPLICATE, "objective"}
    return [str(name) for name in runs.columns if name not in other]


def objectives(runs: pd.DataFrame) -> list[str]:
    """The columns that these runs were to be good at, where they agree and the table has them; else valid_rmse."""
    named = list(runs["objective"].dropna().unique()) if "objective" in runs else list[str]()
    if len(named) != 1:
        return [DEFAULT_METRIC]
    text = str(named[0])
    try:
        names = json.loads(text) if text.startswith("[") else [text]
    except ValueError:  # of a table that somebody else made
        return [DEFAULT_METRIC]
    known = [str(one) for one in names if one in runs and pd.api.types.is_numeric_dtype(runs[one])]
    return known if known and len(known) == len(names) else [DEFAULT_METRIC]


def objective(runs: pd.DataFrame) -> str:
    """The column by which to rank these runs: their own objective, of several the first."""
    return objectives(runs)[0]


def config_ids(runs: pd.DataFrame) -> pd.Series:
    """The id of each run's configuration, a number by the order of appearance; runs that differ in seeds share it."""
    columns = config_columns(runs)
    if not columns:
        return pd.Series(0, index=runs.index)
    return runs[columns].astype("object").fillna("").astype(str).groupby(columns, sort=False).ngroup()


def swept(runs: pd.DataFrame, named: Iterable[str] = ()) -> list[str]:
    """The columns that tell the configurations apart.

    A column with few values that follows from the others is left out: `optimizer.betas` follows from
    the optimizer.

    Args:
        named: columns that are known to have been swept.
    """
    known = set(named)
    varying = [name for name in config_columns(runs) if len(runs[name].unique()) > 1]
    table = runs[varying].astype("object").fillna("").astype(str).drop_duplicates()
    kept = [name for name in varying if name in known or table[name].nunique() > MANY]
    choices = [name for name in varying if name in known and table[name].nunique() <= MANY]
    for name in varying:
        if name not in kept and not _follows(table, choices, name):
            kept.append(name)
            choices.append(name)
    return [name for name in varying if name in kept]


def _follows(table: pd.DataFrame, columns: Sequence[str], name: str) -> bool:
    return bool(columns) and int(table.groupby(list(columns))[name].nunique().max()) == 1


def ranked(runs: pd.DataFrame, metric: str | None = None, best_is: str = "minimize") -> pd.DataFrame:
    """One row a configuration that has a complete run, the best first.

    A mean over fewer replicates than the others' is not comparable, and luckier where the missing ones diverged. So
    first come those configurations of which every replicate is complete, three at least (or as many as most have), by
    their means over the replicates that all of these share, where these are three as well, else over their own. The
    others follow, over their own replicates: those with most of them first, then by their means.

    Args:
        metric: column to rank by; None: the runs' objective.

    Returns:
        Indexed by the configuration's id: `trial`, the config's columns, `mean`, `low`, `high` (Student's
        95 % interval of the metric's mean; missing of a single run), `n` (replicates that the mean is over),
        `complete`, `tried` (replicates that are complete, and all), `comparable`, and the means of the errors.
    """
    metric = metric or objective(runs)
    ids, seeds = config_ids(runs.drop(columns=metric)), _replicates(runs)
    good = without_repeats(runs[(runs["status"] == Status.COMPLETE) & np.isfinite(runs[metric].astype(float))])
    table = good.groupby(ids[good.index])[["trial", *config_columns(runs)]].first()
    for name, one in (("complete", seeds[good.index]), ("tried", seeds)):
        table[name] = one.groupby(ids[one.index]).nunique().reindex(table.index)
    few = min(LEAST, int(np.median(table["complete"]))) if len(table) else 0
    table["comparable"] = (table["complete"] == table["tried"]) & (table["complete"] >= few)
    level = good[ids[good.index].map(table["comparable"]).astype(bool)]
    owners = ids[level.index].groupby(seeds[level.index]).nunique()
    shared = owners.index[owners == table["comparable"].sum()]
    if len(shared) >= few:
        good = good.drop(index=level.index[~seeds[level.index].isin(shared)])
    table = table.join(_means(good, ids[good.index], metric))
    some = table["complete"].where(~table["comparable"], table["complete"].max())
    keys = table.assign(some=some, best=table["mean"] * (1 if best_is == "minimize" else -1))
    order = keys.sort_values(["comparable", "some", "best"], ascending=[False, False, True], kind="stable").index
    return table.loc[order]


def _means(runs: pd.DataFrame, ids: pd.Series, metric: str) -> pd.DataFrame:
    """The mean of each configuration's metric, its interval, the number of runs, and the means of the errors."""
    groups = runs.groupby(ids)
    table = pd.DataFrame({"mean": groups[metric].mean(), "n": groups[metric].size()})
    values = runs.set_index([name for name in REPLICATE if name in runs])[metric].astype(float)
    ends = {
        one: mean_interval(float(values.iloc[where].mean()), sources(values.iloc[where]))
        for one, where in groups.indices.items()
        if len(where) > 1
    }
    table[["low", "high"]] = pd.DataFrame.from_dict(ends, "index", float, ["low", "high"]).reindex(table.index)
    for name in (one for one in ("final_loss", "valid_rmse", "dense_rmse", "sparse_rmse") if one in runs):
        table[name] = groups[name].mean()
    return table


def _replicates(runs: pd.DataFrame) -> pd.Series:
    """The number of each run's combination of seeds."""
    seeds = runs[[name for name in REPLICATE if name in runs]]
    return seeds.groupby(list(seeds), dropna=False, sort=False).ngroup()


def without_repeats(runs: pd.DataFrame, but_for: Sequence[str] = ()) -> pd.DataFrame:
    """The first of the runs that are the same in seeds and config (`but_for` some keys): one run done twice."""
    alike = {"seeds": _replicates(runs), "configuration": config_ids(runs.drop(columns=list(but_for), errors="ignore"))}
    return runs[~pd.DataFrame(alike).duplicated()]


def by_trial(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row a trial: its number, the worst status of its runs, and the mean of their metric."""
    groups = runs.dropna(subset=["trial"]).groupby("trial")
    status = groups["status"].agg(lambda values: max(values.astype(str), key=STATUSES.index))
    return pd.DataFrame({"status": status, metric: groups[metric].mean()}).reset_index()
