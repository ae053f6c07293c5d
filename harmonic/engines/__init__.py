"""The engines, and which of them trains a given run."""

from __future__ import annotations

from harmonic.engines.base import Engine, State
from harmonic.schema import Config

__all__ = ["Engine", "State", "choose"]


def choose(config: Config) -> Engine:
    """The engine that `training.engine` asks for."""
    from harmonic.engines.torch import TorchEngine

    return TorchEngine(config.training.device)
