"""The post's three experiments: which runs are of them, what the post printed, and the errors of many seeds."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from harmonic.analysis.configurations import REPLICATE
from harmonic.config.compose import compose
from harmonic.results.columns import leaves
from harmonic.training.status import Status

EXPERIMENTS = ("post_sgd", "post_adam", "post_deep")

# What may differ between two runs of one experiment: the replicate, and how it is computed.
_FREE = ("seed", "data.seed", "model.seed", "objective", "figures")


def published() -> pd.DataFrame:
    """The post's 41 losses: columns experiment, step, loss."""
    return _shipped("losses.csv")


def baselines() -> pd.DataFrame:
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


@cache
def _fixed(experiment: str) -> dict[str, Any]:
    """The config's leaves that make a run one of this experiment."""
    config = leaves(dataclasses.asdict(compose([f"+experiment={experiment}"])))
    fixed = {k: v for k, v in config.items() if k not in _FREE and k.partition(".")[0] != "training"}
    return fixed | {"training.steps": config["training.steps"]}


def replicates(runs: pd.DataFrame) -> pd.DataFrame:
    """The complete runs of the post's experiments, one of each experiment and its seeds."""
    done = runs[runs["status"] == Status.COMPLETE]
    labels = label(done)
    seeds = [name for name in REPLICATE if name in done] or ["run"]
    return done[labels.notna() & ~done[seeds].assign(label=labels).duplicated()]
