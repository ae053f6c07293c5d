"""What only building finds, refused before anything is trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from hydra.core.utils import env_override

from harmonic import data
from harmonic.config.schema import Config, Training
from harmonic.training import engines
from harmonic.training.trainer import built_apart, plane

SECTIONS = 4096  # of a config that are remembered as sound
UNSET: Mapping[str, str] = MappingProxyType({})

Variables = tuple[tuple[str, str], ...]


def check_buildable(config: Config, here: bool = True, env: Mapping[str, str] = UNSET) -> None:
    """Refuse what only building finds, as the start of a run does.

    What was found sound once is not built again: many runs cost no more than their different sections.

    Args:
        here: whether the run will be trained on this machine, so that its device must be there.
        env: variables that are set meanwhile; under others the same sections are checked once more.

    Raises:
        ConfigError: data, model or optimizer cannot be built as configured, or the engine cannot train them.
    """
    under = tuple(sorted(env.items()))
    training = asdict(config.training) | {"steps": 1, "evaluate_every": 1}
    if not here and training["engine"] != "native" and training["device"].startswith("cuda"):
        training |= {"engine": "torch", "device": "cpu"}  # which devices there are, only a worker knows
    with built_apart(bool(env)), env_override(dict(env)):
        _check_data(_unseeded(config.data), config.region.mass, under)
        _check_network(_unseeded(config.model), json.dumps(config.optimizer), json.dumps(training), under)


def _unseeded(section: Mapping[str, Any]) -> str:
    """A section as text, without its seed: whether it can be built does not depend on that."""
    return json.dumps({key: value for key, value in section.items() if key != "seed"})


@lru_cache(maxsize=SECTIONS)
def _check_data(section: str, mass: float, _env: Variables) -> None:
    law, _ = plane(section, mass)
    data.sample(law, data.stream(0))


@lru_cache(maxsize=SECTIONS)
def _check_network(model: str, optimizer: str, training: str, _env: Variables) -> None:
    config = Config(model=json.loads(model), optimizer=json.loads(optimizer), training=Training(**json.loads(training)))
    engines.choose(config).start(config, data.stream(0))
