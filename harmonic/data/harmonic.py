"""The post's law, of which truth and density are known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from harmonic.data.base import Sample


@dataclass(frozen=True)
class Harmonic:
    """The post's law: y = sin(x0) + cos(x1) + noise, with x drawn from an isotropic Gaussian.

    Args:
        points: number of observations.
        scale: standard deviation of x0 and of x1.
        noise: standard deviation of the noise on y.
    """

    points: int
    scale: float
    noise: float

    def sample(self, generator: torch.Generator) -> Sample:
        x = torch.randn(self.points, 2, generator=generator) * self.scale
        y = self.truth(x)
        y += torch.randn(self.points, 1, generator=generator) * self.noise
        return Sample(x, y)

    def truth(self, x: Tensor) -> Tensor:
        return (x[:, 0].sin() + x[:, 1].cos()).unsqueeze(1)

    def density(self, x: Tensor) -> Tensor:
        r2 = (x.double() / self.scale).square().sum(1)
        return torch.exp(-r2 / 2) / (2 * math.pi * self.scale**2)

    def density_level(self, mass: float) -> float:
        # The share outside radius r is exp(-r^2 / 2 scale^2): the very factor in the density.
        return (1 - mass) / (2 * math.pi * self.scale**2)
