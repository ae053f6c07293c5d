"""The engines, and which of them trains a given run."""

from __future__ import annotations

from harmonic.config.schema import Config
from harmonic.errors import ConfigError
from harmonic.training.engine import Engine, State

__all__ = ["Engine", "State", "choose"]


def choose(config: Config) -> Engine:
    """The engine that `training.engine` asks for; `auto` is native where it can express the run.

    Raises:
        ConfigError: native is asked for and lacks something; the device is not there.
    """
    wanted = config.training.engine
    if wanted != "torch":
        from harmonic.training.native_engine import NativeEngine, lacks

        missing = lacks(config)
        if missing is None:
            return NativeEngine()
        if wanted == "native":
            raise ConfigError(f"training.engine=native must suit the run, but lacks {missing}; take auto or torch")
    from harmonic.training.torch_engine import TorchEngine

    return TorchEngine(config.training.device)
