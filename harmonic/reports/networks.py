"""The networks themselves, evaluated on the plane: what a table does not hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from harmonic import figures
from harmonic.analysis.baselines import evaluated
from harmonic.config.compose import compose
from harmonic.data import regions
from harmonic.errors import HarmonicError
from harmonic.results.model_file import PARAMETERS_FILE, load_model
from harmonic.results.tables import leaves
from harmonic.training.trainer import build, train


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


def plane(runs: pd.DataFrame) -> Plane | None:
    """The plane of runs that share their region and harmonic's own law; else None."""
    where = evaluated(runs.iloc[0])
    if where is None or len(runs[["data._target_", "data.scale", "region.mass"]].drop_duplicates()) > 1:
        return None
    return Plane(figures.grid_frame(where), where.level)


def is_posts(runs: pd.DataFrame) -> bool:
    """Whether these runs were trained on the post's own law, and their errors taken in its regions."""
    return all(name in runs and (runs[name] == value).all() for name, value in _posts_law().items())


@cache
def _posts_law() -> dict[str, Any]:
    config = compose()
    law = {f"data.{key}": value for key, value in leaves(dict(config.data)).items() if key != "seed"}
    return law | {"region.mass": config.region.mass}


def predicted(run: pd.Series, grid: pd.DataFrame) -> NDArray[np.float32] | None:
    """A run's prediction at every point of the grid; None where its parameters are not there."""
    if not (Path(run["dir"]) / PARAMETERS_FILE).is_file():
        return None
    try:
        return figures.with_prediction(grid, load_model(run))["prediction"].to_numpy()
    except HarmonicError:
        return None


def post_predicted(experiment: str, grid: pd.DataFrame, seed: int = 0) -> NDArray[np.float32]:
    """The prediction of one of the post's configurations, trained here and now."""
    trainer = build(compose([f"+experiment={experiment}", f"seed={seed}"]))
    x = torch.tensor(grid[["x0", "x1"]].to_numpy(np.float32))
    return trainer.engine.predict(trainer.config, train(trainer).state, x)


def errors(groups: Mapping[str, pd.DataFrame], plane: Plane, others: Mapping[str, NDArray[np.float32]]) -> pd.DataFrame:
    """The error at every point of the grid: columns group, run, distance, density, truth, error.

    Args:
        groups: runs by the name of their group.
        others: predictions (points,) of networks that are no runs, by name.
    """
    predictions = [
        (name, str(run["run"]), predicted(run, plane.grid))
        for name, runs in groups.items()
        for _, run in runs.iterrows()
    ]
    predictions += [(name, name, prediction) for name, prediction in others.items()]
    distance, density, truth = np.hypot(plane.grid["x0"], plane.grid["x1"]), plane.grid["density"], plane.grid["truth"]
    frames = [
        pd.DataFrame({"distance": distance, "density": density, "truth": truth, "error": prediction - truth}).assign(
            group=name, run=run
        )
        for name, run, prediction in predictions
        if prediction is not None
    ]
    return pd.concat(frames, ignore_index=True)


def plain(value: Any) -> Any:
    """A table's value as Python's own; None where it is missing."""
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value
