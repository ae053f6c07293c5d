"""One update by an optimizer, whatever it does with the closure that `torch.optim` hands to its `step`.

A step is called as torch's own loop calls it: the loss and its gradients are there, and a closure gives them again.
So an optimizer may call the closure never, once or many times, and return what it likes.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from harmonic._compat.torch import has_plain_step, plain_step
from harmonic.training.optimizer_state import parameters_in

Evaluate = Callable[[], Tensor]


class Stepper:
    """Makes updates, one a call.

    Args:
        optimizer: of any class.
        evaluate: sets the gradients of the optimizer's parameters anew, and gives the loss.
    """

    def __init__(self, optimizer: Optimizer, evaluate: Evaluate) -> None:
        self._evaluate = evaluate
        self._parameters = parameters_in(optimizer)
        self._torchs = has_plain_step(optimizer)
        self._step = plain_step(optimizer) if self._torchs else _step_with(optimizer)
        self._ready: tuple[Tensor, list[Tensor | None]] | None = None

    def __call__(self) -> float:
        """One update; the loss before it. Where that is not finite nothing is updated."""
        with torch.enable_grad():
            loss = self._evaluate()
        value = float(loss.detach())
        if math.isfinite(value):
            self._ready = loss, [] if self._torchs else self._copies()
            # `plain_step` lacks the wrapper that turns gradients off
            with torch.set_grad_enabled(not self._torchs):
                self._step(self._closure)
        return value

    def _closure(self) -> Tensor:
        ready, self._ready = self._ready, None
        # torch's own begin with the closure; others may have moved the parameters or cleared the gradients before
        if ready is not None and (self._torchs or self._unmoved(ready[1])):
            return ready[0]
        with torch.enable_grad():
            return self._evaluate()

    def _copies(self) -> list[Tensor | None]:
        return [None if tensor is None else tensor.detach().clone() for tensor in self._tensors()]

    def _unmoved(self, copies: list[Tensor | None]) -> bool:
        pairs = zip(self._tensors(), copies, strict=True)
        return all(now is then or (now is not None and then is not None and now.equal(then)) for now, then in pairs)

    def _tensors(self) -> Iterator[Tensor | None]:
        for parameter in self._parameters:
            yield parameter.detach()
            yield parameter.grad


def _step_with(optimizer: Optimizer) -> Callable[[Evaluate], Any]:
    """An optimizer's `step` as it is, called with the closure if it takes one."""
    step: Callable[..., Any] = optimizer.step
    taken = inspect.signature(step).parameters
    kinds = {p.kind for p in taken.values()}
    closure = taken.get("closure")
    if inspect.Parameter.VAR_POSITIONAL in kinds or (closure and closure.kind is closure.POSITIONAL_ONLY):
        return step
    if closure or inspect.Parameter.VAR_KEYWORD in kinds:
        return lambda evaluate: step(closure=evaluate)
    first = next(iter(taken.values()), None)
    if first is not None and first.default is first.empty:
        return step
    return lambda _evaluate: step()
