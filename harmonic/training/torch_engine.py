"""The engine `torch`: the post's loop with autograd, for any module and any `torch.optim` class.

It is the oracle: slow, general, and as near to the post's listing as can be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from harmonic.config.schema import Config
from harmonic.config.targets import reason
from harmonic.data.base import Sample, as_array
from harmonic.errors import ConfigError
from harmonic.training import models, optimizers
from harmonic.training._stepping import Stepper
from harmonic.training.engine import State
from harmonic.training.optimizer_state import parameters_in, recall, remember


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
        if models.borrows_global_generator(config.model):
            _check_output(module, self.device)
        parameters = list(module.parameters())
        optimizers.rehearse(config.optimizer, [tuple(p.shape) for p in parameters], str(self.device))
        optimizers.build(config.optimizer, parameters, generator.get_state())
        return State(0, _parameters(module), stream=generator.get_state().numpy() if _borrows(config) else None)

    def advance(self, config: Config, sample: Sample, state: State, steps: int) -> tuple[State, NDArray[np.float64]]:
        module, optimizer = self._resume(config, state)
        x, y = sample.x.to(self.device), sample.y.to(self.device)
        if state.stream is None:
            return _descend(module, optimizer, x, y, state, steps)
        with models.GlobalStream(torch.from_numpy(state.stream), self.device) as borrowed:
            advanced, losses = _descend(module, optimizer, x, y, state, steps)
        return replace(advanced, stream=borrowed.state.numpy()), losses

    def _resume(self, config: Config, state: State) -> tuple[nn.Module, Optimizer]:
        """The module and its optimizer as they were after the state's last step."""
        module = self._restore(config, state)
        stream = None if state.stream is None else torch.from_numpy(state.stream)
        optimizer = optimizers.build(config.optimizer, module.parameters(), stream)
        if state.moments:
            memory, trained = state.moments
            recall(optimizer, memory)
            if trained:
                _load(module, trained)
        return module, optimizer

    def predict(self, config: Config, state: State, x: Tensor) -> NDArray[np.float32]:
        module = self._restore(config, state).eval()
        with torch.no_grad():
            return as_array(module(x.to(self.device))).ravel()

    def _restore(self, config: Config, state: State) -> nn.Module:
        # The module's own initial values are overwritten, so any stream will do.
        module = models.build(config.model, torch.Generator())
        _load(module, state.parameters)
        return module.to(self.device)


def _borrows(config: Config) -> bool:
    """Whether training may draw from torch's global generator."""
    return models.borrows_global_generator(config.model) or optimizers.borrows_global_generator(config.optimizer)


def _descend(
    module: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor, state: State, steps: int
) -> tuple[State, NDArray[np.float64]]:
    """Minimise the sum of squared residuals; the state after some steps and the losses (steps,) before each."""
    loss_of = nn.MSELoss(reduction="sum")
    parameters = parameters_in(optimizer)

    def loss_and_gradients() -> Tensor:
        for parameter in parameters:
            parameter.grad = None
        loss: Tensor = loss_of(module(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    gives_others = optimizers.training(optimizer)
    step = Stepper(optimizer, loss_and_gradients)
    losses, done = np.empty(steps), steps
    for t in range(steps):
        losses[t] = step()
        if not math.isfinite(losses[t]):
            done = t
            break
    memory, trained = remember(optimizer), {}
    if gives_others:
        trained = _parameters(module)
        optimizer.eval()  # type: ignore[attr-defined]
    return State(state.step + done, _parameters(module), [memory, trained]), losses[:done]


def _check_output(module: nn.Module, device: torch.device) -> None:
    x = torch.zeros(3, models.INPUTS, device=device)
    try:
        with torch.no_grad():
            shape = tuple(module.eval()(x).shape)
    except Exception as error:  # somebody's class may raise anything
        rule = "model must map (points, 2) to (points, 1)"
        raise ConfigError(f"{rule}; it fails with: {reason(error)}") from error
    module.train()
    if shape != (3, models.OUTPUTS):
        raise ConfigError(f"model must map (points, 2) to (points, 1); it maps (3, 2) to {shape}")


def _parameters(module: nn.Module) -> dict[str, Any]:
    return {name: as_array(tensor).copy() for name, tensor in module.state_dict().items()}


def _load(module: nn.Module, arrays: Mapping[str, Any]) -> None:
    module.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
