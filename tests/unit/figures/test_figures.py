"""What figures show, read back from the figure itself."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from harmonic import figures
from harmonic.data import Harmonic, regions, stream

LAW = Harmonic(points=300, scale=3.1415, noise=0.1)


@pytest.fixture
def plane() -> tuple[pd.DataFrame, pd.DataFrame, float]:
    where = regions.build(LAW, 0.9)
    grid = figures.grid_frame(where)
    wrong = grid["truth"] + np.where(grid["x0"] > 0, 3.0, 0.0)
    return figures.sample_frame(LAW.sample(stream(0))), grid.assign(prediction=wrong), where.level


def test_x0_goes_across_and_x1_up(plane: tuple[pd.DataFrame, pd.DataFrame, float]) -> None:
    figure = figures.fit(*plane)
    truth, prediction, error = (axes.images[0] for axes in figure.axes[:3])
    shown = np.asarray(error.get_array())
    assert np.allclose(shown[:, :50], 0)  # left half: x0 < 0, where the prediction is right
    assert np.allclose(shown[:, 50:], 3)
    assert truth.origin == "lower"
    line = np.linspace(-10, 10, 100)
    assert np.allclose(np.asarray(truth.get_array()), np.sin(line)[None, :] + np.cos(line)[:, None], atol=1e-5)
    assert truth.get_clim() == prediction.get_clim()
    assert figure.axes[0].get_xlabel() == "x0"
    assert figure.axes[0].get_ylabel() == "x1"


def test_the_sample_is_drawn_with_the_border(plane: tuple[pd.DataFrame, pd.DataFrame, float]) -> None:
    points, grid, level = plane
    axes = figures.data(points, grid, level).axes[0]
    dots, border = axes.collections
    assert np.allclose(np.asarray(dots.get_offsets()), points[["x0", "x1"]])
    assert np.allclose(np.asarray(dots.get_array()), points["y"])
    radius = np.hypot(*np.asarray(border.get_paths()[0].vertices).T)
    assert np.allclose(radius, 6.74, atol=0.02)


def test_the_curve_shows_all_steps_on_a_log_scale() -> None:
    steps = np.arange(5)
    errors = np.where(steps % 2 == 0, 0.5, np.nan)
    frame = pd.DataFrame({"step": steps, "loss": 10.0 - steps, "dense_rmse": errors, "sparse_rmse": 2 * errors})
    figure = figures.curve(frame)
    loss, rmse = figure.axes
    assert loss.get_yscale() == "log"
    assert np.array_equal(np.asarray(loss.lines[0].get_ydata()), frame["loss"])
    assert [line.get_color() for line in rmse.lines] == [figures.DENSE, figures.SPARSE]
    assert rmse.lines
    assert all(len(np.asarray(line.get_xdata())) == 3 for line in rmse.lines)


def test_what_lies_beyond_the_scale_is_said(plane: tuple[pd.DataFrame, pd.DataFrame, float]) -> None:
    points, grid, level = plane
    beyond, within = (figures.fit(points, grid.assign(prediction=grid["truth"] * k), level) for k in (2.0, 0.5))
    bars = [next(axes for axes in figure.axes if axes.get_ylabel() == "y") for figure in (beyond, within)]
    assert len(bars[0].patches) > len(bars[1].patches)


@pytest.mark.parametrize("last", [60.0, 400.0, 1e5, 1e13, 1e30])
def test_a_loss_has_numbers_on_its_axis_however_far_it_goes(last: float) -> None:
    errors = [1.0, math.nan]
    frame = pd.DataFrame({"step": [0, 1], "loss": [54.0, last], "dense_rmse": errors, "sparse_rmse": errors})
    axes = figures.curve(frame).axes[0]
    low, high = axes.get_ylim()
    assert 2 <= sum(low <= tick <= high for tick in axes.yaxis.get_majorticklocs()) <= 12
