"""The columns of a table of runs and of their curves, and a run as it goes into them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from harmonic.training.status import Status

STATUSES = tuple(str(one) for one in Status if one is not Status.PAUSED)

# The columns of every run, in the order of the table; its config stands between the two groups.
IDENTITY = {
    "run": pa.string(),  # unique id
    "sweep": pa.string(),  # name of the sweep's folder; missing for a single run
    "trial": pa.int64(),  # number in the sweep
    "seed": pa.int64(),
    "status": pa.string(),  # one of STATUSES
    "engine": pa.string(),  # which engine trained it
}
OUTCOME = {
    "steps": pa.int64(),  # updates made
    "final_loss": pa.float64(),  # sum of squared residuals after the last update
    "valid_rmse": pa.float64(),  # on an independent noisy sample of the same law
    "dense_rmse": pa.float64(),  # against the truth in the dense region
    "sparse_rmse": pa.float64(),  # against the truth in the sparse region
    "gap": pa.float64(),  # sparse_rmse / dense_rmse
    "train_s": pa.float64(),  # seconds in training steps alone
    "started": pa.timestamp("us", tz="UTC"),
    "version": pa.string(),  # of harmonic
    "machine": pa.string(),  # that trained it, or its last part: processor and cores
    "error": pa.string(),  # why it diverged or failed
    "dir": pa.string(),  # on disk relative to the table's parent; absolute once loaded
}
LATER = ("machine",)  # columns that the tables of earlier versions lack
SEEDS = ("data.seed", "model.seed")  # columns of the config that hold whole numbers or null
FRONT = "pareto"  # column of searches with several objectives: whether a run is of the front
CURVE = {
    "run": pa.string(),
    "step": pa.int64(),
    "loss": pa.float64(),  # before update `step`
    "dense_rmse": pa.float64(),
    "sparse_rmse": pa.float64(),
}
MARKS = {"run": pa.string(), FRONT: pa.bool_()}


def leaves(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested config as one flat mapping of dotted keys; lists and empty mappings become their JSON text."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= leaves(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = json.dumps(value) if isinstance(value, list | tuple | Mapping) else value
    return flat


@dataclass(frozen=True)
class Record:
    """One run as it goes into a table.

    row: values for IDENTITY and OUTCOME; what is missing is null.
    config: the config's leaves by dotted key.
    curve: equally long columns of CURVE.
    """

    row: Mapping[str, Any]
    config: Mapping[str, Any]
    curve: Mapping[str, Any]


def config_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The leaves of the config in a row."""
    return {key: row[key] for key in row if key == "seed" or (key not in IDENTITY and key not in OUTCOME)}
