"""What an optimizer remembers between two steps, as plain values and arrays, and back into an optimizer.

It is taken by the public `state_dict` and given back by `load_state_dict`, so that an optimizer which keeps more
than torch's own do, or keeps it elsewhere, says so there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from harmonic.errors import ConfigError

_PLAIN = (bool, int, float, str, type(None))
_GROUPS = "param_groups"


def parameters_in(optimizer: Optimizer) -> list[Tensor]:
    """All parameters of an optimizer, in its own order."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def remember(optimizer: Optimizer) -> Any:
    """What `optimizer.state_dict()` gives: nested lists and dicts of arrays, numbers and text.

    Raises:
        ConfigError: its state holds something else.
    """
    state = dict(optimizer.state_dict())
    try:
        groups = [_plain_group(group) for group in state.pop(_GROUPS, [])]
        return {"rest": _plain(state), _GROUPS: groups}
    except TypeError as error:
        name = type(optimizer).__name__
        kept = "tensors, numbers, text, lists, tuples and dicts, for it is saved between two advances"
        raise ConfigError(f"the state of optimizer {name} must be made of {kept}; {error}") from error


def recall(optimizer: Optimizer, memory: Any) -> None:
    """Give an optimizer that was just built what `remember` took from one like it."""
    parameters = parameters_in(optimizer)
    device = parameters[0].device
    state = _lively(memory["rest"], device)
    if groups := [_lively(group, device) for group in memory[_GROUPS]]:
        built = optimizer.param_groups
        state[_GROUPS] = [_without_parameters(b) | saved for b, saved in zip(built, groups, strict=True)]
    if type(optimizer).load_state_dict is not Optimizer.load_state_dict:
        optimizer.load_state_dict(state)
        return
    # torch's own casts what it finds to the parameters' type, and takes texts and arrays of NumPy apart
    optimizer.load_state_dict(state | {"state": {}})
    numbers = (number for group in state[_GROUPS] for number in group["params"])
    named = dict(zip(numbers, parameters, strict=True))
    optimizer.state.update({named.get(key, key): kept for key, kept in state["state"].items()})


def _without_parameters(group: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "params"}


def _plain_group(group: dict[str, Any]) -> Any:
    """A group without what cannot be saved, such as functions: `recall` has that from the optimizer as built."""
    return {"dict": list(_plain_items(group))}


def _plain_items(group: dict[str, Any]) -> Iterator[list[Any]]:
    for key, value in group.items():
        try:
            yield [_plain(key), _plain(value)]
        except TypeError:
            continue


def _plain(value: Any) -> Any:
    """A value in the terms of JSON and of arrays; what JSON does not tell apart is a dict of one key."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Tensor):
        return {"tensor": _bytes_of(value), **_kind_of(value)}
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc":
        return {"array": np.array(value), "scalar": isinstance(value, np.generic)}
    if type(value) is list:
        return [_plain(one) for one in value]
    if type(value) is tuple:
        return {"tuple": [_plain(one) for one in value]}
    if isinstance(value, dict):
        return {"dict": [[_plain(key), _plain(one)] for key, one in value.items()]}
    raise TypeError(f"got {type(value).__name__}")


def _bytes_of(tensor: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().copy()  # NumPy lacks some of torch's types


def _kind_of(tensor: Tensor) -> dict[str, Any]:
    # torch.optim keeps its counters on the CPU, wherever the parameters are
    return {
        "dtype": str(tensor.dtype).partition(".")[2],
        "shape": list(tensor.shape),
        "cpu": tensor.device.type == "cpu",
    }


def _lively(node: Any, device: torch.device) -> Any:
    """`_plain` undone, its arrays copied; tensors that were not on the CPU go to the device."""
    if isinstance(node, list):
        return [_lively(one, device) for one in node]
    if not isinstance(node, dict):
        return node
    if "tensor" in node:
        raw = torch.from_numpy(node["tensor"].copy())
        tensor = raw.view(getattr(torch, node["dtype"])).reshape(node["shape"])
        return tensor if node["cpu"] else tensor.to(device)
    if "array" in node:
        return node["array"][()] if node["scalar"] else node["array"].copy()
    if "tuple" in node:
        return tuple(_lively(one, device) for one in node["tuple"])
    return {_lively(key, device): _lively(one, device) for key, one in node["dict"]}
