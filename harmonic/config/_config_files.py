"""The config files of a sweep, read once: what somebody edits meanwhile changes nothing in it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from harmonic._compat.hydra import ConfigRepository, with_repository


def read_once(loader: ConfigLoader) -> ConfigLoader:
    """A loader whose files are read once; the given one stays as it is."""
    return with_repository(loader, ReadOnce)


class ReadOnce(ConfigRepository):
    """Hydra's repository, which answers every question as it did the first time.

    Args:
        repository: whose sources are read: at once, in the groups that the application has itself.
    """

    def __init__(self, repository: ConfigRepository) -> None:
        self.sources = repository.sources
        self._answers: dict[tuple[Any, ...], Any] = {}
        self._read("")

    def __deepcopy__(self, memo: dict[int, Any]) -> ReadOnce:
        """Hydra copies a repository for every composition: the copies share what was read."""
        return copy.copy(self)

    def initialize_sources(self, config_search_path: ConfigSearchPath) -> None:
        """Read other folders from now on (a job may change `hydra.searchpath`)."""
        super().initialize_sources(config_search_path)
        self._answers = {}

    def load_config(self, config_path: str) -> ConfigResult | None:
        result: ConfigResult | None = self._once(super().load_config, config_path)
        return copy.deepcopy(result)  # Hydra writes to it

    def group_exists(self, config_path: str) -> bool:
        return bool(self._once(super().group_exists, config_path))

    def config_exists(self, config_path: str) -> bool:
        return bool(self._once(super().config_exists, config_path))

    def get_group_options(self, group_name: str, results_filter: ObjectType | None = ObjectType.CONFIG) -> list[str]:
        return list(self._once(super().get_group_options, group_name, results_filter))

    def _once(self, question: Callable[..., Any], *arguments: Any) -> Any:
        key = (question.__name__, *arguments)
        if key not in self._answers:
            self._answers[key] = question(*arguments)
        return self._answers[key]

    def _read(self, group: str) -> None:
        """Read a group and those below it, as far as the application's own folders have them."""
        for name in self.get_group_options(group):
            path = f"{group}/{name}" if group else name
            with suppress(OmegaConfBaseException, HydraException, YAMLError):  # told to whoever chooses it
                self.load_config(path)
            self.config_exists(path)
        for source in self.sources:
            if source.provider == "main" and source.is_group(group):
                for name in source.list(group, ObjectType.GROUP):
                    self._read(f"{group}/{name}" if group else name)
