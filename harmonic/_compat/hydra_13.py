"""How Hydra 1.3 makes its lists of defaults, which tells what wins of two overrides. 1.4 needs none of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# What one composition makes of its lists of defaults, and which `override` loses; nothing public tells of either.
from hydra._internal import config_loader_impl
from hydra._internal.config_repository import IConfigRepository as IConfigRepository
from hydra._internal.defaults_list import DefaultsList as DefaultsList
from hydra._internal.defaults_list import Overrides as Overrides
from hydra._internal.defaults_list import _create_defaults_list as create_defaults_list
from hydra._internal.hydra import Hydra
from hydra.types import RunMode

__all__ = ["DefaultsList", "IConfigRepository", "Overrides", "create_defaults_list"]


@contextmanager
def defaults_list_by(create: Callable[..., Any]) -> Iterator[None]:
    """While this lasts Hydra makes its lists of defaults by another function, in every composition, and what goes wrong
    where it composes only to learn if this is a sweep is raised, not taken for "no". No public hook sees either."""
    before, mode = config_loader_impl.create_defaults_list, Hydra.get_mode  # type: ignore[attr-defined]
    config_loader_impl.create_defaults_list = create  # type: ignore[attr-defined]
    Hydra.get_mode = _mode  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        config_loader_impl.create_defaults_list = before  # type: ignore[attr-defined]
        Hydra.get_mode = mode  # type: ignore[method-assign]


def _mode(application: Any, config_name: str | None, overrides: list[str]) -> Any:
    composed = application.compose_config(config_name, overrides, RunMode.MULTIRUN, validate_sweep_overrides=False)
    return composed.hydra.mode
