"""What lies in the folders that a report is asked of: runs, curves, and what each sweep was asked."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from harmonic import environment
from harmonic.configurations import config_columns, numbered, objective, ranked, swept
from harmonic.errors import TableError
from harmonic.search.fresh import SUBFOLDER
from harmonic.tables import FOLDER, load_curves, load_runs

SINGLES = "single runs"  # how runs of no sweep are called together


@dataclass(frozen=True)
class Sweep:
    """The runs of one sweep, or the single runs. home: its folder, None of single runs; runs, curves: as
    loaded; fresh: the runs of its best from fresh seeds, where it has any; asked: its multirun.yaml."""

    name: str
    home: Path | None
    runs: pd.DataFrame
    curves: pd.DataFrame
    fresh: pd.DataFrame | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sweeper(self) -> Mapping[str, Any]:
        section: Mapping[str, Any] = self.asked.get("sweeper") or {}
        return section

    @property
    def is_search(self) -> bool:
        return "n_trials" in self.sweeper

    @property
    def metric(self) -> str:
        return objective(self.runs)

    @property
    def best_is(self) -> str:
        direction = self.sweeper.get("direction", "minimize")
        return str(direction[0] if isinstance(direction, list) else direction)

    @cached_property
    def space(self) -> dict[str, str]:
        """The range of each parameter, as it was written: in the sweep file or on the command line."""
        ranges = {str(key): str(value) for key, value in (self.sweeper.get("params") or {}).items()}
        parser = OverridesParser.create()
        for text in (self.asked.get("overrides") or {}).get("task") or []:
            try:
                parsed = parser.parse_override(text)
            except HydraException:
                continue  # of another version of Hydra's
            if parsed.is_sweep_override():
                ranges[str(parsed.key_or_group)] = str(text).partition("=")[2]
        return {key.lstrip("+"): value for key, value in ranges.items()}

    @cached_property
    def parameters(self) -> list[str]:
        """The columns that tell its configurations apart."""
        return swept(self.runs, [key for key in self.space if key in self.runs])

    @property
    def stem(self) -> str:
        """How the names of its figures begin."""
        return re.sub(r"[^\w-]+", "-", "runs" if self.home is None else self.name)

    @cached_property
    def ranking(self) -> pd.DataFrame:
        """Its configurations, the best first, as `ranked` gives them."""
        return ranked(self.runs, self.metric, self.best_is)

    def runs_of(self, configuration: int) -> pd.DataFrame:
        """The complete runs of one configuration, by seed."""
        runs = self.runs[(numbered(self.runs) == configuration) & (self.runs["status"] == "complete")]
        return runs.sort_values("seed")

    @property
    def environments(self) -> list[dict[str, str]]:
        return environment.read(self.home / FOLDER) if self.home is not None else []


@dataclass(frozen=True)
class Material:
    """All that a report is made of. notes: what was left out, and why."""

    runs: pd.DataFrame
    curves: pd.DataFrame
    sweeps: Sequence[Sweep]
    notes: Sequence[str]


def gather(paths: Sequence[Path]) -> Material:
    """Read all runs below some folders.

    Raises:
        TableError: a path does not exist or is no folder, or none of them holds a run.
    """
    found, curves, notes = list[pd.DataFrame](), list[pd.DataFrame](), list[str]()
    for path in paths:
        if not path.is_dir():
            raise TableError(f"the path of a report must be an existing folder; got '{path}'")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                found.append(load_runs(path))
                curves.append(load_curves(path))
            except TableError as error:
                notes.append(str(error))
        notes += [str(one.message) for one in caught]
    if not found:
        raise TableError(f"a report needs at least one run; got none in {', '.join(map(str, paths))}")
    runs = pd.concat(found, ignore_index=True).drop_duplicates("run", ignore_index=True)
    steps = pd.concat([one.astype({"run": "str"}) for one in curves], ignore_index=True)
    steps = steps.drop_duplicates(["run", "step"], ignore_index=True) if len(found) > 1 else steps
    homes = runs["dir"].map(_home)
    names = _names(runs["sweep"], homes)
    sweeps = [_sweep(name, runs[names == name], steps, homes[names == name].iloc[0]) for name in dict.fromkeys(names)]
    return Material(runs.assign(sweep=names), steps, sweeps, list(dict.fromkeys(notes)))


def _home(folder: str) -> str:
    """The folder of the table that a run's row lies in."""
    above = (one for one in (Path(folder), *Path(folder).parents) if (one / FOLDER).is_dir())
    return str(next(above, folder))


def _names(sweeps: pd.Series, homes: pd.Series) -> pd.Series:
    """The name of each run's sweep; with the folder above it where two sweeps have the same."""
    named = sweeps.fillna(SINGLES).astype(str)
    for name, places in homes[sweeps.notna()].groupby(named):
        if len(places.unique()) > 1:
            inside = named == name
            longer = homes.map(lambda home, short=name: f"{Path(home).parent.name}/{short}")
            named = named.where(~inside, longer)
    return named


def _sweep(name: str, runs: pd.DataFrame, curves: pd.DataFrame, home: str) -> Sweep:
    runs = _without_empty(runs).reset_index(drop=True)
    mine = curves[curves["run"].isin(runs["run"])]
    if name == SINGLES:
        return Sweep(name, None, runs, mine)
    return Sweep(name, Path(home), runs, mine, _fresh(Path(home) / SUBFOLDER), _asked(Path(home)))


def _fresh(folder: Path) -> pd.DataFrame | None:
    """The runs from fresh seeds; None where there are none (yet)."""
    if not (folder / FOLDER).is_dir():
        return None
    try:
        return load_runs(folder)
    except TableError:
        return None


def _without_empty(runs: pd.DataFrame) -> pd.DataFrame:
    """Without the config columns that only other sweeps have."""
    empty = [column for column in config_columns(runs) if runs[column].isna().all()]
    return runs.drop(columns=empty)


def _asked(home: Path) -> Mapping[str, Any]:
    """What Hydra noted of the sweep, if it is there to be read."""
    path = home / "multirun.yaml"
    try:
        content = yaml.safe_load(path.read_bytes())
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    section = content.get("hydra") if isinstance(content, dict) else None
    return section if isinstance(section, dict) else {}
