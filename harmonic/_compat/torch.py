"""torch's optimizers without what they do for its profiler and its compiler at every call."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor
from torch.optim import Optimizer


def has_plain_step(optimizer: Optimizer) -> bool:
    """Whether the optimizer's step is torch's own, with nobody's decorators or hooks.

    Hooks have public functions that register them, and none that lists them.
    """
    hooks = [getattr(optimizer, f"_optimizer_step_{when}_hooks", None) for when in ("pre", "post")]
    home = sys.modules[Optimizer.__module__]
    general = [getattr(home, f"_global_optimizer_{when}_hooks", None) for when in ("pre", "post")]
    if "step" in vars(optimizer) or hooks != [{}, {}] or general != [{}, {}]:
        return False
    # a wrapper has the module's name of what it wraps, but the globals of where it was written
    written = [getattr(one, "__globals__", {}).get("__name__", "") for one in _layers(type(optimizer).step)]
    return all(name.startswith("torch.") for name in written)


def _layers(function: Any) -> Iterator[Any]:
    """A function and all that it wraps."""
    yield function
    while (function := getattr(function, "__wrapped__", None)) is not None:
        yield function


def plain_step(optimizer: Optimizer) -> Callable[[Callable[[], Tensor]], Any]:
    """torch's own `step`, without the wrappers that serve its profiler and compiler.

    To be called under `torch.no_grad()`, on an optimizer that `has_plain_step`. The wrappers cost more than the update
    of a small network, and the first call of one imports torch's compiler: 1.7 s for nothing. Public is `step` alone;
    `TORCHDYNAMO_DISABLE` in the environment stops the compiler but not its import.
    """
    return functools.partial(inspect.unwrap(type(optimizer).step), optimizer)


def spare_the_compiler() -> None:
    """Keep an optimizer from importing torch's compiler (1.7 s) when it is built, saved or loaded.

    `torch._disable_dynamo` does so at the first call of what it wraps, to mark it as not to be compiled, unless it
    finds the mark. Where torch has no such wrapper, this does nothing. No public setting keeps it from that.
    """
    for method in (Optimizer.add_param_group, Optimizer.state_dict, Optimizer.load_state_dict):
        plain = inspect.unwrap(method)
        if plain is not method:
            plain.__dict__.setdefault("__dynamo_disable", plain)
