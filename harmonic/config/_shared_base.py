"""A composed job on which the values of others are laid: most jobs of a sweep differ in values only."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, cast

from hydra.core.override_parser.types import Override
from hydra.core.utils import env_override
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from harmonic._compat import hydra as compat
from harmonic.config.job import Job, Plain, split
from harmonic.config.job_settings import JobSettings
from harmonic.config.yaml_text import dump

PLAIN_SUBDIR = "${hydra.job.num}"  # the only hydra.sweep.subdir that needs no composition


class SharedBase:
    """A composed job on which the values of others are laid."""

    def __init__(self, composed: DictConfig) -> None:
        self._composed = composed
        self._task, self._hydra = split(composed)
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
