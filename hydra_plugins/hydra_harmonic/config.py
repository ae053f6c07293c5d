"""The config of the plugins, and its registration with Hydra.

Hydra executes plugin modules without entering them into `sys.modules`; dataclasses with deferred
annotations fail there, hence none here.
"""

from dataclasses import dataclass, field
from typing import Any, Optional

from hydra.core.config_store import ConfigStore


@dataclass
class ThreadsConf:
    _target_: str = "harmonic.execution.executors.threads"
    workers: Optional[int] = None  # noqa: UP045 - null: one a core


@dataclass
class ProcessesConf:
    _target_: str = "harmonic.execution.executors.processes"
    workers: Optional[int] = None  # noqa: UP045 - null: one a core


@dataclass
class DaskConf:
    _target_: str = "harmonic.execution.dask.dask"
    _recursive_: bool = False  # a cluster is started when the first run is ready
    address: Optional[str] = None  # noqa: UP045 - of a scheduler, as tcp://host:8786
    workers: Optional[int] = None  # noqa: UP045 - where there is no address: processes here, or workers of the cluster
    cluster: Any = None  # where there is no address: what builds a Dask cluster; null: processes on this machine
    paused_timeout: Any = 600  # seconds after which a sweep ends where Dask has paused all workers and none trains


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


@dataclass
class SearchConf:
    _target_: str = "hydra_plugins.hydra_harmonic.sweeper.HarmonicSweeper"
    _recursive_: bool = False  # sampler and pruner are built when the search begins
    params: Optional[dict[str, Any]] = None  # noqa: UP045 - key: range, in Hydra's sweep syntax; the command line's go before
    n_trials: int = 20  # in total: a sweep that is started again goes on to this number
    n_jobs: Optional[int] = None  # noqa: UP045 - most trials in flight; null: as many as keep the workers busy
    direction: Any = "minimize"  # or maximize; of several objectives a list
    seeds: Any = None  # replicates: a list, or range(0,8); a trial's value is their mean. null: the config's own seed
    fresh_seeds: Any = None  # seeds that no trial uses, from which the best is trained once more in the end
    sampler: Any = field(default_factory=lambda: {"_target_": "optuna.samplers.TPESampler", "seed": 0})
    pruner: Any = field(default_factory=lambda: {"_target_": "optuna.pruners.NopPruner"})
    rungs: Optional[int] = None  # noqa: UP045 - steps between two reports to the pruner; null: training.evaluate_every
    prune_by: Optional[str] = None  # noqa: UP045 - the column to prune by; null: the objective, if it is one
    study_name: Optional[str] = None  # noqa: UP045 - null: the name of the sweep's folder
    storage: Optional[str] = None  # noqa: UP045 - an Optuna URL; null: study.journal in the sweep's folder
    heartbeat: int = 10  # seconds between two signs of life to other sweepers, who take over after three silent ones
    max_retries: int = 1  # of a run that raises
    max_failure_rate: float = 0.1  # share of n_trials that may fail by an exception before the sweep ends
    timeout: Optional[float] = None  # noqa: UP045 - seconds after which no trial is begun
    target: Optional[float] = None  # noqa: UP045 - a value that is good enough
    patience: Optional[int] = None  # noqa: UP045 - trials without improvement after which the sweep ends
    allow_changes: bool = False  # go on with a study though its space or base config has changed


def register() -> None:
    """Tell Hydra of the plugins' config."""
    store = ConfigStore.instance()
    store.store(group="hydra/launcher", name="harmonic", node=LauncherConf, provider="harmonic")
    store.store(group="hydra/launcher/executor", name="threads", node=ThreadsConf, provider="harmonic")
    store.store(group="hydra/launcher/executor", name="processes", node=ProcessesConf, provider="harmonic")
    store.store(group="hydra/launcher/executor", name="dask", node=DaskConf, provider="harmonic")
    store.store(group="hydra/sweeper", name="harmonic", node=SearchConf, provider="harmonic")
    store.store(group="hydra/sweeper", name="grid", node=GridConf, provider="harmonic")


register()
