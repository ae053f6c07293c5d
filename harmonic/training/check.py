"""What only building finds, refused before anything is trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from harmonic import data
from harmonic.config.schema import Config, Training
from harmonic.training import engines
from harmonic.training.trainer import plane

SECTIONS = 4096  # of a config that are remembered as sound


def check_buildable(config: Config, here: bool = True) -> None:
    """Refuse what only building finds, as the start of a run does.

    What was found sound once is not built again: many runs cost no more than their different sections.

    Args:
        here: whether the run will be trained on this machine, so that its device must be there.

    Raises:
        ConfigError: data, model or optimizer cannot be built as configured, or the engine cannot train them.
    """
    _check_data(_unseeded(config.data), config.region.mass)
    training = asdict(config.training) | {"steps": 1, "evaluate_every": 1}
    if not here and training["engine"] != "native" and training["device"].startswith("cuda"):
        training |= {"engine": "torch", "device": "cpu"}  # which devices there are, only a worker knows
    _check_network(_unseeded(config.model), json.dumps(config.optimizer), json.dumps(training))


def _unseeded(section: Mapping[str, Any]) -> str:
    """A section as text, without its seed: whether it can be built does not depend on that."""
    return json.dumps({key: value for key, value in section.items() if key != "seed"})


@lru_cache(maxsize=SECTIONS)
def _check_data(section: str, mass: float) -> None:
    law, _ = plane(section, mass)
    data.sample(law, data.stream(0))


@lru_cache(maxsize=SECTIONS)
def _check_network(model: str, optimizer: str, training: str) -> None:
    config = Config(model=json.loads(model), optimizer=json.loads(optimizer), training=Training(**json.loads(training)))
    engines.choose(config).start(config, data.stream(0))
