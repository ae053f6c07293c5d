"""The config tree as it stood when a sweep began, and each job's config laid over it.

Hydra composes a job in 40-80 ms. Most jobs of a sweep differ in values only (`model.width=16`), so
Hydra composes once for every choice of all else (groups, `+`, `~`, packages, `hydra.*`, lists) and the
values are laid over that. What comes out equals Hydra's own composition of each job.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, cast

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, QuotedString
from hydra.core.utils import env_override
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from harmonic._compat import hydra as compat
from harmonic.config._config_files import ReadOnce
from harmonic.config.job_settings import JobSettings, as_hydras
from harmonic.errors import ConfigError

PLAIN_SUBDIR = "${hydra.job.num}"  # the only hydra.sweep.subdir that needs no composition

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


class Snapshot:
    """Composes the jobs of one sweep.

    Args:
        loader: Hydra's, which knows the search path.
        master: the sweep's own config, as Hydra composed it.
    """

    def __init__(self, loader: compat.ConfigLoader, master: DictConfig) -> None:
        self._loader = copy.copy(loader)
        self._loader.repository = ReadOnce(loader.repository)
        self._master = master
        self._bases: dict[tuple[str, ...], _Base | None] = {}
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
        parsed = [self._parse(text) for text in overrides]
        plain = self._plain(parsed)
        rest = tuple(text for text, one in zip(overrides, parsed, strict=True) if one not in plain)
        # every job that shares a base sets the same keys, so that none sees what another has set
        signature = (*rest, *(f"{one.key_or_group}=" for one in plain))
        if signature not in self._bases:
            base = _Base(self._compose(number, overrides))
            self._bases[signature] = base if base.takes_values else None
        shared = self._bases[signature]
        of_task = [one for one in parsed if not one.is_hydra_override()]
        texts = [text for text, one in zip(overrides, parsed, strict=True) if not one.is_hydra_override()]
        if shared is not None:
            try:
                return shared.job(number, texts, of_task, plain, self.home / str(number) / below)
            except OmegaConfBaseException:
                pass  # Hydra says it in its own words
        return _whole(self._compose(number, overrides), number, texts, self.home, below)

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


class _Base:
    """A composed job on which the values of others are laid."""

    def __init__(self, composed: DictConfig) -> None:
        self._composed = composed
        self._task, self._hydra = _split(composed)
        self._template = _template(self._hydra)
        self._leaves: dict[str, Any] = {}
        self._texts: dict[tuple[str, str], str] = {}

    @cached_property
    def takes_values(self) -> bool:
        """Whether nothing in it depends on Hydra's part, which differs from job to job."""
        sweep = cast(dict[str, Any], OmegaConf.to_container(self._hydra.hydra.sweep))
        return "${hydra" not in OmegaConf.to_yaml(self._task).replace(" ", "") and sweep["subdir"] == PLAIN_SUBDIR

    @cached_property
    def _settings(self) -> JobSettings | None:
        """What Hydra sets around every job; None: something in it depends on the job."""
        plain = cast(dict[str, Any], OmegaConf.to_container(self._hydra))["hydra"]
        job = plain["job"]
        asked = [job["name"], job["chdir"], job["env_set"], plain["output_subdir"], plain["verbose"]]
        return None if "${" in repr(asked) else JobSettings.of(self._composed)

    @cached_property
    def _constant(self) -> Plain | None:
        """The task's part where no value in it depends on another one."""
        plain = cast(Plain, OmegaConf.to_container(self._task, throw_on_missing=True))
        return None if "${" in OmegaConf.to_yaml(self._task) else plain

    def job(
        self,
        number: int,
        overrides: Sequence[str],
        parsed: Sequence[Override],
        plain: Sequence[Override],
        folder: Path,
    ) -> Job:
        hydra = partial(self._fill, number, overrides, parsed, folder)
        whole = partial(self._whole, number, overrides, parsed, plain, folder)
        settings = self._settings or JobSettings.of(whole())
        if self._constant is None:
            for override in plain:
                self._set(override)
            with env_override(dict(settings.env)):
                resolved = cast(Plain, OmegaConf.to_container(self._task, resolve=True, throw_on_missing=True))
            text = dump(OmegaConf.to_container(self._task))  # now, for the next job sets other values
            return Job(number, overrides, resolved, lambda: text, hydra, folder, settings, whole)
        config = self._constant
        for override in plain:
            config = _laid(config, override.key_or_group.split("."), self._leaf(override))
        return Job(number, overrides, config, partial(self._dump, config), hydra, folder, settings, whole)

    def _whole(
        self,
        number: int,
        overrides: Sequence[str],
        parsed: Sequence[Override],
        plain: Sequence[Override],
        folder: Path,
    ) -> DictConfig:
        """All of a job's config, as Hydra has it while the job runs."""
        composed = copy.deepcopy(self._composed)
        for override in plain:
            OmegaConf.update(composed, override.key_or_group, override.value(), merge=True)
        with read_write(composed.hydra), open_dict(composed.hydra):
            composed.hydra.job.num, composed.hydra.job.id = number, str(number)
            compat.set_override_dirname(composed.hydra, parsed)
            composed.hydra.overrides.task = list(overrides)
            composed.hydra.runtime.output_dir = str(folder)
        return composed

    def _set(self, override: Override) -> None:
        OmegaConf.update(self._task, override.key_or_group, override.value(), merge=True)

    def _leaf(self, override: Override) -> Any:
        """The value of an override as the config takes it: converted to the type of its place, or refused."""
        text = str(override.input_line)
        if text not in self._leaves:
            self._set(override)
            self._leaves[text] = OmegaConf.select(self._task, override.key_or_group)
        return self._leaves[text]

    def _dump(self, config: Plain) -> str:
        """`dump`, section by section: most are those of the job before."""
        texts = []
        for key, section in config.items():
            content = (key, repr(section))
            if content not in self._texts:
                self._texts[content] = dump({key: section})
            texts.append(self._texts[content])
        return "".join(texts)

    def _fill(self, number: int, overrides: Sequence[str], parsed: Sequence[Override], folder: Path) -> str:
        """Hydra's part of a job; JSON's strings are YAML's."""
        text = self._template.replace(_TASK, json.dumps(list(overrides))).replace(str(_NUMBER), str(number))
        text = text.replace(_ID, json.dumps(str(number)))
        if compat.has_override_dirname():
            dirname = compat.override_dirname(self._hydra.hydra, parsed)
            text = text.replace(_DIRNAME, json.dumps(dirname))
        return text.replace(_OUTPUT, json.dumps(str(folder)))


