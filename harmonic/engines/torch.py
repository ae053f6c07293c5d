"""The engine `torch`: the post's loop with autograd, for any module and any `torch.optim` class.

It is the oracle: slow, general, and as near to the post's listing as can be.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from harmonic import models, optimizers
from harmonic.data import Sample, as_array
from harmonic.engines.base import State
from harmonic.errors import ConfigError
from harmonic.schema import Config


class TorchEngine:
    """Trains with autograd on the CPU or a CUDA device.

    Args:
        device: auto (CUDA where there is one, else the CPU), cpu, cuda or cuda:<index>.

    Raises:
        ConfigError: a CUDA device is asked for and there is none.
    """

    name = "torch"

    def __init__(self, device: str) -> None:
        available = torch.cuda.device_count() if device != "cpu" else 0
        if device == "auto":
            device = "cuda" if available else "cpu"
        if device.startswith("cuda") and int(device.partition(":")[2] or 0) >= available:
            raise ConfigError.broken("training.device", f"cpu or one of {available} CUDA devices", device)
        self.device = torch.device(device)

    def start(self, config: Config, generator: torch.Generator) -> State:
        module = models.build(config.model, generator).to(self.device)
        stream = None
        if models.borrows_global_generator(config.model):
            stream = generator.get_state().numpy()
            _check_output(module, self.device)
        optimizers.build(config.optimizer, module.parameters())
        return State(0, _parameters(module), stream=stream)

    def advance(self, config: Config, sample: Sample, state: State, steps: int) -> tuple[State, NDArray[np.float64]]:
        module = self._restore(config, state)
        optimizer = optimizers.build(config.optimizer, module.parameters())
        _set_moments(optimizer, state.moments)
        x, y = sample.x.to(self.device), sample.y.to(self.device)
        if state.stream is None:
            losses = _descend(module, optimizer, x, y, steps)
            stream = None
        else:
            with models.GlobalStream(torch.from_numpy(state.stream)) as borrowed:
                losses = _descend(module, optimizer, x, y, steps)
            stream = borrowed.state.numpy()
        advanced = State(state.step + len(losses), _parameters(module), _get_moments(optimizer), stream)
        return advanced, losses

    def predict(self, config: Config, state: State, x: Tensor) -> NDArray[np.float32]:
        module = self._restore(config, state).eval()
        with torch.no_grad():
            return as_array(module(x.to(self.device))).ravel()

    def _restore(self, config: Config, state: State) -> nn.Module:
        # The module's own initial values are overwritten, so any stream will do.
        module = models.build(config.model, torch.Generator())
        module.load_state_dict({name: torch.from_numpy(array) for name, array in state.parameters.items()})
        return module.to(self.device)


def _descend(module: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor, steps: int) -> NDArray[np.float64]:
    """Minimise the sum of squared residuals; the losses (steps,) before each update."""
    loss_of = nn.MSELoss(reduction="sum")
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    update = _plain_step(optimizer)

    def loss_and_gradients() -> Tensor:
        for parameter in parameters:
            parameter.grad = None
        loss: Tensor = loss_of(module(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    losses = np.empty(steps)
    with torch.no_grad():  # an optimizer turns gradients on for the closure it is given
        for t in range(steps):
            loss = float(update(optimizer, loss_and_gradients))
            if not math.isfinite(loss):
                return losses[:t]
            losses[t] = loss
    return losses


def _check_output(module: nn.Module, device: torch.device) -> None:
    x = torch.zeros(3, models.INPUTS, device=device)
    try:
        with torch.no_grad():
            shape = tuple(module.eval()(x).shape)
    except RuntimeError as error:
        shape_error = " ".join(str(error).split())
        raise ConfigError(f"model must map (points, 2) to (points, 1); it fails with: {shape_error}") from error
    module.train()
    if shape != (3, models.OUTPUTS):
        raise ConfigError(f"model must map (points, 2) to (points, 1); it maps (3, 2) to {shape}")


def _parameters(module: nn.Module) -> dict[str, Any]:
    return {name: as_array(tensor).copy() for name, tensor in module.state_dict().items()}


def _get_moments(optimizer: Optimizer) -> list[Any]:
    """The optimizer's memory of each parameter, in the order of its parameters, as plain values."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    return [_map(dict(optimizer.state.get(p, {})), Tensor, lambda t: as_array(t).copy()) for p in parameters]


def _set_moments(optimizer: Optimizer, moments: list[Any]) -> None:
    if not moments:
        return
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for parameter, memory in zip(parameters, moments, strict=True):

        def to_tensor(array: Any, device: torch.device = parameter.device) -> Tensor:
            # torch.optim keeps its step counters, which have no dimension, on the CPU
            tensor = torch.from_numpy(array.copy())
            return tensor.to(device) if tensor.ndim else tensor

        if memory:
            optimizer.state[parameter] = _map(memory, np.ndarray, to_tensor)


def _map(node: Any, leaf: type[Any], change: Callable[[Any], Any]) -> Any:
    """The nested value with every leaf of a type changed."""
    if isinstance(node, leaf):
        return change(node)
    if isinstance(node, dict):
        return {key: _map(value, leaf, change) for key, value in node.items()}
    if isinstance(node, list):
        return [_map(value, leaf, change) for value in node]
    return node


def _plain_step(optimizer: Optimizer) -> Callable[[Optimizer, Callable[[], Tensor]], Any]:
    """The optimizer's own `step`, without the wrappers that serve torch's profiler and compiler.

    To be called under `torch.no_grad()`. The wrappers cost more than the update of a small
    network, and the first call of one imports torch's compiler: 1.7 s for nothing.
    """
    step: Callable[[Optimizer, Callable[[], Tensor]], Any] = inspect.unwrap(type(optimizer).step)
    return step
