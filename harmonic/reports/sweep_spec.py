"""The specification of a sweep, as Hydra noted it in the sweep's folder: its config, overrides, space and budget.

The note is a file like any other and may hold anything; here its shape is checked, so that what makes a page
of it need not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from harmonic.errors import TableError
from harmonic.search.settings import DIRECTIONS
from harmonic.search.storage_url import public

FILE = "multirun.yaml"
LONGEST = 40  # letters of a value in a message

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class SearchSpec:
    """What a search has beside its space. sampler, pruner: class and arguments; directions: of the objectives."""

    n_trials: str
    directions: tuple[str, ...]
    seeds: str
    sampler: str
    pruner: str


@dataclass(frozen=True)
class SweepSpec:
    """config: name of the sweep file; overrides: those of the command line; space: the range of each swept key
    as it was written; search: None of a grid."""

    config: str = ""
    overrides: tuple[str, ...] = ()
    space: Mapping[str, str] = field(default_factory=dict)
    search: SearchSpec | None = None


def read(home: Path) -> SweepSpec:
    """The specification of the sweep in this folder.

    Raises:
        TableError: the note is not there, is no YAML, or is not of the shape that Hydra gives it.
    """
    path = home / FILE
    try:
        return _parse(yaml.safe_load(path.read_bytes()))
    except (OSError, ValueError, RecursionError, yaml.YAMLError, TableError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise TableError(f"left out '{path}': {reason}; what was asked is not known") from error


def _parse(content: object) -> SweepSpec:
    if not isinstance(content, dict) or not isinstance(hydra := content.get("hydra"), dict):
        raise TableError("it must hold a section named hydra")
    sweeper, job, overrides = (_value(hydra, name, dict, {}) for name in ("sweeper", "job", "overrides"))
    given = [_value(overrides, name, list, []) for name in ("hydra", "task")]
    for text in (one for part in given for one in part):
        if not isinstance(text, str):
            raise TableError(f"an override must be text; got {_short(text)}")
    params = {str(key): str(value) for key, value in _value(sweeper, "params", dict, {}).items()}
    space = {key.lstrip("+"): value for key, value in (params | _ranges(given[1])).items()}
    # which of Hydra's modes it was goes without saying
    words = [_without_password(text) for text in (*given[1], *given[0]) if not text.startswith("hydra.mode=")]
    search = _search(sweeper) if "n_trials" in sweeper else None
    return SweepSpec(_value(job, "config_name", str, ""), tuple(words), space, search)


def _search(sweeper: Mapping[str, Any]) -> SearchSpec:
    direction = sweeper.get("direction") or DIRECTIONS[0]
    directions = direction if isinstance(direction, list) else [direction]
    if not all(one in DIRECTIONS for one in directions):
        raise TableError(f"direction must be one of {', '.join(DIRECTIONS)}; got {_short(direction)}")
    sampler, pruner = (_class(_value(sweeper, name, dict, {})) for name in ("sampler", "pruner"))
    seeds, n_trials = sweeper.get("seeds"), sweeper["n_trials"]
    if not isinstance(n_trials, int | str):  # text: an interpolation of OmegaConf's
        raise TableError(f"n_trials must be a whole number; got {_short(n_trials)}")
    return SearchSpec(str(n_trials), tuple(directions), "" if seeds is None else str(seeds), sampler, pruner)


def _without_password(override: str) -> str:
    key, equals, value = override.partition("=")
    return f"{key}{equals}{public(value)}" if key == "hydra.sweeper.storage" else override


def _value(section: Mapping[Any, Any], name: str, kind: type[Kind], missing: Kind) -> Kind:
    """A key's value, which must be of this kind where there is one."""
    value = section.get(name)
    if value is None:
        return missing
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TableError(f"{name} must be of kind {kind.__name__}; got {_short(value)}")
    return value


def _short(value: object) -> str:
    """A value as a message has it: its first words, 40 letters at most where a word is no longer."""
    text = repr(value)
    if len(text) < LONGEST:
        return text
    words = text[: LONGEST + 1].rpartition(" ")[0].rstrip(" ,:")
    return f"{words or text[:LONGEST]}..."


def _class(section: Mapping[str, Any]) -> str:
    """A class's name and arguments, as one would write them."""
    name = str(section.get("_target_", "")).rpartition(".")[2]
    others = ", ".join(f"{key}={value}" for key, value in section.items() if key != "_target_")
    return (name or "none") + (f" ({others})" if others else "")


def _ranges(overrides: list[str]) -> dict[str, str]:
    """The sweeps among the overrides of a command line: their keys and ranges."""
    parser, ranges = OverridesParser.create(), {}
    for text in overrides:
        try:
            parsed = parser.parse_override(text)
        except HydraException:
            continue  # of another version of Hydra's
        if parsed.is_sweep_override():
            ranges[str(parsed.key_or_group)] = text.partition("=")[2]
    return ranges
