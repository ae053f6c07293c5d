"""Published results that runs may be compared with: what one has to offer, and which ones there are.

harmonic's core knows none of them. A module that has one registers it when it is imported, and is imported because
`harmonic.REFERENCES` lists it or because an installed distribution has it as an entry point of the group
`harmonic.references`:

    [project.entry-points."harmonic.references"]
    mine = "my_package.my_reference"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import harmonic

GROUP = "harmonic.references"


@dataclass(frozen=True)
class Prediction:
    """What one network of a reference predicts. y: (points,), one for each point of a grid."""

    configuration: str
    seed: int
    y: NDArray[np.float32]


class Reference(Protocol):
    """A published result that runs may be compared with.

    A report shows it beside the runs. Where it has a method `sections` as well (`harmonic.reports.sections.Reporting`),
    the report has these sections, too.
    """

    @property
    def name(self) -> str:
        """What a text calls it, with its article."""

    @property
    def markers(self) -> Mapping[str, str]:
        """Matplotlib's marker of each of its configurations, in the order in which they are shown."""

    def label(self, runs: pd.DataFrame) -> pd.Series:
        """The configuration that each run is one of, whatever its seed, by the index of `runs`; missing for others."""

    def published(self) -> pd.DataFrame:
        """The losses that were published: columns experiment (the configuration), step, loss."""

    def baselines(self) -> pd.DataFrame:
        """The errors of its configurations from many seeds: columns experiment, seed, dense_rmse, sparse_rmse."""

    @property
    def origin(self) -> str:
        """Where its baselines are from, for the text `...of the post, whose <origin> and are no runs of these
        folders`."""

    def shares_data(self, runs: pd.DataFrame) -> bool:
        """Whether these runs have its data and its regions, so that errors may be compared."""

    def predict(self, grid: pd.DataFrame) -> Prediction | None:
        """The prediction of its best network at the points of a grid (columns x0, x1); None: it has none to show."""


_registered = dict[str, Reference]()


def register(reference: Reference) -> None:
    """Make a reference known; one of the same name takes the other's place."""
    _registered[reference.name] = reference


def registered() -> Sequence[Reference]:
    """The references that are registered by now."""
    return tuple(_registered.values())


def references() -> Sequence[Reference]:
    """All references there are, in the order of their registration."""
    _load()
    return registered()


@cache
def _load() -> None:
    for module in harmonic.REFERENCES:
        import_module(module)
    for entry_point in entry_points(group=GROUP):
        entry_point.load()


def reference_of(runs: pd.DataFrame) -> Reference | None:
    """The reference that all of these runs are configurations of."""
    return next((one for one in references() if one.label(runs).notna().all()), None)


def labels(runs: pd.DataFrame) -> pd.Series:
    """The configuration of a reference that each run is one of; missing for others."""
    found = pd.Series(pd.NA, index=runs.index, dtype="str")
    for reference in references():
        found = found.fillna(reference.label(runs))
    return found
