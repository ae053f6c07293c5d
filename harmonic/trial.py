"""A run is a resumable computation: start, advance, evaluate.

    trial = Trial(config)
    state = trial.start()                          # parameters drawn from the seed
    state, losses = trial.advance(state, 400)      # the loss before each update
    errors = trial.evaluate(state)                 # against the truth, region by region

A `State` is small plain arrays, so a run can stop after any step and go on elsewhere; 400 steps
and then 600 are the same run as 1000, bit for bit. `train` is the whole of it for one run.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from harmonic import data, engines, regions
from harmonic.data import Sample, as_array
from harmonic.engines import State
from harmonic.schema import Config


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


class Trial:
    """One run of one config, between its parts no hidden state.

    Raises:
        ConfigError: the data or the engine cannot be built as configured.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.engine = engines.choose(config)
        self.data = data.build(config)
        self.sample, self._parameter_stream = data.draw(config, self.data)
        self.regions = regions.build(self.data, config.region.mass)

    @cached_property
    def validation(self) -> Sample:
        return data.draw_validation(self.config, self.data)

    def start(self) -> State:
        """The state before the first step.

        Raises:
            ConfigError: the model or the optimizer cannot be built as configured.
        """
        return self.engine.start(self.config, self._parameter_stream.clone_state())

    def advance(self, state: State, steps: int) -> tuple[State, NDArray[np.float64]]:
        """`steps` updates on, and the loss (steps,) before each; fewer where one is not finite."""
        return self.engine.advance(self.config, self.sample, state, steps)

    def evaluate(self, state: State) -> Errors:
        """The errors of the network as it stands."""
        x = torch.cat([self.sample.x, self.validation.x, self.regions.x])
        prediction = self.engine.predict(self.config, state, x)
        seen, held_out, grid = np.split(prediction, np.cumsum([len(self.sample.x), len(self.validation.x)]))
        residuals = seen.astype(np.float64) - as_array(self.sample.y).ravel()
        with np.errstate(over="ignore", invalid="ignore"):  # a diverged network is data
            valid_rmse = regions.rmse(held_out, as_array(self.validation.y).ravel())
            loss = np.float32(residuals @ residuals)  # of the engines' own precision and range
            return Errors(float(loss), valid_rmse, *self.regions.errors(grid))


@dataclass
class Curve:
    """What training showed. losses[t]: the loss before update t, and last, after all of them.
    errors: by step, where they were evaluated."""

    losses: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    errors: dict[int, Errors] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """A finished run. status: complete or diverged; steps: updates made before that."""

    status: str
    state: State
    curve: Curve
    train_s: float
    error: str | None = None

    @property
    def errors(self) -> Errors | None:
        """The trained network's errors; None where it diverged."""
        return self.curve.errors[self.state.step] if self.status == "complete" else None


Listener = Callable[[int, NDArray[np.float64]], None]


def train(trial: Trial, listen: Listener = lambda _step, _losses: None) -> Result:
    """Train from the first step to the last, or to the step whose loss is not finite.

    Args:
        listen: called with the step of the first of some losses, and these losses, as they come.
    """
    wanted, stride = trial.config.training.steps, trial.config.training.evaluate_every
    state, curve, train_s = trial.start(), Curve(), 0.0
    while state.step < wanted:
        begin, segment = state.step, min(stride, wanted - state.step)
        curve.errors[begin] = trial.evaluate(state)
        started = time.perf_counter()
        state, losses = trial.advance(state, segment)
        train_s += time.perf_counter() - started
        curve.losses = np.concatenate([curve.losses, losses])
        listen(begin, losses)
        if len(losses) < segment:
            return _diverged(state, curve, train_s)
    errors = trial.evaluate(state)
    if not math.isfinite(errors.loss):
        return _diverged(state, curve, train_s)
    curve.errors[wanted] = errors
    curve.losses = np.append(curve.losses, errors.loss)
    return Result("complete", state, curve, train_s)


def _diverged(state: State, curve: Curve, train_s: float) -> Result:
    return Result("diverged", state, curve, train_s, error=f"the loss before step {state.step} is not finite")
