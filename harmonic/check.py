"""The Hydra callback that refuses bad input before a folder is made or a step is trained."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from harmonic.errors import ConfigError, HarmonicError
from harmonic.schema import parse

BAD_INPUT = 2  # exit code


class Check(Callback):
    """Checks the config of a single run; the jobs of a multirun check their own.

    Hydra turns a callback's exception into a warning and goes on, so this leaves by SystemExit.
    """

    def on_run_start(self, config: DictConfig, **_kwargs: Any) -> None:
        try:
            _check_name(config)
            checked = parse(config)
            from harmonic.trial import Trial

            Trial(checked).start()
        except HarmonicError as error:
            leave(str(error))

    def on_multirun_start(self, config: DictConfig, **_kwargs: Any) -> None:
        try:
            _check_name(config)
        except HarmonicError as error:
            leave(str(error))


def _check_name(config: DictConfig) -> None:
    """Refuse a job's name that is a path, for the log is named after it."""
    name = str(config.hydra.job.name)
    if name != Path(name).name:
        raise ConfigError.broken("hydra.job.name", "a file's name without folders", name)


def leave(message: str, code: int = BAD_INPUT) -> None:
    """Say in one line what is wrong, and exit."""
    print(f"harmonic: {message}", file=sys.stderr)
    raise SystemExit(code)
