"""The config tree as it stood when a sweep began, and each job's config laid over it.

Hydra composes a job in 40-80 ms. Most jobs of a sweep differ in values only (`model.width=16`), so
Hydra composes once for every choice of all else (groups, `+`, `~`, packages, `hydra.*`, lists) and the
values are laid over that. What comes out equals Hydra's own composition of each job. Where this Hydra lacks a name that
the short way needs, each job is composed by Hydra alone, and that is said.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, QuotedString
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from harmonic._compat import hydra as compat
from harmonic.config._shared_base import SharedBase
from harmonic.config.job import Job, job_of
from harmonic.errors import ConfigError

# The commonest overrides of a sweep, which Hydra's parser takes half a millisecond for.
_SETS_NUMBER = re.compile(
    r"(?P<key>[a-z_]+(\.[a-z_]+)*)=(?P<value>[+-]?(0|[1-9][0-9]*)(?P<fraction>\.[0-9]+)?(?P<power>e[+-]?[0-9]+)?)"
)


_OF_THE_SWEEP = (
    "hydra.sweeper",
    "hydra.launcher",
    "hydra.sweep.dir",
    "hydra.callbacks",
)  # what no job can have for itself


class Snapshot:
    """Composes the jobs of one sweep.

    Args:
        loader: Hydra's, which knows the search path.
        master: the sweep's own config, as Hydra composed it.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self._lacks = compat.missing(loader)
        self._loader = loader
        if self._lacks:
            _say_once(self._lacks)
        else:
            from harmonic.config._config_files import read_once

            self._loader = read_once(loader)
        self._master = master
        self._bases: dict[tuple[str, ...], SharedBase | None] = {}
        self._overrides: dict[str, Override] = {}
        self._parser = OverridesParser.create()
        self._groups: dict[str, bool] = {}
        self.home = Path(str(master.hydra.sweep.dir)).absolute()

    def job(self, number: int, overrides: Sequence[str], below: str = "") -> Job:
        """The job with this number and these overrides.

        Args:
            below: the folder of its files within the job's own.

        Raises:
            HydraException: the overrides do not fit the config tree.
        """
        if self._lacks:
            texts = [text for text in overrides if not self._parser.parse_override(text).is_hydra_override()]
            return job_of(self._compose(number, overrides), number, texts, self.home, below)
        parsed = [self._parse(text) for text in overrides]
        plain = self._plain(parsed)
        rest = tuple(text for text, one in zip(overrides, parsed, strict=True) if one not in plain)
        # every job that shares a base sets the same keys, so that none sees what another has set
        signature = (*rest, *(f"{one.key_or_group}=" for one in plain))
        if signature not in self._bases:
            base = SharedBase(self._compose(number, overrides))
            self._bases[signature] = base if base.takes_values else None
        shared = self._bases[signature]
        of_task = [one for one in parsed if not one.is_hydra_override()]
        texts = [text for text, one in zip(overrides, parsed, strict=True) if not one.is_hydra_override()]
        if shared is not None:
            try:
                return shared.job(number, texts, of_task, plain, self.home / str(number) / below)
            except OmegaConfBaseException:
                pass  # Hydra says it in its own words
        return job_of(self._compose(number, overrides), number, texts, self.home, below)

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The config with these overrides, Hydra's part included.

        Raises:
            HydraException: the overrides do not fit the config tree.
        """
        return self._compose(0, overrides)

    def _compose(self, number: int, overrides: Sequence[str]) -> DictConfig:
        """Hydra's own composition of a job."""
        composed = self._loader.load_sweep_config(self._master, list(overrides))
        with open_dict(composed):
            composed.hydra.job.id = str(number)
            composed.hydra.job.num = number
        for section in _OF_THE_SWEEP:
            if compat.unresolved(composed, section) != compat.unresolved(self._master, section):
                job = f"job {number} has another ({' '.join(overrides)})"
                raise ConfigError(
                    f"{section} must be one for all jobs of a sweep; {job}: choose it for the whole sweep"
                )
        return composed

    def _parse(self, text: str) -> Override:
        """What Hydra's parser makes of an override; of those that set numbers it sees one a key."""
        if text in self._overrides:
            return self._overrides[text]
        if number := _SETS_NUMBER.fullmatch(text):
            value = float(number["value"]) if number["fraction"] or number["power"] else int(number["value"])
            override = compat.with_value(self._parse(f"{number['key']}=x"), value, text)
        else:
            override = self._parser.parse_override(text)
        self._overrides[text] = override
        return override

    def _is_group(self, key: str) -> bool:
        if key not in self._groups:
            self._groups[key] = bool(self._loader.get_group_options(key))
        return self._groups[key]

    def _plain(self, parsed: Sequence[Override]) -> list[Override]:
        """The overrides that may be laid over a base: plain ones, of keys that no other kind of them touches."""
        touched = [
            one.key_or_group for one in parsed if not self._is_plain(one) and not self._is_group(one.key_or_group)
        ]

        def free(key: str) -> bool:
            return not any(f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.") for other in touched)

        return [one for one in parsed if self._is_plain(one) and free(one.key_or_group)]

    def _is_plain(self, override: Override) -> bool:
        """Whether an override sets one existing key to one value, and does nothing else."""
        key = override.key_or_group
        value = compat.value_of(override)
        text = value.text if isinstance(value, QuotedString) else value
        return (
            override.type is OverrideType.CHANGE
            and override.package is None
            and "/" not in key
            and key.partition(".")[0] != "hydra"
            and not self._is_group(key)
            and (text is None or isinstance(text, bool | int | float | str))
            and not (isinstance(text, str) and ("${" in text or "\\" in text or text == "???"))
        )


@cache
def _say_once(names: Sequence[str]) -> None:
    warnings.warn(f"this Hydra has no {', '.join(names)}: each job is composed by itself, which is slow", stacklevel=3)
