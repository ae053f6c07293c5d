"""The plane of x0 and x1 as axes: functions of it as images, and the border of the dense region."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator

from harmonic.data.regions import EXTENT, RESOLUTION
from harmonic.figures.style import CONTOUR


def image(axes: Axes, values: pd.Series, colour_map: str, low: float, high: float) -> AxesImage:
    """A grid column as a picture with x0 across and x1 up."""
    picture = values.to_numpy().reshape(RESOLUTION, RESOLUTION).T
    extent = (-EXTENT, EXTENT, -EXTENT, EXTENT)
    axes.grid(False)
    return axes.imshow(picture, origin="lower", extent=extent, cmap=colour_map, vmin=low, vmax=high)


def border(axes: Axes, grid: pd.DataFrame, level: float, colour: str = CONTOUR) -> None:
    """Draw the border of the dense region, where the density has this level."""
    x0, x1, density = (grid[name].to_numpy().reshape(RESOLUTION, RESOLUTION).T for name in ("x0", "x1", "density"))
    axes.contour(x0, x1, density, levels=[level], colors=[colour], linewidths=1.5)


def set_plane(axes: Axes) -> None:
    """Give axes the limits, labels and ticks of the plane."""
    axes.set(xlim=(-EXTENT, EXTENT), ylim=(-EXTENT, EXTENT), xlabel="x0", ylabel="x1", aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MultipleLocator(5))


def border_handle() -> Line2D:
    """The legend's entry of the border."""
    return Line2D([], [], color=CONTOUR, lw=1.5, label="border of the dense region")
