"""What training gives: losses and errors on the way, and the state at its end."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harmonic.training.engine import State
from harmonic.training.status import Status


@dataclass(frozen=True)
class Errors:
    """How a network does. loss: sum of squared residuals on its sample; the rest are RMSEs:
    on a second noisy sample, and against the truth in the dense and in the sparse region."""

    loss: float
    valid_rmse: float
    dense_rmse: float
    sparse_rmse: float

    @property
    def gap(self) -> float:
        """How many times worse the network is where it has to extrapolate."""
        return self.sparse_rmse / self.dense_rmse if self.dense_rmse else math.nan


@dataclass(frozen=True)
class Curve:
    """What training showed. losses[t]: the loss before update t, and last, after all of them.
    errors: by step, where they were evaluated."""

    losses: NDArray[np.float64]
    errors: dict[int, Errors]


@dataclass(frozen=True)
class Result:
    """A run as far as it has come. status: complete, paused (there are steps to go) or diverged;
    losses: the loss before each update; evaluations: the errors by step, every `training.evaluate_every`;
    errors: of the network as it stands, None where it diverged; train_s: seconds in steps alone."""

    status: Status
    state: State
    losses: NDArray[np.float64]
    evaluations: dict[int, Errors]
    errors: Errors | None
    train_s: float
    error: str | None = None

    @property
    def curve(self) -> Curve:
        """The losses and errors on the way, with those of the network as it stands at the end."""
        if self.errors is None:
            return Curve(self.losses, self.evaluations)
        return Curve(np.append(self.losses, self.errors.loss), self.evaluations | {self.state.step: self.errors})
