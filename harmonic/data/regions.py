"""The dense and the sparse region of the data, and the error in each.

The dense region is the highest-density region of the sampling density that holds a given share
of the samples: every point in it is likelier than every point outside (R. J. Hyndman, "Computing
and Graphing Highest Density Regions", The American Statistician 50, 1996). The sparse region is
the rest of the grid on which errors are taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harmonic.data.base import Data, as_array
from harmonic.errors import ConfigError

EXTENT = 10.0  # errors are taken on [-EXTENT, EXTENT]^2, as in the post's pictures
RESOLUTION = 100  # grid points a side


@dataclass(frozen=True)
class Regions:
    """The evaluation grid, its truth, and which of its points are dense.

    x: (RESOLUTION^2, 2) float32, x0 varying slowest. truth: (RESOLUTION^2,) float64.
    density: (RESOLUTION^2,) float64, per unit area. dense: (RESOLUTION^2,) bool.
    level: the density on the border of the dense region.
    """

    x: Tensor
    truth: NDArray[np.float64]
    density: NDArray[np.float64]
    dense: NDArray[np.bool_]
    level: float

    def errors(self, prediction: NDArray[np.float32]) -> tuple[float, float]:
        """Root-mean-square error against the truth of a prediction (RESOLUTION^2,): dense, sparse."""
        squares = np.square(prediction.astype(np.float64) - self.truth)
        dense, sparse = (float(np.sqrt(squares.take(where).mean())) for where in self._where)
        return dense, sparse

    @cached_property
    def _where(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        return np.flatnonzero(self.dense), np.flatnonzero(~self.dense)


def build(data: Data, mass: float) -> Regions:
    """The regions of a law for the share `mass` of its samples.

    Raises:
        ConfigError: one of the two regions holds no point of the grid, or the data give not one value a point.
    """
    line = torch.linspace(-EXTENT, EXTENT, RESOLUTION)
    x = torch.cartesian_prod(line, line)
    density, truth = (_at_each(data, name, x) for name in ("density", "truth"))
    level = data.density_level(mass)
    dense = density >= level
    if dense.all() or not dense.any():
        empty = "sparse" if dense.all() else "dense"
        raise ConfigError(
            f"region.mass and the data must leave both regions a point of the grid on "
            f"[-{EXTENT:g}, {EXTENT:g}]^2; the {empty} region is empty at region.mass={mass:g}"
        )
    return Regions(x, truth, density, dense, level)


def _at_each(data: Data, name: str, x: Tensor) -> NDArray[np.float64]:
    """The data's density or truth (points,) at x (points, 2)."""
    values = as_array(getattr(data, name)(x))
    if values.size != len(x):
        given = f"{type(data).__name__}.{name} gives an array of shape {values.shape} for {len(x)} points"
        raise ConfigError(f"data must give one value a point; {given}")
    return values.ravel().astype(np.float64)


def rmse(prediction: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    """Root-mean-square difference of two arrays of one shape."""
    return float(np.sqrt(np.mean(np.square(prediction.astype(np.float64) - y))))
