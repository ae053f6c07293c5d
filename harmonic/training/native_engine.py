"""The engine `native`: the multilayer perceptron family, trained by the Numba kernels of `native_kernels.py`.

A call of `advance` trains one run for many steps with the GIL released, so that threads train runs side by
side. It starts from the same weights and data as the engine `torch` and gives its losses up to rounding; the
same run is the same bit for bit, whatever trains beside it and wherever it is cut.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harmonic._compat.numba import must_compile
from harmonic._compat.scipy import blas_libraries
from harmonic.config.schema import MLP_TARGET, Config
from harmonic.data.base import Sample, as_array
from harmonic.training import models, native_kernels, optimizers
from harmonic.training.engine import State

log = logging.getLogger(__name__)

ACTIVATIONS = {
    "sigmoid": native_kernels.SIGMOID,
    "tanh": native_kernels.TANH,
    "relu": native_kernels.RELU,
    "sin": native_kernels.SIN,
    "snake": native_kernels.SNAKE,
}
_RULES = {
    "torch.optim.SGD": native_kernels.SGD,
    "torch.optim.Adam": native_kernels.ADAM,
    "torch.optim.AdamW": native_kernels.ADAMW,
}

# Arguments of the three that change nothing, or nothing unless they are set.
_UNSUPPORTED_IF_SET = ("maximize", "amsgrad", "differentiable", "capturable", "decoupled_weight_decay")


def lacks(config: Config) -> str | None:
    """What of a config this engine cannot do, in a few words; None if it can do all of it."""
    if config.model["_target_"] != MLP_TARGET:
        return f"the model {config.model['_target_']} (only {MLP_TARGET})"
    if config.optimizer["_target_"] not in _RULES:
        return f"the optimizer {config.optimizer['_target_']} (only {', '.join(_RULES)})"
    arguments = optimizers.arguments(config.optimizer)
    for name in _UNSUPPORTED_IF_SET:
        if arguments.get(name):
            return f"optimizer.{name}={arguments[name]}"
    if config.training.device.startswith("cuda"):
        return f"training.device={config.training.device} (only the CPU)"
    return None


class NativeEngine:
    """Trains one run a call on one core of the CPU."""

    name = "native"

    def __init__(self) -> None:
        _one_blas_thread()

    def start(self, config: Config, generator: torch.Generator) -> State:
        optimizers.check(json.dumps(config.optimizer))  # refuses what torch refuses
        drawn = models.mlp_parameters(config.model, generator)
        parameters = {name: as_array(tensor) for name, tensor in drawn.items()}
        size = sum(array.size for array in parameters.values())
        moments = [np.zeros(size, np.float32), np.zeros(size, np.float32)]
        return State(0, parameters, moments)

    def advance(self, config: Config, sample: Sample, state: State, steps: int) -> tuple[State, NDArray[np.float64]]:
        theta, shape = _pack(state)
        first, second = (moment.copy() for moment in state.moments)
        x, y = np.ascontiguousarray(as_array(sample.x).T), as_array(sample.y).ravel()
        rule, hyper = _rule(config)
        losses = np.empty(steps)
        _announce_compilation()
        code = ACTIVATIONS[config.model["activation"]]
        done = native_kernels.advance(x, y, shape, code, rule, hyper, theta, first, second, state.step, losses)
        return State(state.step + done, _unpack(theta, state), [first, second]), losses[:done]

    def predict(self, config: Config, state: State, x: Tensor) -> NDArray[np.float32]:
        theta, shape = _pack(state)
        out = np.empty(len(x), np.float32)
        columns = np.ascontiguousarray(as_array(x).T)
        native_kernels.predict(columns, shape, ACTIVATIONS[config.model["activation"]], theta, out)
        return out


def _rule(config: Config) -> tuple[int, NDArray[np.float64]]:
    """Which update, and its numbers in the order that its kernel takes them: what torch makes of the arguments."""
    values: Mapping[str, Any] = optimizers.settings(json.dumps(config.optimizer))
    rule = _RULES[config.optimizer["_target_"]]
    if rule == native_kernels.SGD:
        dampening = values["dampening"] if values["momentum"] else 0.0  # torch does not look at it without momentum
        numbers = [values["lr"], values["weight_decay"], values["momentum"], dampening, bool(values["nesterov"])]
        return rule, np.array(numbers, float)
    return rule, np.array([values["lr"], values["weight_decay"], *values["betas"], values["eps"]], float)


def _pack(state: State) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Parameters as one flat vector, and the sizes of the layers (depth + 2,)."""
    arrays = list(state.parameters.values())
    widths = [array.shape[0] for array in arrays[::2]]
    return np.concatenate([a.ravel() for a in arrays]), np.array([arrays[0].shape[1], *widths], np.int64)


def _unpack(theta: NDArray[np.float32], state: State) -> dict[str, NDArray[np.float32]]:
    """A flat vector as the named arrays of a state."""
    ends = np.cumsum([array.size for array in state.parameters.values()])
    pieces = np.split(theta, ends[:-1])
    named = zip(state.parameters.items(), pieces, strict=True)
    return {name: piece.reshape(like.shape) for (name, like), piece in named}


_blas = threading.Lock()


def _one_blas_thread() -> None:
    with _blas:  # of two threads that come first, one says so
        _hold_blas()


@cache
def _hold_blas() -> None:
    """Hold the BLAS that the kernels call (SciPy's, not NumPy's) to one thread.

    Its own threads gain nothing on small products, take the cores from other runs, and would let the number of
    threads into the order of a sum.
    """
    held = blas_libraries()
    for library in held:
        library.set_num_threads(1)
    if not held or any(library.get_num_threads() != 1 for library in held):
        log.warning(
            "the BLAS that SciPy calls cannot be held to one thread (%s): runs beside each other may be slower, and "
            "differ in the last bit between machines; what the library reads when it starts can hold it, such as "
            "OMP_NUM_THREADS=1 or VECLIB_MAXIMUM_THREADS=1",
            ", ".join(library.filepath for library in held) or "threadpoolctl finds none",
        )


_announcing = threading.Lock()  # of the threads that come to the kernels at once, the first takes it for good


def _announce_compilation() -> None:
    """Say once that the kernels are about to be compiled, unless this or an earlier process has done so."""
    if must_compile(native_kernels.advance) and _announcing.acquire(blocking=False):
        log.warning("compiling the kernels of the native engine (once, some 20 s)")
