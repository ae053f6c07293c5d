"""What training gave, as plain values: the columns of its row, its curve, its parameters, or why it failed."""

from __future__ import annotations

import dataclasses
import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from harmonic.results.columns import CURVE
from harmonic.training.result import Result
from harmonic.training.status import Status


@dataclass(frozen=True)
class Outcome:
    """What training gave. columns: of the table; curve: columns of CURVE but `run`;
    parameters: of the network as it stands; trace: the traceback of a failed run;
    result: what to go on with, where the run is but paused; records: what was logged in training;
    environment: that trained it last, None: not known."""

    columns: Mapping[str, Any]
    curve: Mapping[str, Any]
    parameters: Mapping[str, Any] | None = None
    trace: str | None = None
    result: Result | None = None
    records: Sequence[logging.LogRecord] = ()
    environment: Mapping[str, str] | None = None

    @classmethod
    def of(cls, result: Result, identity: Mapping[str, Any], environment: Mapping[str, str]) -> Outcome:
        """The outcome of a run that raised nothing.

        Args:
            identity: the columns `engine` and `started`.
        """
        parameters = None if result.status is Status.DIVERGED else result.state.parameters
        paused = result if result.status is Status.PAUSED else None
        columns = {**identity, **_columns(result)}
        return cls(columns, _curve(result), parameters, result=paused, environment=environment)


def failure(error: BaseException, identity: Mapping[str, Any] | None = None) -> Outcome:
    """The outcome of a run that raised."""
    identity = identity or {"started": datetime.now(UTC)}
    nothing: dict[str, Any] = {name: [] for name in CURVE if name != "run"}
    columns = {**identity, "status": str(Status.FAILED), "error": reason(error)}
    return Outcome(columns, nothing, trace="".join(traceback.format_exception(error)))


def reason(error: BaseException) -> str:
    """An exception in one line, as the table has it."""
    line = " ".join(f"{type(error).__name__}: {error}".split())
    return line.encode(errors="backslashreplace").decode()


def _columns(result: Result) -> dict[str, Any]:
    columns = {
        "status": str(result.status),
        "steps": result.state.step,
        "train_s": result.train_s,
        "error": result.error,
    }
    if (errors := result.errors) is not None:
        columns |= dataclasses.asdict(errors) | {"final_loss": errors.loss, "gap": errors.gap}
        del columns["loss"]
    return columns


def _curve(result: Result) -> dict[str, Any]:
    losses = result.curve.losses
    dense, sparse = np.full(len(losses), np.nan), np.full(len(losses), np.nan)
    for step, errors in result.curve.errors.items():
        if step < len(losses):
            dense[step], sparse[step] = errors.dense_rmse, errors.sparse_rmse
    return {"step": np.arange(len(losses)), "loss": losses, "dense_rmse": dense, "sparse_rmse": sparse}
