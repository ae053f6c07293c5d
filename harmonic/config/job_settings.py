"""What Hydra sets around a job: its environment, its folder, its loggers and its files.

Hydra runs one job at a time in a process. Threads share the environment and the working directory, so runs that
need their own are trained there one at a time; in processes of their own, side by side.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from logging.handlers import QueueHandler
from pathlib import Path
from typing import Any, cast

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import env_override
from omegaconf import DictConfig, OmegaConf

from harmonic.config.compose import config_root


@dataclass(frozen=True)
class JobSettings:
    """What a job's config asks Hydra for.

    name: of its log; output_subdir: where its config is saved in its folder, None: nowhere; env: variables that are
    set while it runs; chdir: whether it runs in its folder; own_log: whether its loggers are others than harmonic's;
    levels: of its loggers, by name.
    """

    name: str
    output_subdir: str | None
    env: Mapping[str, str] = field(default_factory=dict)
    chdir: bool = False
    own_log: bool = False
    levels: Mapping[str, int | str] = field(default_factory=lambda: {"": logging.INFO})

    @classmethod
    def of(cls, composed: DictConfig) -> JobSettings:
        """What a job's whole config says, Hydra's part included."""
        with as_hydras(composed):
            hydra, job = composed.hydra, HydraConfig.get().job  # which sees Hydra's part alone
            logs = cast(dict[str, Any] | None, OmegaConf.to_container(hydra.job_logging) if hydra.job_logging else None)
            own_log = logs != _shipped_logging() or hydra.verbose is not False
            return cls(
                name=str(hydra.job.name),
                output_subdir=None if hydra.output_subdir is None else str(hydra.output_subdir),
                env={str(key): str(value) for key, value in job.env_set.items()},
                chdir=bool(job.chdir),
                own_log=own_log,
                levels=_levels(logs or {}, hydra.verbose) if own_log else {"": logging.INFO},
            )

    @property
    def of_a_process(self) -> bool:
        """Whether it needs what all threads of a process share."""
        return bool(self.env) or self.chdir

    def context(self, folder: Path, collects: bool = True) -> RunContext:
        """What a worker sets around the training of the run in this folder.

        Args:
            collects: whether what it logs is brought back.
        """
        return RunContext(self.env, str(folder) if self.chdir else None, self.levels if collects else None)


@dataclass(frozen=True)
class RunContext:
    """What a worker sets while it trains a run. env: variables; folder: where it stands, None: where it is;
    levels: of the loggers whose records are brought back, None: they are not."""

    env: Mapping[str, str] = field(default_factory=dict)
    folder: str | None = None
    levels: Mapping[str, int | str] | None = None

    @contextmanager
    def __call__(self) -> Iterator[list[logging.LogRecord]]:
        """Set it for a block; what the block logs comes into the list."""
        with env_override(dict(self.env)), _standing_in(self.folder):
            if self.levels is None:
                yield []
            else:
                with _collected(self.levels) as records:
                    yield records


UNCHANGED = RunContext()


@contextmanager
def as_hydras(composed: DictConfig) -> Iterator[None]:
    """Have `${hydra:...}` and `HydraConfig` speak of a job's config."""
    config = HydraConfig.instance()
    before = config.cfg
    config.set_config(composed)
    try:
        yield
    finally:
        config.cfg = before


@contextmanager
def _standing_in(folder: str | None) -> Iterator[None]:
    if folder is None:
        yield
        return
    before = Path.cwd()
    Path(folder).mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


class _Collector(QueueHandler):
    """Keeps what a thread logs, formatted and without what could not travel to another process."""

    def __init__(self) -> None:
        super().__init__(queue=None)  # type: ignore[arg-type]
        self.mine = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        records = getattr(self.mine, "records", None)
        if records is not None:
            records.append(self.prepare(record))


_collector = _Collector()


@contextmanager
def _collected(levels: Mapping[str, int | str]) -> Iterator[list[logging.LogRecord]]:
    root = logging.getLogger()
    if _collector not in root.handlers:  # Hydra takes all handlers away where it configures its own
        root.addHandler(_collector)
    if threading.current_thread() is threading.main_thread():  # a worker process; the leader's loggers are set
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    _collector.mine.records = records = list[logging.LogRecord]()
    try:
        yield records
    finally:
        _collector.mine.records = None


def _levels(logs: Mapping[str, Any], verbose: Any) -> dict[str, int | str]:
    """The levels that a logging config and `hydra.verbose` give to loggers, by name."""
    named = {"": logs.get("root") or {}, **(logs.get("loggers") or {})}
    levels: dict[str, int | str] = {name: one["level"] for name, one in named.items() if "level" in one}
    if isinstance(verbose, bool):
        loud = [""] if verbose else []
    else:
        loud = [verbose] if isinstance(verbose, str) else list(verbose)
    return levels | dict.fromkeys(loud, logging.DEBUG)


@cache
def _shipped_logging() -> Any:
    return OmegaConf.to_container(OmegaConf.load(config_root() / "conf/hydra/job_logging/harmonic.yaml"))
