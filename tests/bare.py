"""The post's listing as bare as can be, written anew: what harmonic is compared with.

The global generator is seeded once; then come x, the noise and the parameters, as there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from torch import nn

POINTS, WIDTH = 1000, 50
STEPS = {"post_sgd": 1001, "post_adam": 1000, "post_deep": 2000}


def descend(experiment: str, seed: int, steps: int) -> Iterator[float]:
    """The loss before each update."""
    torch.manual_seed(seed)
    x = torch.randn(POINTS, 2) * 3.1415
    y = (x[:, 0].sin() + x[:, 1].cos()).unsqueeze(1)
    y += torch.randn(POINTS, 1) * 1e-1
    hidden = [nn.Linear(2, WIDTH), nn.Sigmoid()]
    if experiment == "post_deep":
        hidden += [nn.Linear(WIDTH, WIDTH), nn.Sigmoid()]
    model = nn.Sequential(*hidden, nn.Linear(WIDTH, 1))
    loss_of = nn.MSELoss(reduction="sum")
    adam = None if experiment == "post_sgd" else torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(steps):
        loss = loss_of(model(x), y)
        yield loss.item()
        model.zero_grad()
        loss.backward()
        if adam is not None:
            adam.step()
        else:
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= 1e-4 * parameter.grad  # type: ignore[operator,misc]


def losses(experiment: str, seed: int) -> list[float]:
    """The loss before each update of one of the post's configurations."""
    return list(descend(experiment, seed, STEPS[experiment]))


def seconds_per_step(experiment: str, steps: int) -> float:
    """Wall time of one step of the bare loop, the first few left out."""
    loop = descend(experiment, 0, steps + 10)
    for _ in range(10):
        next(loop)
    started = time.perf_counter()
    for _ in loop:
        pass
    return (time.perf_counter() - started) / steps
