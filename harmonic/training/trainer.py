"""A run is a resumable computation: start, advance, evaluate.

    trainer = build(config)
    state = trainer.start()                        # parameters drawn from the seed
    state, losses = trainer.advance(state, 400)    # the loss before each update
    errors = trainer.evaluate(state)               # against the truth, region by region

A `State` is small plain arrays, so a run can stop after any step and go on elsewhere; 400 steps
and then 600 are the same run as 1000, bit for bit. `train` is the whole of it for one run.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property, lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from harmonic import data
from harmonic.config.schema import Config
from harmonic.data import regions
from harmonic.data.base import Data, Sample, as_array
from harmonic.data.regions import Regions
from harmonic.errors import ConfigError, HarmonicError
from harmonic.training import engines
from harmonic.training.engines import State
from harmonic.training.result import Errors, Result
from harmonic.training.status import Status

_last: tuple[str, Trainer] | None = None


class Trainer:
    """What trains the run of one config; between its calls it keeps no state of the run.

    Raises:
        ConfigError: the data or the engine cannot be built as configured.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.engine = engines.choose(config)
        self.data, self.regions = plane(json.dumps(config.data), config.region.mass)
        self.sample, self._parameter_stream = data.draw(config, self.data)

    @cached_property
    def validation(self) -> Sample:
        return data.draw_validation(self.config, self.data)

    @cached_property
    def _everywhere(self) -> torch.Tensor:
        return torch.cat([self.sample.x, self.validation.x, self.regions.x])

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
        prediction = self.engine.predict(self.config, state, self._everywhere)
        seen, held_out, grid = np.split(prediction, np.cumsum([len(self.sample.x), len(self.validation.x)]))
        residuals = seen.astype(np.float64) - as_array(self.sample.y).ravel()
        with np.errstate(over="ignore", invalid="ignore"):  # a diverged network is data
            valid_rmse = regions.rmse(held_out, as_array(self.validation.y).ravel())
            loss = np.float32(residuals @ residuals)  # of the engines' own precision and range
            return Errors(float(loss), valid_rmse, *self.regions.errors(grid))


@lru_cache(maxsize=16)
def plane(section: str, mass: float) -> tuple[Data, Regions]:
    """The law and its regions, which all runs of one data config share; none of them writes to it."""
    law = data.build(json.loads(section))
    try:
        return law, regions.build(law, mass)
    except HarmonicError:
        raise
    except Exception as error:  # somebody's class may raise anything
        raise ConfigError(f"data must have a density and a truth; {data.says(law, error)}") from error


def build(config: Config) -> Trainer:
    """The trainer of a config. The last one is kept, for a single run is checked, trained and drawn with one.

    Raises:
        ConfigError: the data or the engine cannot be built as configured.
    """
    global _last
    parts = (config.seed, config.data, config.model, config.optimizer, asdict(config.training), config.region.mass)
    key = json.dumps(parts)
    last = _last  # another thread may set it meanwhile
    if last is None or last[0] != key:
        _last = last = key, Trainer(config)
    return last[1]


@contextmanager
def built_apart(apart: bool) -> Iterator[None]:
    """While this lasts, and once more after it, what runs share is built anew, if `apart`: another environment may make
    something else of the same config."""
    if apart:
        _forget()
    try:
        yield
    finally:
        if apart:
            _forget()


def _forget() -> None:
    global _last
    plane.cache_clear()
    _last = None


# Seconds of training between two calls of the callback, where steps are slow: how long an interrupt may
# have to wait. Where a run is cut changes nothing in it.
PATIENCE = 0.3

Callback = Callable[[int, NDArray[np.float64]], None]


def no_callback(_step: int, _losses: NDArray[np.float64]) -> None:
    """For a run whose losses nobody waits for."""


def train(
    trainer: Trainer,
    callback: Callback = no_callback,
    resume_from: Result | None = None,
    until: int | None = None,
) -> Result:
    """Train to the last step, or to the step whose loss is not finite.

    Args:
        callback: called with the step of the first of some losses, and these losses, as they come.
        resume_from: a paused run to go on with; None: from the first step.
        until: the step at which to pause.
    """
    wanted, stride = trainer.config.training.steps, trainer.config.training.evaluate_every
    end = wanted if until is None else min(until, wanted)
    resume_from = resume_from or Result(Status.PAUSED, trainer.start(), np.empty(0), {}, None, 0.0)
    state, pieces, evaluations = resume_from.state, [resume_from.losses], dict(resume_from.evaluations)
    train_s, pace = resume_from.train_s, 1.0
    while state.step < end:
        begin = state.step
        if begin % stride == 0:
            known = resume_from.errors if begin == resume_from.state.step else None
            evaluations[begin] = known or trainer.evaluate(state)
        segment = min(stride - begin % stride, end - begin, math.ceil(pace))
        started = time.perf_counter()
        state, losses = trainer.advance(state, segment)
        seconds = time.perf_counter() - started
        train_s, pace = train_s + seconds, PATIENCE * segment / seconds
        pieces.append(losses)
        callback(begin, losses)
        if len(losses) < segment:
            return _diverged(state, np.concatenate(pieces), evaluations, train_s)
    errors, losses = trainer.evaluate(state), np.concatenate(pieces)
    if not math.isfinite(errors.loss):
        return _diverged(state, losses, evaluations, train_s)
    return Result(Status.COMPLETE if end == wanted else Status.PAUSED, state, losses, evaluations, errors, train_s)


def _diverged(state: State, losses: NDArray[np.float64], evaluations: dict[int, Errors], train_s: float) -> Result:
    error = f"the loss before step {state.step} is not finite"
    return Result(Status.DIVERGED, state, losses, evaluations, None, train_s, error)
