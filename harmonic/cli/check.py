"""The Hydra callback that refuses bad input before a folder is made or a step is trained."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

from hydra.core.utils import env_override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harmonic._compat.hydra import unresolved
from harmonic.config.job_settings import JobSettings
from harmonic.config.schema import parse
from harmonic.errors import ConfigError, HarmonicError

BAD_INPUT = 2  # exit code


class Check(Callback):
    """Checks the config of a single run; the jobs of a multirun check their own.

    Hydra turns a callback's exception into a warning and goes on, so this leaves by SystemExit.
    """

    def on_run_start(self, config: DictConfig, **_kwargs: Any) -> None:
        try:
            _check_name(config)
            _check_heard(config, sweep=False)
            from harmonic.training.trainer import build, built_apart

            env = dict(JobSettings.of(config).env)
            with built_apart(bool(env)), env_override(env):
                build(parse(config)).start()
        except (HarmonicError, OmegaConfBaseException) as error:
            leave(" ".join(str(error).split()))

    def on_multirun_start(self, config: DictConfig, **_kwargs: Any) -> None:
        try:
            _check_name(config)
            _check_heard(config, sweep=True)
        except HarmonicError as error:
            leave(str(error))


def _check_name(config: DictConfig) -> None:
    """Refuse a job's name that is a path, for the log is named after it."""
    typed = str(unresolved(config, "hydra.job.name"))
    name = typed if "${hydra.job" in typed else str(config.hydra.job.name)  # in a sweep, what each job is told
    if name != Path(name).name:
        raise ConfigError.broken("hydra.job.name", "a file's name without folders", name)


# what the command line may not set: Hydra writes over it
_HYDRAS = ("hydra.runtime", "hydra.overrides", "hydra.job.config_name", "hydra.job.override_dirname")
_OF_A_JOB = ("hydra.job.num", "hydra.job.id")  # what a sweep numbers itself
_OF_A_SWEEP = ("hydra.sweeper", "hydra.launcher", "hydra/sweeper", "hydra/launcher")


def _check_heard(config: DictConfig, sweep: bool) -> None:
    """Refuse overrides of Hydra's own config that would change nothing here.

    Raises:
        ConfigError: one of them is of a sweep and this is none, or the other way round, or is Hydra's own to set.
    """
    given = cast(list[str], OmegaConf.to_container(config.hydra.overrides.hydra))  # as typed: `${...}` is not resolved
    keys = [text.lstrip("+~").partition("=")[0] for text in given]

    def first(*names: str) -> str | None:
        return next(
            (key for key in keys if any(f"{key}.".startswith((f"{name}.", f"{name}/")) for name in names)), None
        )

    if key := first(*_HYDRAS, *(_OF_A_JOB if sweep else ())):
        raise ConfigError(f"'{key}' is Hydra's own to set; leave it out")
    if not sweep and (key := first(*_OF_A_SWEEP)):
        raise ConfigError(f"'{key}' is of a sweep, and this is a single run; add -m to sweep, or leave it out")
    here, elsewhere = ("hydra.sweep.dir", "hydra.run") if sweep else ("hydra.run.dir", "hydra.sweep")
    if (key := first(elsewhere)) and not first(here):
        kind = "a single run, and this is a sweep" if sweep else "a sweep, and this is a single run"
        raise ConfigError(f"'{key}' is of {kind}, whose folder is {here}; got {given[keys.index(key)]}")


def leave(message: str, code: int = BAD_INPUT) -> None:
    """Say in one line what is wrong, and exit."""
    print(f"harmonic: {message}", file=sys.stderr)
    raise SystemExit(code)
