"""The optimizer that `config.optimizer` names: any class of `torch.optim`, built or read."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache, lru_cache, partial
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim import Optimizer

from harmonic._compat.torch import spare_the_compiler
from harmonic.config.targets import check_arguments, find, parameters_of, reason
from harmonic.errors import ConfigError, HarmonicError
from harmonic.training._stepping import Stepper
from harmonic.training.models import GlobalStream
from harmonic.training.optimizer_state import recall, remember

spare_the_compiler()


def build(section: Mapping[str, Any], parameters: Iterable[Tensor], stream: Tensor | None = None) -> Optimizer:
    """The optimizer over some parameters.

    Args:
        stream: the state of a generator, from which a class that is not torch's may draw while it is built.

    Raises:
        ConfigError: the class cannot be found, is no optimizer, or refuses its arguments.
    """
    target = _find(section)
    begin = torch.Generator().get_state() if stream is None else stream
    with _refusals(target), nullcontext() if _is_torchs(target) else GlobalStream(begin):
        optimizer: Optimizer = target(parameters, **_arguments(section))
        return optimizer


@contextmanager
def _refusals(target: type[Any]) -> Iterator[None]:
    """Whatever a class raises, as a line: it may refuse its arguments in any way."""
    try:
        yield
    except HarmonicError:
        raise
    except Exception as error:
        raise ConfigError(f"optimizer must suit {target.__name__}; it says: {reason(error)}") from error


def borrows_global_generator(section: Mapping[str, Any]) -> bool:
    """Whether this optimizer may draw from torch's global generator, as none of torch's own does."""
    return not _is_torchs(_find(section))


def _is_torchs(target: type[Any]) -> bool:
    return target.__module__.startswith("torch.")


def check(section: str) -> None:
    """Refuse what torch would refuse of a section, given as JSON, be it when building or in a step.

    Raises:
        ConfigError: as `build` and `rehearse` do.
    """
    settings(section)


@cache
def settings(section: str) -> Mapping[str, Any]:
    """What torch makes of the arguments of a section, given as JSON: its group of parameters.

    Raises:
        ConfigError: as `build` and `rehearse` do.
    """
    values = json.loads(section)
    rehearse(values, [(1, 1)])
    (group,) = build(values, [torch.zeros(1, 1, requires_grad=True)]).param_groups
    return {key: value for key, value in group.items() if key != "params"}


def rehearse(section: Mapping[str, Any], shapes: Iterable[tuple[int, ...]], device: str = "cpu") -> None:
    """Make some steps on parameters of these shapes, to refuse what shows in no other way.

    One step shows what of its arguments an optimizer of torch's cannot use, two whether its memory can. One that is
    not torch's must also be the same wherever its steps are cut.

    Raises:
        ConfigError: a step raises something, or what the optimizer remembers is not all in its state.
    """
    # any rate that the schema lets through is one to torch, and a search over rates need not rehearse each
    any_rate = {"lr": 1e-3} if _is_torchs(_find(section)) else {}
    _rehearse(json.dumps({**section, **any_rate}), tuple(map(tuple, shapes)), device)


@lru_cache(maxsize=256)
def _rehearse(section: str, shapes: tuple[tuple[int, ...], ...], device: str) -> None:
    values = json.loads(section)
    target = _find(values)
    initial = [torch.linspace(-1, 1, math.prod(shape), device=device).reshape(shape) for shape in shapes]
    with _refusals(target):
        if _is_torchs(target):
            _rehearsed(values, initial, [2])
        elif _rehearsed(values, initial, [24]) != _rehearsed(values, initial, [11, 13]):
            raise ConfigError(
                f"the state of optimizer {target.__name__} must hold all that it remembers (self.state, param_groups, "
                "or what its state_dict and load_state_dict add), for a run is saved between two advances; 24 steps "
                "and 11 + 13 end elsewhere"
            )


def _rehearsed(section: Mapping[str, Any], values: Sequence[Tensor], parts: Iterable[int]) -> list[bytes]:
    """Parameters after some steps, with the optimizer built anew from what it remembers between two parts."""
    memory, stream = None, torch.Generator().get_state()
    for steps in parts:
        parameters = [torch.nn.Parameter(value.clone()) for value in values]
        optimizer = build(section, parameters, stream)
        if memory is not None:
            recall(optimizer, memory)
        stepper = Stepper(optimizer, partial(_bowl, parameters))
        with nullcontext() if _is_torchs(type(optimizer)) else GlobalStream(stream, values[0].device) as borrowed:
            training(optimizer)
            for _ in range(steps):
                stepper()
            memory, values = remember(optimizer), [parameter.detach() for parameter in parameters]
        stream = stream if borrowed is None else borrowed.state
    return [value.cpu().numpy().tobytes() for value in values]


def _bowl(parameters: Iterable[torch.nn.Parameter]) -> Tensor:
    """A small loss, its gradients set: of parameters p, the sum of p^2 / 2000. Finite, that no step be left out."""
    for parameter in parameters:
        parameter.grad = parameter.detach() / 1000
    return torch.stack([parameter.detach().square().sum() for parameter in parameters]).sum().nan_to_num() / 2000


def training(optimizer: Optimizer) -> bool:
    """Bring an optimizer that trains other parameters than it gives into training (`optimizer.train()`).

    The schedule-free optimizers are such. Returns whether it is one: then `optimizer.eval()` gives.
    """
    modes = [getattr(optimizer, name, None) for name in ("train", "eval")]
    if not all(map(callable, modes)):
        return False
    optimizer.train()  # type: ignore[attr-defined]
    return True


def arguments(section: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of the optimizer by name, torch's defaults where the config has none."""
    parameters = parameters_of(cast(Hashable, _find(section))).values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    return defaults | _arguments(section)


def _find(section: Mapping[str, Any]) -> type[Any]:
    target = find("optimizer", section["_target_"])
    if not issubclass(target, Optimizer):
        raise ConfigError.broken("optimizer._target_", "a torch.optim class", section["_target_"])
    check_arguments("optimizer", target, _arguments(section))
    return target


def _arguments(section: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key != "_target_"}
