"""The figures of a run as files in its folder."""

from __future__ import annotations

from pathlib import Path

from harmonic.config.schema import Config
from harmonic.figures.image import save
from harmonic.figures.run import curve, data, fit, grid_frame, sample_frame, with_prediction
from harmonic.results.load import load_curves
from harmonic.results.model_file import PARAMETERS_FILE, load_model
from harmonic.training.trainer import build


def draw(config: Config, folder: Path) -> None:
    """Write `data.png`, `curve.png` and, of a run that has a trained network, `fit.png` into its folder.

    Args:
        folder: of the run, whose table and parameters lie there or above.
    """
    trainer = build(config)
    points, grid, level = sample_frame(trainer.sample), grid_frame(trainer.regions), trainer.regions.level
    save(data(points, grid, level), folder / "data.png")
    save(curve(load_curves(folder)), folder / "curve.png")
    if (folder / PARAMETERS_FILE).is_file():
        fitted = with_prediction(grid, load_model(folder, trust=True))  # it was trained here
        save(fit(points, fitted, level), folder / "fit.png")