def _laid(config: Plain, path: Sequence[str], value: Any) -> Plain:
    """The config with another value in one place; what is unchanged is shared."""
    head, *rest = path
    return {**config, head: _laid(config[head], rest, value) if rest else value}


def _whole(composed: DictConfig, number: int, overrides: Sequence[str], home: Path, below: str) -> Job:
    """A job from its own composition alone."""
    with as_hydras(composed):
        folder = home / str(composed.hydra.sweep.subdir) / below
        with read_write(composed.hydra.runtime), open_dict(composed.hydra.runtime):
            composed.hydra.runtime.output_dir = str(folder)
    settings = JobSettings.of(composed)
    with as_hydras(composed), env_override(dict(settings.env)):
        task, hydra = _split(composed)
        resolved = cast(Plain, OmegaConf.to_container(task, resolve=True, throw_on_missing=True))
        text, hydra_text = OmegaConf.to_yaml(task), OmegaConf.to_yaml(hydra)
    now = copy.copy(compat.resolver_cache(composed))

    def whole() -> DictConfig:
        """From the texts, which are smaller than the config."""
        read = OmegaConf.create(f"{text}{hydra_text}")
        assert isinstance(read, DictConfig)
        compat.set_resolver_cache(read, now)
        return read

    return Job(number, overrides, resolved, lambda: text, lambda: hydra_text, folder, settings, whole)


def _split(composed: DictConfig) -> tuple[DictConfig, DictConfig]:
    """The config without Hydra's part, and Hydra's part, as `run_job` saves them."""
    hydra = OmegaConf.masked_copy(composed, "hydra")
    task = copy.deepcopy(composed)  # a masked copy would forget the schema's types
    with read_write(task), open_dict(task):
        del task["hydra"]
    return task, hydra


# What differs in Hydra's part between jobs that share a base: where it stands, marked to be replaced.
_NUMBER, _ID, _DIRNAME, _OUTPUT, _TASK = 10**15 + 7, "<id>", "<dirname>", "<output>", "<task>"


def _template(hydra: DictConfig) -> str:
    """Hydra's part as YAML, marked where jobs differ."""
    marked = copy.deepcopy(hydra)
    with read_write(marked), open_dict(marked):
        marked.hydra.job.num, marked.hydra.job.id = _NUMBER, _ID
        if compat.has_override_dirname():
            marked.hydra.job.override_dirname = _DIRNAME
        marked.hydra.runtime.output_dir = _OUTPUT
        marked.hydra.overrides.task = [_TASK]
    # one line for the list, so that any list fits in its place
    return re.sub(rf"task:\s+- {_TASK}", f"task: {_TASK}", OmegaConf.to_yaml(marked))


_NUMBER_BEGINS = tuple("+-.0123456789")


class _Dumper(yaml.CSafeDumper):  # type: ignore[misc]
    """Quotes text that OmegaConf would read back as a number or a bool."""


def _represent_text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    # OmegaConf's numbers are more than YAML 1.1's (1e-4, nan); a quote too many does no harm
    style = "'" if text[:1] in _NUMBER_BEGINS or text.lower() in ("inf", "nan") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump(plain: Any) -> str:
    """Plain containers as YAML that OmegaConf reads back as they are."""
    text: str = yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text
