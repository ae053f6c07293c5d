"""Optimizers of one's own, each of which keeps or does something that those of torch.optim do not."""

# mypy: disable-error-code="override"

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import SGD, Optimizer

Closure = Callable[[], Tensor] | None


class Own(Optimizer):
    """Gradient descent; the others change a part of it."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    def step(self, closure: Closure = None) -> Any:
        loss = closure() if closure else None
        self._move(1.0)
        return loss

    def _move(self, factor: float) -> None:
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter -= factor * group["lr"] * parameter.grad


class Grouped(Own):
    """Counts in its groups, and slows down by the count."""

    def step(self, closure: Closure = None) -> Any:
        loss = closure() if closure else None
        for group in self.param_groups:
            group["k"] = group.get("k", 0) + 1
            group["weights"] = (group.get("weights", (0.0,))[0] + group["lr"] ** 2, None, "text")
        self._move(1 / group["k"] + group["weights"][0])
        return loss


class ScheduleFree(Own):
    """Trains other parameters than it gives (Defazio et al. 2024, with SGD), and counts in its groups."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, lr)
        for group in self.param_groups:
            group |= {"k": 0, "train_mode": False}

    def _switch(self, training: bool) -> None:
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if "z" in self.state[parameter] and group["train_mode"] is not training:
                        parameter.lerp_(self.state[parameter]["z"], 0.1 if training else 1 - 1 / 0.9)
                group["train_mode"] = training

    def train(self) -> None:
        self._switch(True)

    def eval(self) -> None:
        self._switch(False)

    def step(self, closure: Closure = None) -> Any:
        if not self.param_groups[0]["train_mode"]:
            raise RuntimeError("the optimizer must be in training")
        loss = closure() if closure else None
        with torch.no_grad():
            for group in self.param_groups:
                group["k"] += 1
                for parameter in group["params"]:
                    z = self.state[parameter].setdefault("z", parameter.clone())
                    parameter.lerp_(z, 1 / group["k"]).add_(parameter.grad, alpha=-0.1 * group["lr"])
                    z.sub_(parameter.grad, alpha=group["lr"])
        return loss


class Mixed(Own):
    """Keeps texts, whole numbers, truth values, double precision and arrays of NumPy in its state."""

    def step(self, closure: Closure = None) -> Any:
        loss = closure() if closure else None
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    kept = self.state[parameter]
                    if not kept:
                        kept |= {"sum": parameter.double(), "mode": "first", "n": torch.tensor(2**40), "flag": False}
                        kept |= {"array": np.zeros(2), "one": np.float64(1), "half": torch.ones(1).bfloat16()}
                    kept["sum"] -= group["lr"] * parameter.grad.double() * (0.5 if kept["mode"] == "first" else 1.0)
                    kept["n"] += 1
                    kept["flag"] = bool(kept["n"] % 2)
                    kept["array"][1] += 1
                    kept["one"] *= 0.999
                    kept["half"] *= 1.01
                    kept["mode"] = "later" if kept["flag"] else "first"
                    parameter.copy_(kept["sum"] * float(kept["one"]) ** kept["array"][1])
            general: dict[Any, Any] = self.state
            general["all"] = {"steps": general.get("all", {"steps": 0})["steps"] + 1}
        return loss


class Noisy(Own):
    """Draws from torch's global generator."""

    def step(self, closure: Closure = None) -> Any:
        loss = closure() if closure else None
        with torch.no_grad():
            for parameter in self.param_groups[0]["params"]:
                parameter += 0.01 * torch.randn_like(parameter)
        self._move(1.0)
        return loss


class Deaf(Own):
    """Takes a closure and does not call it."""

    def step(self, closure: Closure = None) -> Any:  # noqa: ARG002
        self._move(1.0)


class Closureless(Own):
    """Takes no closure."""

    def step(self) -> Any:
        self._move(1.0)


class Named(Own):
    """Takes its closure by name alone, and returns nothing."""

    def step(self, *, closure: Closure = None) -> Any:
        if closure:
            closure()
        self._move(1.0)


class Clearing(Own):
    """Clears the gradients before it calls the closure."""

    def step(self, closure: Closure = None) -> Any:
        assert closure
        for parameter in self.param_groups[0]["params"]:
            parameter.grad.data.zero_()
        loss = closure()
        self._move(1.0)
        return loss


class Sharp(Own):
    """Goes uphill with the gradients it finds, and down with those that it finds there (SAM, Foret et al. 2021)."""

    def step(self, closure: Closure = None) -> Any:
        assert closure
        self._move(-1.0)
        before = [parameter.grad.clone() for parameter in self.param_groups[0]["params"]]
        closure()
        for parameter, gradient in zip(self.param_groups[0]["params"], before, strict=True):
            parameter.data -= self.param_groups[0]["lr"] * gradient
        self._move(1.0)


def _twice(step: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(step)
    def stepping(self: Any, closure: Closure = None) -> Any:
        step(self, closure)
        return step(self, closure)

    return stepping


class Decorated(SGD):
    """Two steps of torch's a step, by a decorator."""

    step = _twice(SGD.step)


class Hooked(SGD):
    """Halves each update by hooks."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, lr)
        self.before: list[Tensor] = []
        self.register_step_pre_hook(lambda *_: self._keep())
        self.register_step_post_hook(lambda *_: self._halve())

    def _keep(self) -> None:
        self.before = [parameter.detach().clone() for parameter in self.param_groups[0]["params"]]

    def _halve(self) -> None:
        for parameter, value in zip(self.param_groups[0]["params"], self.before, strict=True):
            parameter.data.lerp_(value, 0.5)


class Patched(SGD):
    """Has a step of its own as an attribute, as torch's schedulers give their optimizers."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, lr)
        self.step = functools.partial(_twice(SGD.step), self)  # type: ignore[method-assign]


class Saving(Own):
    """Counts in an attribute, and says so in its `state_dict`."""

    steps = 0

    def step(self, closure: Closure = None) -> Any:
        loss = closure() if closure else None
        self.steps += 1
        self._move(1 / self.steps)
        return loss

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"steps": self.steps}

    def load_state_dict(self, state_dict: Any) -> None:
        super().load_state_dict(state_dict)
        self.steps = state_dict["steps"]


class Forgetful(Own):
    """Counts in an attribute, and tells nobody."""

    steps = 0

    def step(self, closure: Closure = None) -> Any:
        loss = closure() if closure else None
        self.steps += 1
        self._move(1 / self.steps)
        return loss


class Elsewhere(Own):
    """Draws from a generator of NumPy's that nobody saves."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, lr)
        self.generator = np.random.default_rng(0)

    def step(self, closure: Closure = None) -> Any:
        loss = closure() if closure else None
        self._move(self.generator.uniform())
        return loss


class Unsaved(Own):
    """Keeps in its state what is no plain value."""

    def step(self, closure: Closure = None) -> Any:
        loss = closure() if closure else None
        self.state[self.param_groups[0]["params"][0]]["kept"] = {1, 2}
        return loss


class Demanding(Own):
    """Takes more than a closure."""

    def step(self, closure: Closure, loss: Tensor) -> Any:  # noqa: ARG002
        raise AssertionError


class Refusing(Own):
    """Raises what no one expects of a constructor."""

    def __init__(self, params: Any, lr: float) -> None:  # noqa: ARG002
        raise LookupError("no such thing")
