"""What data are: a law that points are drawn from, what is true there, and how densely they lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harmonic.config.schema import Config
from harmonic.config.targets import locate
from harmonic.errors import ConfigError


@dataclass(frozen=True)
class Sample:
    """Noisy observations: x (points, 2), y (points, 1), both float32."""

    x: Tensor
    y: Tensor


class Data(Protocol):
    """A law that points and their values are drawn from. To add one, see CONTRIBUTING."""

    def sample(self, generator: torch.Generator) -> Sample:
        """Draw x, then the noise of y, from the generator and from nothing else."""
        ...

    def truth(self, x: Tensor) -> Tensor:
        """The noise-free value (points, 1) at x (points, 2)."""
        ...

    def density(self, x: Tensor) -> Tensor:
        """The sampling density (points,) at x (points, 2), per unit area."""
        ...

    def density_level(self, mass: float) -> float:
        """The density above which the share `mass` of all samples lies (Hyndman 1996)."""
        ...


def build(section: Mapping[str, Any]) -> Data:
    """The law that `config.data` names.

    Raises:
        ConfigError: the class cannot be found or refuses its arguments.
    """
    data = locate("data", section)
    lacking = [name for name in ("sample", "truth", "density", "density_level") if not hasattr(data, name)]
    if lacking:
        raise ConfigError(f"data._target_ must have the methods of harmonic.data.Data; lacks {', '.join(lacking)}")
    return data  # type: ignore[no-any-return]


def stream(seed: int) -> torch.Generator:
    """A generator that gives what torch's global one gives after `torch.manual_seed(seed)`."""
    return torch.Generator().manual_seed(seed)


def sample(data: Data, generator: torch.Generator) -> Sample:
    """What a law draws from a generator.

    Raises:
        ConfigError: the law's class raises, or gives something else.
    """
    try:
        drawn = data.sample(generator)
        x, y = drawn.x, drawn.y
        given = ", ".join(f"{name} of {one.dtype} {tuple(one.shape)}" for name, one in (("x", x), ("y", y)))
    except Exception as error:  # somebody's class may raise anything
        raise ConfigError(f"data must draw a sample; {says(data, error)}") from error
    if {x.dtype, y.dtype} != {torch.float32} or tuple(x.shape) != (len(x), 2) or tuple(y.shape) != (len(x), 1):
        shapes = "x (points, 2) and y (points, 1) of torch.float32"
        raise ConfigError(f"data must draw {shapes}; {type(data).__name__}.sample gives {given}")
    return drawn


def says(data: Data, error: Exception) -> str:
    """What a law's class says of its arguments, in one line."""
    return " ".join(f"{type(data).__name__} says {type(error).__name__}: {error}".split())


def draw(config: Config, data: Data) -> tuple[Sample, torch.Generator]:
    """The training sample, and the generator standing where the model's parameters begin.

    One stream feeds x, the noise and the parameters, in this order, as in the post. Where
    `data.seed` or `model.seed` splits it, the model's stream skips the data's share, so that
    `data.seed = model.seed = s` is the same run as `seed = s`, and weights never repeat data. So one
    `model.seed` gives the same weights where the data draw as many numbers, and others with other `data.points`.
    """
    data_seed = config.seed if config.data["seed"] is None else config.data["seed"]
    model_seed = config.seed if config.model["seed"] is None else config.model["seed"]
    generator = stream(data_seed)
    drawn = sample(data, generator)
    if model_seed != data_seed:
        generator = stream(model_seed)
        sample(data, generator)
    return drawn, generator


def draw_validation(config: Config, data: Data) -> Sample:
    """A second sample of the same law, independent of the first: what a user could hold out.

    Its seed is hashed from the data's, for torch's generators have no jump.
    """
    data_seed = config.seed if config.data["seed"] is None else config.data["seed"]
    (hashed,) = np.random.SeedSequence([data_seed, 1]).generate_state(1)
    return sample(data, stream(int(hashed)))


def as_array(tensor: Tensor) -> NDArray[np.float32]:
    """The tensor's values on the CPU, sharing its memory where it can."""
    array: NDArray[np.float32] = tensor.detach().cpu().numpy()
    return array
