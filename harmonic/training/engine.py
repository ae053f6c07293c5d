"""What an engine is: it starts a run, advances it by some steps, and predicts with it.

Between two calls a run is a `State`: small plain arrays, no objects. Whoever holds one can
advance it in any thread, process or machine, save it, or advance it twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from harmonic.config.schema import Config
from harmonic.data.base import Sample

Array = NDArray[Any]

_PLAIN, _ARRAY = "harmonic", "__array__"  # keys in a saved state


@dataclass(frozen=True)
class State:
    """A run between two steps.

    step: updates made so far.
    parameters: arrays by their torch state-dict name, weights (out, in), biases (out,).
    moments: what the optimizer remembers: nested lists, dicts, arrays, numbers, text.
    stream: torch's generator state (bytes,), for models and optimizers that draw random numbers while training.
    """

    step: int
    parameters: Mapping[str, Array]
    moments: list[Any] = field(default_factory=list)
    stream: Array | None = None

    def to_bytes(self) -> bytes:
        """The state as a safetensors file: arrays, and the rest as JSON."""
        from safetensors.numpy import save

        arrays: dict[str, Array] = {f"parameters/{name}": array for name, array in self.parameters.items()}
        skeleton = _extract(self.moments, "moments", arrays)
        if self.stream is not None:
            arrays["stream"] = self.stream
        plain = {"step": self.step, "parameters": list(self.parameters), "moments": skeleton}
        return save(arrays, metadata={_PLAIN: json.dumps(plain)})

    @classmethod
    def from_bytes(cls, data: bytes) -> State:
        """The state that `to_bytes` wrote. No pickle: nothing read here can run code."""
        from safetensors.numpy import load

        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        plain = json.loads(header["__metadata__"][_PLAIN])
        arrays = load(data)
        return cls(
            step=plain["step"],
            # a safetensors file keeps no order, and the order is that of the layers
            parameters={name: arrays[f"parameters/{name}"] for name in plain["parameters"]},
            moments=_insert(plain["moments"], arrays),
            stream=arrays.get("stream"),
        )


def _extract(node: Any, name: str, arrays: dict[str, Array]) -> Any:
    """Move the arrays of a nested value into `arrays`, leaving their names behind."""
    if isinstance(node, np.ndarray):
        arrays[name] = node
        return {_ARRAY: name}
    if isinstance(node, dict):
        return {key: _extract(value, f"{name}/{key}", arrays) for key, value in node.items()}
    if isinstance(node, list):
        return [_extract(value, f"{name}/{index}", arrays) for index, value in enumerate(node)]
    return node


def _insert(node: Any, arrays: Mapping[str, Array]) -> Any:
    if isinstance(node, dict):
        if _ARRAY in node:
            return arrays[node[_ARRAY]]
        return {key: _insert(value, arrays) for key, value in node.items()}
    if isinstance(node, list):
        return [_insert(value, arrays) for value in node]
    return node


class Engine(Protocol):
    """Trains one family of runs."""

    name: str

    def start(self, config: Config, generator: torch.Generator) -> State:
        """The state before the first step, its parameters drawn from the generator.

        Raises:
            ConfigError: the model or the optimizer cannot be built as configured.
        """
        ...

    def advance(self, config: Config, sample: Sample, state: State, steps: int) -> tuple[State, NDArray[np.float64]]:
        """Make `steps` updates; `losses` (steps,) holds the loss before each of them.

        The given state is left as it is. Where a loss is not finite the run ends: `losses` is
        shorter, and the state's `step` is that of the loss that was not finite.
        """
        ...

    def predict(self, config: Config, state: State, x: torch.Tensor) -> NDArray[np.float32]:
        """The network's value (points,) at x (points, 2)."""
        ...
