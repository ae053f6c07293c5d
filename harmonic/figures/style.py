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
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator
from numpy.typing import NDArray
from PIL import Image

from harmonic.analysis import intervals
from harmonic.analysis.configurations import SPAN
from harmonic.figures._requirements import need_kind
from harmonic.results.tables import write_atomically

P = ParamSpec("P")

LOSS, DENSE, SPARSE, CONTOUR = "#000000", "#0072B2", "#D55E00", "#000000"
REFERENCE, FAINT = "#555555", "#BBBBBB"  # lines to compare with; what stands back
BEST, WORST = "#882255", "#999999"
BAD = "#000000"  # what diverged or failed, or lies where it should not
VALUES, ABSOLUTE, QUALITY = "RdBu_r", "cividis", "viridis"
DOTS_PER_INCH = 150
WIDTH = 7.2  # inches, of a figure that fills the page
SHORT, LONG = 8, 1e4  # a log axis that spans less, as a ratio, has even ticks; one that spans more, powers of ten
BROAD = 40  # letters of a legend's entry of which two stand side by side

MUTED = ("#332288", "#DDAA33", "#117733", "#CC6677", "#88CCEE", "#AA4499", "#44AA99", "#999933", "#661100")
_ORDER = (
    ("sigmoid", "tanh", "relu", "sin", "snake"),
    ("SGD", "Adam", "AdamW"),
    ("post_sgd", "post_adam", "post_deep"),
    ("1", "2", "3", "4"),
)  # labels whose colour must not depend on what else is shown
_METRICS = {
    "valid_rmse": "RMSE on the validation sample",
    "dense_rmse": "RMSE in the dense region",
    "sparse_rmse": "RMSE in the sparse region",
    "final_loss": "final loss",
    "train_s": "training time (s)",
}
OTHERS, NONE = "other sweeps", "none"  # labels of the sweeps that have no colour, and of runs without a value
_BY_KIND = {"best": BEST, "worst": WORST, OTHERS: WORST}  # of labels that are this, or begin with it and a colon
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
    fixed = {name: MUTED[index] for group in _ORDER for index, name in enumerate(group)}
    inks, others = dict[str, str](), list[str]()
    for label in dict.fromkeys(labels):
        known = _BY_KIND.get(label.partition(":")[0]) or fixed.get(label)
        if known is None or known in inks.values():
            others.append(label)
        else:
            inks[label] = known
    free = [ink for ink in MUTED if ink not in inks.values()] or MUTED
    return inks | {label: free[index % len(free)] for index, label in enumerate(others)}


def band(
    axes: Axes, x: NDArray[Any], values: NDArray[Any], colour: str, label: str, share: float = 0.95
) -> NDArray[Any]:
    """The median of curves (curves, points) and the band that holds a share of them (`intervals.band`).

    Returns:
        The lower and the upper border of what is drawn (2, points).
    """
    axes.plot(x, np.nanmedian(values, axis=0), color=colour, lw=1.8, label=label)
    borders = intervals.band(values, share)
    if len(values) > 1:
        axes.fill_between(x, *borders, color=colour, alpha=0.2, linewidth=0)
    return borders


def ceiling(axes: Axes, drawn: pd.DataFrame, top: float | None = None) -> None:
    """Let losses fill a log axis: a spike may leave it at the top, with a word on how high it goes.

    Args:
        drawn: what is drawn, a column a step.
        top: where the axis ends; None: at twice the greatest initial loss, if any goes far beyond.
    """
    steps, curves = drawn.columns.to_numpy(float), drawn.to_numpy(float)
    highest, initial = float(np.nanmax(curves)), float(np.nanmax(curves[:, 0]))
    if top is None and highest > 3 * initial:
        top = 2 * initial
        axes.set_ylim(0.8 * float(np.nanmin(curves)), top)
    if top is not None and highest > top:
        at = float(steps[int(np.nanargmax(np.nanmax(curves, axis=0)))])
        early = at < steps.mean()
        axes.annotate(
            f"spike up to {float(f'{highest:.0e}'):,.0f}", (at, 1), xycoords=("data", "axes fraction"),
            xytext=(8 if early else -8, -2), textcoords="offset points", va="top", ha="left" if early else "right",
            fontsize=9,
        )  # fmt: skip


def columns(names: Iterable[str]) -> int:
    """How many columns a legend above a figure has room for."""
    return 2 if max(map(len, names), default=0) <= BROAD else 1


def plain_ticks(axes: Axes) -> None:
    """Write 0.1 instead of a power of ten, as far as a log axis has numbers of this kind."""
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            low, high = sorted(axis.get_view_interval())
            # a short axis would else have one number, or none
            short = high / low <= SHORT
            subs = (1, 2, 5) if high / low < LONG else (1,)
            axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]) if short else LogLocator(subs=subs))
            if short:
                axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())


def metric_name(metric: str) -> str:
    """A column of the table as an axis has it."""
    return _METRICS.get(metric, metric)


def spans_decades(values: pd.Series) -> bool:
    """Whether positive values are better seen on a log scale."""
    return bool((values > 0).all() and values.max() > SPAN * values.min())


def picture(figure: Figure) -> Image.Image:
    """The figure as an image."""
    need_kind("picture", figure, Figure, "what the other functions give")
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
    need_kind("encoded", image, Image.Image, "picture")
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"lossless": True, "method": 2} if kind == "webp" else {"compress_level": 6}))
    return buffer.getvalue()


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    write_atomically(path, encoded(picture(figure), "png"))
