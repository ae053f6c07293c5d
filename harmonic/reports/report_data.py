"""The data of a report: the runs and curves below its folders, by sweep, with the specification of each."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import pandas as pd
from pandas.api.types import union_categoricals

from harmonic.analysis.configurations import config_columns, config_ids, objectives, ranked, swept, without_repeats
from harmonic.errors import TableError
from harmonic.reports import sweep_spec
from harmonic.reports.sweep_spec import SweepSpec
from harmonic.results import environment
from harmonic.results.columns import FRONT
from harmonic.results.load import load_curves, load_runs
from harmonic.results.tables import FOLDER
from harmonic.search.confirm import SUBFOLDER
from harmonic.training.status import Status

LONGEST = 48  # letters of a sweep's name in those of its figures: with four bytes each they fit into a file's name
SINGLES = "single runs"  # how runs of no sweep are called together

Read = TypeVar("Read")


@dataclass(frozen=True)
class SweepData:
    """The runs of one sweep, or the single runs. home: its folder, None of single runs; runs, curves: as
    loaded; fresh: the runs of its best from fresh seeds, where it has any; spec: its specification, empty where it
    is not known."""

    name: str
    home: Path | None
    runs: pd.DataFrame
    curves: pd.DataFrame
    fresh: pd.DataFrame | None = None
    spec: SweepSpec = field(default_factory=SweepSpec)

    @property
    def metric(self) -> str:
        return self.objectives[0]

    @property
    def objectives(self) -> list[str]:
        return objectives(self.runs)

    @property
    def directions(self) -> list[str]:
        """Of each objective: minimize or maximize."""
        given = self.spec.search.directions if self.spec.search is not None else ("minimize",)
        return list(given) if len(given) == len(self.objectives) else [given[0]] * len(self.objectives)

    @property
    def best_is(self) -> str:
        return self.directions[0]

    @cached_property
    def front(self) -> list[int]:
        """The ids of the configurations of a search's Pareto front, as far as the table knows it."""
        if FRONT not in self.runs:
            return []
        marked = self.runs[self.runs[FRONT].fillna(value=False).astype(bool)]
        return [int(one) for one in self.ranking.index if one in set(config_ids(self.runs)[marked.index])]

    @cached_property
    def parameters(self) -> list[str]:
        """The columns that tell its configurations apart."""
        return swept(self.runs, [key for key in self.spec.space if key in self.runs])

    @property
    def stem(self) -> str:
        """How the names of its figures begin; no other sweep of the report has the same."""
        plain = re.sub(r"[^\w-]+", "-", self.name)[:LONGEST]
        return plain if plain == self.name else f"{plain}-{sha256(os.fsencode(self.name)).hexdigest()[:6]}"

    @cached_property
    def ranking(self) -> pd.DataFrame:
        """Its configurations, the best first, as `ranked` gives them."""
        return ranked(self.runs, self.metric, self.best_is)

    def runs_of(self, configuration: int) -> pd.DataFrame:
        """The complete runs of one configuration, one of each seed."""
        runs = self.runs[(config_ids(self.runs) == configuration) & (self.runs["status"] == Status.COMPLETE)]
        return without_repeats(runs).sort_values("seed")

    @property
    def environments(self) -> list[dict[str, str]]:
        return environment.read(self.home / FOLDER) if self.home is not None else []


@dataclass(frozen=True)
class ReportData:
    """All that a report is made of. notes: what was left out, and why."""

    runs: pd.DataFrame
    curves: pd.DataFrame
    sweeps: Sequence[SweepData]
    notes: Sequence[str]


def gather(paths: Sequence[Path]) -> ReportData:
    """Read all runs below some folders.

    Raises:
        TableError: a path does not exist or is no folder, or none of them holds a run.
    """
    found, curves, notes = list[pd.DataFrame](), list[pd.DataFrame](), list[str]()
    for path in paths:
        if not path.is_dir():
            raise TableError(f"the path of a report must be an existing folder; got '{path}'")
        runs = _noting(notes, partial(load_runs, path))
        steps = _noting(notes, partial(load_curves, path))
        if runs is not None and steps is not None:
            found.append(runs)
            curves.append(steps)
    if not found:
        why = "".join(f"; {note}" for note in dict.fromkeys(notes) if note.startswith("left out"))
        raise TableError(f"a report needs at least one run; got none in {', '.join(map(str, paths))}{why}")
    runs = pd.concat(found, ignore_index=True).drop_duplicates("run", ignore_index=True)
    steps = curves[0] if len(curves) == 1 else _joined(curves)
    homes = runs["dir"].map(_home)
    names = _names(runs["sweep"], homes)
    sweeps = [
        _sweep_data(name, runs[names == name], steps, homes[names == name].iloc[0], notes)
        for name in dict.fromkeys(names)
    ]
    return ReportData(runs.assign(sweep=names), steps, sweeps, list(dict.fromkeys(notes)))


def _joined(curves: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Curves of several folders, of which one may lie in another, with `run` as a category: quick to look up."""
    parts, seen = list[pd.DataFrame](), set[str]()
    for one in curves:
        parts.append(one[~one["run"].isin(seen)])
        seen.update(one["run"].unique())
    runs = union_categoricals([part["run"] for part in parts])
    return pd.concat(parts, ignore_index=True).assign(run=runs)


def _noting(notes: list[str], read: Callable[[], Read]) -> Read | None:
    """What is read; what of it had to be left out is noted, all of it where it is None."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            return read()
        except TableError as error:
            notes.append(str(error))
            return None
        finally:
            notes += [str(one.message) for one in caught]


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


def _sweep_data(name: str, runs: pd.DataFrame, curves: pd.DataFrame, home: str, notes: list[str]) -> SweepData:
    runs = _without_empty(runs).reset_index(drop=True)
    mine = curves[curves["run"].isin(runs["run"])]
    if name == SINGLES:
        return SweepData(name, None, runs, mine)
    folder = Path(home)
    fresh = _noting(notes, partial(load_runs, folder / SUBFOLDER)) if (folder / SUBFOLDER / FOLDER).is_dir() else None
    return SweepData(name, folder, runs, mine, fresh, _noting(notes, partial(sweep_spec.read, folder)) or SweepSpec())


def _without_empty(runs: pd.DataFrame) -> pd.DataFrame:
    """Without the config columns that only other sweeps have."""
    empty = [column for column in config_columns(runs) if runs[column].isna().all()]
    return runs.drop(columns=empty)
