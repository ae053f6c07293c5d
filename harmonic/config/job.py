"""One job of a sweep: its config, the texts that its folder holds of it, and what Hydra sets around it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hydra.core.utils import env_override
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from harmonic._compat import hydra as compat
from harmonic.config.job_settings import JobSettings, as_hydras

Plain = dict[str, Any]  # a config, or a section of one, as plain containers


@dataclass(frozen=True)
class Job:
    """One job of a sweep. overrides: the task's, without those of `hydra`; config: plain containers,
    resolved; task_text: makes the same as composed, unresolved; hydra_text: makes Hydra's part; folder:
    where its files go; settings: what Hydra sets around it; whole: makes all of its config, Hydra's part included.
    The texts are made when they are written, for a sweep may have 100,000 jobs."""

    number: int
    overrides: Sequence[str]
    config: Plain
    task_text: Callable[[], str]
    hydra_text: Callable[[], str]
    folder: Path
    settings: JobSettings
    whole: Callable[[], DictConfig]

    @property
    def yaml(self) -> str:
        return self.task_text()

    @property
    def hydra_yaml(self) -> str:
        return self.hydra_text()


def job_of(composed: DictConfig, number: int, overrides: Sequence[str], home: Path, below: str) -> Job:
    """A job from its own composition alone."""
    with as_hydras(composed):
        folder = home / str(composed.hydra.sweep.subdir) / below
        with read_write(composed.hydra.runtime), open_dict(composed.hydra.runtime):
            composed.hydra.runtime.output_dir = str(folder)
    settings = JobSettings.of(composed)
    with as_hydras(composed), env_override(dict(settings.env)):
        task, hydra = split(composed)
        resolved = cast(Plain, OmegaConf.to_container(task, resolve=True, throw_on_missing=True))
        text, hydra_text = OmegaConf.to_yaml(task), OmegaConf.to_yaml(hydra)
    now = copy.copy(compat.resolver_cache(composed))

    def whole() -> DictConfig:
        """From the texts, which are smaller than the config."""
        if now is None:
            return composed
        read = OmegaConf.create(f"{text}{hydra_text}")
        assert isinstance(read, DictConfig)
        compat.set_resolver_cache(read, now)
        return read

    return Job(number, overrides, resolved, lambda: text, lambda: hydra_text, folder, settings, whole)


def split(composed: DictConfig) -> tuple[DictConfig, DictConfig]:
    """The config without Hydra's part, and Hydra's part, as `run_job` saves them."""
    hydra = OmegaConf.masked_copy(composed, "hydra")
    task = copy.deepcopy(composed)  # a masked copy would forget the schema's types
    with read_write(task), open_dict(task):
        del task["hydra"]
    return task, hydra
