"""One run from its config to its folder: train, write rows, parameters and figures.

What a run leaves in its folder::

    .hydra/              the config as composed, and the overrides that gave it (Hydra's)
    harmonic.log
    model.safetensors    the trained parameters
    data.png fit.png curve.png
    table/               its rows; for the runs of a sweep, in the sweep's folder
"""

from __future__ import annotations

import dataclasses
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from harmonic import __version__, models, tables
from harmonic.errors import ConfigError, RunFailed
from harmonic.schema import Config
from harmonic.trial import Listener, Result, Trial, train

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a run lives. folder: its own; home: the folder of its table (itself, or its sweep's)."""

    folder: Path
    home: Path
    sweep: str | None = None
    trial: int | None = None

    @property
    def table(self) -> Path:
        return self.home / tables.FOLDER

    @property
    def stem(self) -> str:
        """How the names of this run's parts begin."""
        return "" if self.trial is None else f"{self.trial:06d}-"


def execute(config: Config, place: Place, listen: Listener) -> Mapping[str, Any]:
    """Train one run and write all that it leaves; its row.

    A run of a sweep that is there already, complete and of the same config, is not trained again.

    Raises:
        ConfigError: something cannot be built as configured, or another run lies in this place.
        RunFailed: training raised an exception. The row is written, with status `failed`.
    """
    leaves = tables.leaves(dataclasses.asdict(config))
    leaves.pop("figures")
    earlier = tables.find_parts(place.table, place.stem) if place.table.is_dir() else {}
    for row in earlier.values():
        _same_config(row, leaves, place)
        if row["status"] != "failed":
            return row | {"dir": str(place.folder)}
    trial = Trial(config)
    trial.start()  # the last thing that can be wrong with a config
    row = _attempt(trial, place, leaves, listen)
    for part in earlier:
        tables.remove_part(place.table, part)
    if config.figures:
        draw(place.folder, trial)
    return row


def _attempt(trial: Trial, place: Place, leaves: dict[str, Any], listen: Listener) -> dict[str, Any]:
    row: dict[str, Any] = {
        "run": secrets.token_hex(6),
        "sweep": place.sweep,
        "trial": place.trial,
        "seed": trial.config.seed,
        "engine": trial.engine.name,
        "started": datetime.now(UTC),
        "version": __version__,
        "dir": str(place.folder.relative_to(place.home)),
    }
    part = place.stem + row["run"]
    try:
        result = train(trial, listen)
    except Exception as error:
        log.info("the run failed", exc_info=True)  # for the file; the terminal gets one line
        row |= {"status": "failed", "error": " ".join(f"{type(error).__name__}: {error}".split())}
        tables.write_run(place.table, part, row, leaves, _empty_curve())
        raise RunFailed(f"the run failed with {row['error']}; its row is in '{place.table}'") from error
    row |= outcome(result)
    if result.status == "complete":
        models.save(place.folder / models.PARAMETERS_FILE, trial.config.model, result.state.parameters)
    tables.write_run(place.table, part, row, leaves, curve_columns(row["run"], result))
    return row | {"dir": str(place.folder)}


def _same_config(row: Mapping[str, Any], leaves: Mapping[str, Any], place: Place) -> None:
    for key in sorted(leaves):
        if row.get(key) != leaves[key]:
            raise ConfigError(
                f"'{place.folder}' must be free or hold the same run; the one in it has "
                f"{key}={row.get(key)}, this one {leaves[key]}: choose another hydra.sweep.dir"
            )


def outcome(result: Result) -> dict[str, Any]:
    """The columns of the table that training fills."""
    columns = {
        "status": result.status,
        "steps": result.state.step,
        "train_s": result.train_s,
        "error": result.error,
    }
    if (errors := result.errors) is not None:
        columns |= dataclasses.asdict(errors) | {"final_loss": errors.loss, "gap": errors.gap}
        del columns["loss"]
    return columns


def curve_columns(run: str, result: Result) -> dict[str, Any]:
    """The curve of a run as columns: its loss at every step, its errors where evaluated."""
    losses = result.curve.losses
    dense, sparse = np.full(len(losses), np.nan), np.full(len(losses), np.nan)
    for step, errors in result.curve.errors.items():
        if step < len(losses):
            dense[step], sparse[step] = errors.dense_rmse, errors.sparse_rmse
    return {
        "run": [run] * len(losses),
        "step": np.arange(len(losses)),
        "loss": losses,
        "dense_rmse": dense,
        "sparse_rmse": sparse,
    }


def _empty_curve() -> dict[str, Any]:
    return {name: [] for name in tables.CURVE}


def draw(folder: Path, trial: Trial) -> None:
    """Write the figures of a run into its folder, from what is on disk."""
    from harmonic import figures

    curve = tables.load_curves(folder)
    points = figures.sample_frame(trial.sample)
    level = trial.regions.level
    grid = figures.grid_frame(trial.regions)
    figures.save(figures.data(points, grid, level), folder / "data.png")
    figures.save(figures.curve(curve), folder / "curve.png")
    if (folder / models.PARAMETERS_FILE).is_file():
        fitted = figures.with_prediction(grid, models.load_model(folder))
        figures.save(figures.fit(points, fitted, level), folder / "fit.png")
