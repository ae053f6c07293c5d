"""Of two `override` of one group, which goes first: Hydra 1.3 takes that of the primary config.

So an experiment from the command line loses, without a word, to the file of a sweep that has the same group in its
own defaults (facebookresearch/hydra#3229). What loses here is refused, with what to write instead. In Hydra 1.4 the
command line's goes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from hydra.core.default_element import DefaultsTreeNode, GroupDefault, InputDefault
from hydra.core.override_parser.types import Override

from harmonic._compat.hydra_13 import (
    DefaultsList,
    IConfigRepository,
    Overrides,
    create_defaults_list,
    defaults_list_by,
)
from harmonic.errors import ConfigError


@dataclass(frozen=True)
class _Lost:
    """An `override` in a defaults list that changed nothing, for another one of its group was met before."""

    config: str
    group: str
    option: str


class _Noting(Overrides):
    """Hydra's overrides, which note those that they leave out."""

    def __init__(self, repo: IConfigRepository, overrides_list: list[Override]) -> None:
        super().__init__(repo, overrides_list)
        self.lost: list[_Lost] = []

    def add_override(self, parent_config_path: str, default: GroupDefault) -> None:
        super().add_override(parent_config_path, default)
        key = default.get_override_key()
        if self.override_choices[key] != default.value:
            self.lost.append(_Lost(parent_config_path, key, str(default.value)))


@contextmanager
def told() -> Iterator[None]:
    """While this lasts, a composition where the command line's choice of a config loses an `override` is refused.

    Hydra composes first to learn whether it is a sweep, and takes what goes wrong there for "no": the swept keys are
    then called ambiguous. Here what went wrong is raised.

    Raises:
        ConfigError: in Hydra's composition.
    """
    with defaults_list_by(_create):
        yield


def _create(
    repo: IConfigRepository,
    config_name: str | None,
    overrides_list: list[Override],
    prepend_hydra: bool,
    skip_missing: bool,
) -> DefaultsList:
    """Hydra's `create_defaults_list`, less its silence."""
    overrides = _Noting(repo, overrides_list)
    defaults, tree = create_defaults_list(repo, config_name, overrides, prepend_hydra, skip_missing)
    overrides.ensure_overrides_used()
    overrides.ensure_deletions_used()
    _check(overrides, tree)
    return DefaultsList(defaults, tree, overrides.config_overrides, overrides)


def _check(overrides: _Noting, tree: DefaultsTreeNode) -> None:
    """Refuse what a choice of the command line says in vain.

    Raises:
        ConfigError: an `override` below a config that the command line names lost to one that it does not name.
    """
    if not overrides.lost:
        return
    chosen = dict(_chosen(tree, _named(overrides)))
    for lost in overrides.lost:
        winner = overrides.override_metadata[lost.group]
        said = chosen.get(lost.config)
        if said and not _external(overrides, lost.group) and winner.containing_config_path not in chosen:
            first = f"{lost.group}={overrides.override_choices[lost.group]}"
            raise ConfigError(
                f"'{said}' must be able to choose {lost.group}={lost.option}, but 'override {lost.group}' in "
                f"'{winner.containing_config_path}' goes first; got both: add {lost.group}={lost.option} (or {first}) "
                f"to the command line, or move that override into a config that '{winner.containing_config_path}' "
                "names before _self_ in its defaults"
            )


def _chosen(
    node: DefaultsTreeNode | InputDefault, named: Mapping[str, str], said: str = ""
) -> Iterator[tuple[str, str]]:
    """The configs that the command line names and all below them, each with the override that named it."""
    default = node.node if isinstance(node, DefaultsTreeNode) else node
    if not default.is_virtual() and not default.is_self() and default.get_name() is not None:
        path = default.get_config_path()
        said = named.get(path, said)
        if said:
            yield path, said
    if isinstance(node, DefaultsTreeNode):
        for child in node.children or ():
            yield from _chosen(child, named, said)


def _named(overrides: Overrides) -> dict[str, str]:
    """The configs that the command line names, each with the override that does."""
    added = [(f"+{one.get_override_key()}", one.value) for one in overrides.append_group_defaults]
    changed = [(key, value) for key, value in overrides.override_choices.items() if _external(overrides, key)]
    return {
        f"{key.lstrip('+').partition('@')[0]}/{option}": f"{key}={option}"
        for key, value in [*added, *changed]
        for option in (value if isinstance(value, list) else [value])
    }


def _external(overrides: Overrides, key: str) -> bool:
    return overrides.override_metadata[key].external_override
