"""The networks themselves, evaluated on the plane: what a table does not hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic import figures
from harmonic.analysis.baselines import regions_of
from harmonic.analysis.references import Prediction
from harmonic.data import regions
from harmonic.errors import HarmonicError, TableError
from harmonic.results.model_file import PARAMETERS_FILE, load_model


class NoParameters(TableError):
    """A run's folder holds no trained parameters."""


@dataclass(frozen=True)
class Plane:
    """The law of some runs on the evaluation grid. grid: columns x0, x1, truth, density, dense; level: the
    density on the border of the dense region."""

    grid: pd.DataFrame
    level: float

    @property
    def border(self) -> float:
        """The distance from the centre at which the dense region ends, on average over directions."""
        inside = self.grid[self.grid["dense"]]
        cell = (2 * regions.EXTENT / (regions.RESOLUTION - 1)) ** 2
        return float(np.sqrt(len(inside) * cell / np.pi))


def plane_of(runs: pd.DataFrame) -> Plane | None:
    """The plane of runs that share their region and harmonic's own law; else None."""
    found = regions_of(runs.iloc[0])
    if found is None or len(runs[["data._target_", "data.scale", "region.mass"]].drop_duplicates()) > 1:
        return None
    return Plane(figures.grid_frame(found), found.level)


def predicted(run: pd.Series, grid: pd.DataFrame) -> NDArray[np.float32]:
    """A run's prediction (points,) at every point of the grid.

    Raises:
        NoParameters: its parameters are not there.
        HarmonicError: its model is refused or does not take the parameters.
    """
    if not (Path(run["dir"]) / PARAMETERS_FILE).is_file():
        raise NoParameters(f"the trained parameters must lie in the run's folder; '{run['dir']}' has none")
    values: NDArray[np.float32] = figures.with_prediction(grid, load_model(run))["prediction"].to_numpy()
    return values


def grid_errors(
    groups: Mapping[str, pd.DataFrame], plane: Plane, others: Sequence[Prediction]
) -> tuple[pd.DataFrame, list[str]]:
    """The error of networks at every point of the grid, and why those are left out that cannot be evaluated.

    Args:
        groups: runs by the name of their group.
        others: predictions of networks that are no runs; each is a group.

    Returns:
        Columns group, run, distance, density, truth, error; a line for each run that is left out.
    """
    predictions, left_out = list[tuple[str, str, NDArray[np.float32]]](), list[str]()
    for name, runs in groups.items():
        for _, run in runs.iterrows():
            try:
                predictions.append((name, str(run["run"]), predicted(run, plane.grid)))
            except HarmonicError as error:
                left_out.append(str(error))
    predictions += [(one.configuration, one.configuration, one.y) for one in others]
    distance, density, truth = np.hypot(plane.grid["x0"], plane.grid["x1"]), plane.grid["density"], plane.grid["truth"]
    frames = [
        pd.DataFrame({"distance": distance, "density": density, "truth": truth, "error": values - truth}).assign(
            group=name, run=run
        )
        for name, run, values in predictions
    ]
    return pd.concat(frames, ignore_index=True), left_out
