"""One look for all figures: fonts, the colour of each thing, and how a figure becomes a file.

One thing has one colour everywhere. The regions have those of Okabe and Ito, what is compared has those
of Paul Tol's muted scheme; maps are diverging blue to red for values (they are signed) and cividis for
errors. All are safe for colour-blind readers (jfly.uni-koeln.de/color, personal.sron.nl/~pault).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray
from PIL import Image

from harmonic.configurations import SPAN
from harmonic.tables import write_atomically

P = ParamSpec("P")

LOSS, DENSE, SPARSE, CONTOUR = "#000000", "#0072B2", "#D55E00", "#000000"
REFERENCE, FAINT = "#555555", "#BBBBBB"  # lines to compare with; what stands back
BEST = "#882255"
VALUES, ABSOLUTE, QUALITY = "RdBu_r", "cividis", "viridis"
DOTS_PER_INCH = 150
WIDTH = 7.2  # inches, of a figure that fills the page
SHORT = 5  # a log axis that spans less, as a ratio, has more of its numbers written

MUTED = ("#332288", "#DDAA33", "#117733", "#CC6677", "#88CCEE", "#AA4499", "#44AA99", "#999933", "#661100")
_ORDER = (
    ("sigmoid", "tanh", "relu", "sin", "snake"),
    ("SGD", "Adam", "AdamW"),
    ("post_sgd", "post_adam", "post_deep"),
    ("1", "2", "3", "4"),
)  # labels whose colour must not depend on what else is shown
MARKERS = {"post_sgd": "^", "post_adam": "s", "post_deep": "D"}

STYLE: Any = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.92",
    "legend.frameon": False,
    "legend.fontsize": 10,
    "figure.constrained_layout.use": True,
}


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """A function that draws in harmonic's style, whatever the notebook's own is."""

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context({**mpl.rcParamsDefault, **STYLE}):
            return draw(*args, **kwargs)

    return inside


def colours(labels: Iterable[str]) -> dict[str, str]:
    """A colour for each label; what harmonic knows by name always has the same."""
    wanted = list(dict.fromkeys(labels))
    fixed = {name: MUTED[index] for group in _ORDER for index, name in enumerate(group)}
    if all(label in fixed for label in wanted) and len({fixed[label] for label in wanted}) == len(wanted):
        return {label: fixed[label] for label in wanted}
    return {label: MUTED[index % len(MUTED)] for index, label in enumerate(wanted)}


def band(axes: Axes, x: NDArray[Any], values: NDArray[Any], colour: str, label: str, share: float = 0.95) -> None:
    """The median of curves (curves, points) and the band that holds a share of them, where there are several."""
    axes.plot(x, np.nanmedian(values, axis=0), color=colour, lw=1.8, label=label)
    if len(values) > 1:
        low, high = np.nanquantile(values, [(1 - share) / 2, (1 + share) / 2], axis=0)
        axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)


def ceiling(axes: Axes, curves: NDArray[Any]) -> None:
    """Let losses (curves, steps) fill a log axis: a spike of the first steps may leave it at the top."""
    initial = float(np.nanmax(curves[:, 0]))
    if np.nanmax(curves) > 3 * initial:
        axes.set_ylim(0.8 * float(np.nanmin(curves)), 2 * initial)


def plain_ticks(axes: Axes) -> None:
    """Write 0.1 instead of a power of ten, as far as a log axis has numbers of this kind."""
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            low, high = sorted(axis.get_view_interval())
            # a short axis would else have one number, or none
            axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low > SHORT else (1, 1.5, 2, 3, 5, 7)))
            axis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())


def spans_decades(values: pd.Series) -> bool:
    """Whether positive values are better seen on a log scale."""
    return bool((values > 0).all() and values.max() > SPAN * values.min())


def picture(figure: Figure) -> Image.Image:
    """The figure as an image."""
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DOTS_PER_INCH)
    with mpl.rc_context(STYLE):
        if any(axes.images for axes in figure.axes):
            figure.draw_without_rendering()  # panels of a fixed shape take a second pass to find their places
        canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return Image.fromarray(pixels).convert("RGB")


def encoded(image: Image.Image, kind: str) -> bytes:
    """An image as the content of a file, without loss. kind: png or webp."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"lossless": True, "method": 2} if kind == "webp" else {"compress_level": 6}))
    return buffer.getvalue()


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    write_atomically(path, encoded(picture(figure), "png"))
