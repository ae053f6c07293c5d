"""What all trials of a study share, and what may have changed since it began.

A study keeps its search space and base config, so that a sweep which would mix two different ones is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, check_distribution_compatibility
from optuna.study import Study

from harmonic.errors import ConfigError
from harmonic.search.space import Space

IDENTITY = "harmonic"  # the study's attribute that holds its space and base config
CHANGED = "changed"  # the study's attribute: the number of trials when its space or config was last changed
RANGE = "the range of "
SHOWN = 4  # differences shown of many


@dataclass(frozen=True)
class Identity:
    """What all trials of a study share. space: range by parameter; seeds: of the replicates;
    config: leaves that are not searched, by dotted key."""

    space: Mapping[str, str]
    seeds: Sequence[int]
    config: Mapping[str, Any]

    def flat(self) -> dict[str, Any]:
        ranges = {f"{RANGE}{name}": text for name, text in self.space.items()}
        return json.loads(json.dumps({**ranges, "hydra.sweeper.seeds": list(self.seeds), **self.config}))  # type: ignore[no-any-return]


def allowed_changes(study: Study, identity: Identity, space: Space, allow_changes: bool) -> tuple[list[str], list[str]]:
    """What has changed since the study began, where it may. Nothing is written.

    Returns:
        The changes, a line each, and the parameters that the study could not draw any more before it is migrated.

    Raises:
        ConfigError: space, seeds or base config differ from those the study began with.
    """
    now, before = identity.flat(), study.user_attrs.get(IDENTITY)
    clashing = _clashing(study, space)
    if before is None and not clashing:
        return [], []
    before = before or {}
    keys = [key for key in {**before, **now} if before.get(key) != now.get(key) and not _same(space, key, before)]
    changes = [f"{key}: {_shown(before, key)} -> {_shown(now, key)}" for key in keys]
    changes += [f"{name} was drawn from another range" for name in clashing if f"{RANGE}{name}" not in keys]
    if changes and not allow_changes:
        more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
        raise ConfigError(
            f"a sweep must go on with the space and config that it began with; got {'; '.join(changes[:SHOWN])}{more}: "
            "choose another hydra.sweep.dir, or hydra.sweeper.allow_changes=true"
        )
    return changes, clashing


def write_identity(study: Study, identity: Identity, changed: bool) -> None:
    """Write into the study what all trials share from now on."""
    if changed:
        study.set_user_attr(CHANGED, len(study.get_trials(deepcopy=False)))
    now = identity.flat()
    if study.user_attrs.get(IDENTITY) != now:
        study.set_user_attr(IDENTITY, now)


def changed_at(study: Study) -> int:
    """The number of the first trial that has the present space and config."""
    number: int = study.user_attrs.get(CHANGED, 0)
    return number


def adopt_option_order(study: Study, space: Space) -> bool:
    """Give the options of every choice the order that they have in the study, which knows them by their place; whether
    that changed one."""
    changed = False
    for name, one in _first_distributions(study).items():
        if isinstance(one, CategoricalDistribution):
            changed |= space.reorder(name, one.choices)
    return changed


def _same(space: Space, key: str, before: Mapping[str, Any]) -> bool:
    text = before.get(key)
    return key.startswith(RANGE) and isinstance(text, str) and space.alike(key.removeprefix(RANGE), text)


def _first_distributions(study: Study) -> dict[str, BaseDistribution]:
    """What each parameter was first drawn from: with this Optuna compares."""
    first = dict[str, BaseDistribution]()
    for one in study.get_trials(deepcopy=False):
        for name, distribution in one.distributions.items():
            first.setdefault(name, distribution)
    return first


def _clashing(study: Study, space: Space) -> list[str]:
    """The parameters that this study could not draw any more."""
    first, clashing = _first_distributions(study), []
    for one in space.parameters:
        try:
            check_distribution_compatibility(first.get(one.name, one.distribution), one.distribution)
        except ValueError:
            clashing.append(one.name)
    return clashing


def _shown(flat: Mapping[str, Any], key: str) -> str:
    return str(flat[key]) if key in flat else "(nothing)"
