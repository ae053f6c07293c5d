"""The config of the plugins, and its registration with Hydra.

Hydra executes plugin modules without entering them into `sys.modules`; dataclasses with deferred
annotations fail there, hence none here.
"""

from dataclasses import dataclass, field
from typing import Any, Optional

from hydra.core.config_store import ConfigStore


@dataclass
class ThreadsConf:
    _target_: str = "harmonic.executors.threads"
    workers: Optional[int] = None  # noqa: UP045 - null: one a core


@dataclass
class ProcessesConf:
    _target_: str = "harmonic.executors.processes"
    workers: Optional[int] = None  # noqa: UP045 - null: one a core


@dataclass
class LauncherConf:
    defaults: list[Any] = field(default_factory=lambda: ["_self_", {"executor": "threads"}])
    _target_: str = "hydra_plugins.hydra_harmonic.launcher.HarmonicLauncher"
    _recursive_: bool = False  # the executor is built when the sweep begins, and again when its workers die
    executor: Any = None  # what builds a concurrent.futures.Executor


@dataclass
class GridConf:
    _target_: str = "hydra_plugins.hydra_harmonic.grid.GridSweeper"
    max_batch_size: Optional[int] = None  # noqa: UP045 - null: all jobs in one batch
    params: Optional[dict[str, str]] = None  # noqa: UP045 - sweeps that the command line may override


def register() -> None:
    """Tell Hydra of the plugins' config."""
    store = ConfigStore.instance()
    store.store(group="hydra/launcher", name="harmonic", node=LauncherConf, provider="harmonic")
    store.store(group="hydra/launcher/executor", name="threads", node=ThreadsConf, provider="harmonic")
    store.store(group="hydra/launcher/executor", name="processes", node=ProcessesConf, provider="harmonic")
    store.store(group="hydra/sweeper", name="grid", node=GridConf, provider="harmonic")


register()
