"""The look of all figures: fonts, and the colour of each thing.

One thing has one colour everywhere. The regions have those of Okabe and Ito, what is compared has those
of Paul Tol's muted scheme; maps are diverging blue to red for values (they are signed) and cividis for
errors. All are safe for colour-blind readers (jfly.uni-koeln.de/color, personal.sron.nl/~pault).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec

import matplotlib as mpl
from matplotlib.figure import Figure

from harmonic.analysis.references import registered

P = ParamSpec("P")

LOSS, DENSE, SPARSE, CONTOUR = "#000000", "#0072B2", "#D55E00", "#000000"
REFERENCE, FAINT = "#555555", "#BBBBBB"  # lines to compare with; what stands back
BEST, WORST = "#882255", "#999999"
BAD = "#000000"  # what diverged or failed, or lies where it should not
VALUES, ABSOLUTE, QUALITY = "RdBu_r", "cividis", "viridis"
WIDTH = 7.2  # inches, of a figure that fills the page

MUTED = ("#332288", "#DDAA33", "#117733", "#CC6677", "#88CCEE", "#AA4499", "#44AA99", "#999933", "#661100")
_ORDER = (
    ("sigmoid", "tanh", "relu", "sin", "snake"),
    ("SGD", "Adam", "AdamW"),
    ("1", "2", "3", "4"),
)  # labels whose colour must not depend on what else is shown; those of a reference's configurations are such, too
OTHERS, NONE = "other sweeps", "none"  # labels of the sweeps that have no colour, and of runs without a value
_BY_KIND = {"best": BEST, "worst": WORST, OTHERS: WORST}  # of labels that are this, or begin with it and a colon

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
    groups = (*_ORDER, *(tuple(reference.markers) for reference in registered()))
    fixed = {name: MUTED[index] for group in groups for index, name in enumerate(group)}
    chosen, others = dict[str, str](), list[str]()
    for label in dict.fromkeys(labels):
        known = _BY_KIND.get(label.partition(":")[0]) or fixed.get(label)
        if known is None or known in chosen.values():
            others.append(label)
        else:
            chosen[label] = known
    free = [colour for colour in MUTED if colour not in chosen.values()] or MUTED
    return chosen | {label: free[index % len(free)] for index, label in enumerate(others)}


def markers() -> dict[str, str]:
    """Matplotlib's marker of each configuration of the references that are registered by now."""
    return {label: marker for reference in registered() for label, marker in reference.markers.items()}
