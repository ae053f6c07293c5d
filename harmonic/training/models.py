"""The multilayer perceptron, and any other torch module by `_target_`."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from harmonic.config.schema import MLP_TARGET
from harmonic.config.targets import locate
from harmonic.errors import ConfigError

INPUTS, OUTPUTS = 2, 1
UNTOLD_MEMORY = 2**36  # bytes, where the system does not tell how many there are

# Modules that are not ours draw from torch's global generator; one at a time may borrow it.
_global_generator = threading.Lock()


class Sin(nn.Module):
    """sin(x)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sin()


class Snake(nn.Module):
    """x + sin^2(x): monotone with a periodic part (Ziyin, Hartwig & Ueda 2020, frequency 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return x + x.sin().square()


_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "sin": Sin,
    "snake": Snake,
}


class MLP(nn.Sequential):
    """Linear layers (points, 2) -> widths -> (points, 1) with an activation between each two.

    Args:
        width: hidden units of every hidden layer, or one number a layer.
        depth: number of hidden layers.
        activation: sigmoid, tanh, relu, sin or snake.
        generator: where the initial parameters come from; None leaves them unset, to be loaded.
    """

    def __init__(
        self,
        width: int | Sequence[int],
        depth: int,
        activation: str,
        generator: torch.Generator | None = None,
    ) -> None:
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(layer_sizes(width, depth)):
            linear = nn.Linear(fan_in, fan_out, device="meta")  # on "meta" it draws nothing
            weight, bias = _draw_linear(fan_in, fan_out, generator)
            linear.weight, linear.bias = nn.Parameter(weight), nn.Parameter(bias)
            layers += [linear, _ACTIVATIONS[activation]()]
        super().__init__(*layers[:-1])


def layer_sizes(width: int | Sequence[int], depth: int) -> list[int]:
    """Inputs, hidden widths, outputs: (depth + 2,)."""
    hidden = [width] * depth if isinstance(width, int) else list(width)
    return [INPUTS, *hidden, OUTPUTS]


def _check_fits(section: Mapping[str, Any]) -> None:
    """Refuse the MLP of a config whose parameters and their gradients are more than this machine's memory: filling it
    takes minutes, or the process.

    Raises:
        ConfigError: names both numbers.
    """
    width, depth = section["width"], section["depth"]
    if isinstance(width, int):  # of any depth
        count = (INPUTS + 1) * width + (depth - 1) * (width + 1) * width + (width + 1) * OUTPUTS
    else:
        count = sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(layer_sizes(width, depth)))
    if count > (room := _room()):
        rule = f"model.width and model.depth must give a network that fits into memory, of {room:,} parameters at most"
        raise ConfigError(f"{rule}; got one of {count:,}")


@cache
def _room() -> int:
    """How many parameters fit into this machine's memory beside their gradients."""
    names = ("SC_PHYS_PAGES", "SC_PAGE_SIZE")
    told = all(name in getattr(os, "sysconf_names", {}) for name in names)
    memory = math.prod(map(os.sysconf, names)) if told else UNTOLD_MEMORY
    return memory // (2 * torch.float32.itemsize)


def mlp_parameters(section: Mapping[str, Any], generator: torch.Generator) -> dict[str, Tensor]:
    """The initial parameters of the MLP of a config by state-dict name, without the module.

    Raises:
        ConfigError: they do not fit into memory.
    """
    _check_fits(section)
    parameters: dict[str, Tensor] = {}
    for index, (fan_in, fan_out) in enumerate(pairwise(layer_sizes(section["width"], section["depth"]))):
        weight, bias = _draw_linear(fan_in, fan_out, generator)
        parameters |= {f"{2 * index}.weight": weight, f"{2 * index}.bias": bias}
    return parameters


def _draw_linear(fan_in: int, fan_out: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Weight (fan_out, fan_in) and bias (fan_out,) as `nn.Linear` draws them, from our own generator."""
    weight, bias = torch.empty(fan_out, fan_in), torch.empty(fan_out)
    if generator is not None:
        # kaiming_uniform_ with a = sqrt(5), as nn.Linear has it, in torch's own order of rounding
        bound = math.sqrt(3.0) * (math.sqrt(2.0 / (1 + math.sqrt(5) ** 2)) / math.sqrt(fan_in))
        weight.uniform_(-bound, bound, generator=generator)
        bound = 1 / math.sqrt(fan_in)
        bias.uniform_(-bound, bound, generator=generator)
    return weight, bias


def borrows_global_generator(section: Mapping[str, Any]) -> bool:
    """Whether building or running this model may draw from torch's global generator."""
    return bool(section["_target_"] != MLP_TARGET)


class GlobalStream:
    """Lets torch's global generators stand in for ours: for modules that know no other.

    While the block runs, the global generator has the given state, on the CPU and on the device; afterwards `state`
    is where the block left both, and the global ones are as they were. One thread at a time.

    Args:
        state: that of a generator on the CPU; behind it that of one on the device, if it has been there. Without it
            the device's begins with the seed of the CPU's, as after `torch.manual_seed`.
        device: where the block draws besides on the CPU.
    """

    def __init__(self, state: Tensor, device: torch.device | None = None) -> None:
        self.state = state
        self._device = device if device is not None and device.type == "cuda" else None

    def __enter__(self) -> GlobalStream:
        with ExitStack() as stack:
            stack.enter_context(_global_generator)
            size = len(saved := torch.get_rng_state())
            stack.callback(torch.set_rng_state, saved)
            torch.set_rng_state(self.state[:size])
            if self._device is not None:
                stack.callback(torch.cuda.set_rng_state, torch.cuda.get_rng_state(self._device), self._device)
                if len(self.state) > size:
                    torch.cuda.set_rng_state(self.state[size:], self._device)
                else:
                    with torch.cuda.device(self._device):
                        torch.cuda.manual_seed(torch.initial_seed())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        with self._stack:
            here = torch.get_rng_state()
            there = [] if self._device is None else [torch.cuda.get_rng_state(self._device)]
            self.state = torch.cat([here, *there])


def build(section: Mapping[str, Any], generator: torch.Generator) -> nn.Module:
    """The untrained model that `config.model` names, its parameters drawn from the generator.

    Raises:
        ConfigError: the class cannot be found or refuses its arguments.
    """
    if not borrows_global_generator(section):
        _check_fits(section)
        arguments = {key: section[key] for key in ("width", "depth", "activation")}
        return MLP(**arguments, generator=generator)
    with GlobalStream(generator.get_state()) as borrowed:
        module: nn.Module = locate("model", section)
    generator.set_state(borrowed.state)
    return module
