"""Figures of losses along training."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from harmonic.errors import TableError
from harmonic.figures.axes import draw_band, legend_columns, limit_losses, plain_ticks
from harmonic.figures.requirements import CURVES, need
from harmonic.figures.style import WIDTH, colours, styled

CURVE = ("run", "step", "loss")
POINTS = 200  # steps drawn of a curve


@styled
def learning(curves: pd.DataFrame, groups: pd.Series, share: float = 0.95) -> Figure:
    """The loss of groups of runs: the median, and the band that holds a share of them (the range of too few).

    Args:
        curves: columns run, step, loss, as `load_curves` gives them.
        groups: each run's group, indexed by run (`runs.set_index("run")["model.depth"]`); runs without one are
            left out.
        share: 0.95 suits replicates; the middle half shows more of groups that mix configurations.

    Raises:
        TableError: a column is missing, or none of the groups is of a run with a curve.
    """
    need("learning", curves, CURVE, CURVES)
    if not isinstance(groups, pd.Series) or not curves["run"].isin(groups.dropna().index).any():
        raise TableError(
            "figures.learning needs each run's group, a Series indexed by run (runs.set_index('run')['model.depth']); "
            f"got a {type(groups).__name__} that names none of the curves' runs"
        )
    groups = groups.dropna().astype(str)
    figure = Figure(figsize=(WIDTH, 4.4))
    axes = figure.add_subplot()
    names = list(dict.fromkeys(groups.dropna()))
    colour_of = colours(names)
    tables = {name: by_step(curves[curves["run"].isin(groups.index[groups == name])]) for name in names}
    labels = {name: f"{name} ({len(losses)})" for name, losses in tables.items()}
    drawn = []
    for name, losses in tables.items():
        borders = draw_band(
            axes, losses.columns.to_numpy(float), losses.to_numpy(float), colour_of[name], labels[name], share
        )
        drawn.append(pd.DataFrame(borders, columns=losses.columns))
    axes.set(yscale="log", xlabel="step", ylabel="loss: sum of squared residuals")
    if tables:
        limit_losses(axes, pd.concat(drawn).sort_index(axis=1))
    plain_ticks(axes)
    figure.legend(loc="outside upper center", ncols=legend_columns(labels.values()))
    return figure


def by_step(curves: pd.DataFrame) -> pd.DataFrame:
    """Losses by run (rows) and step (columns), at no more steps than can be seen; missing after a run's end."""
    last = int(curves["step"].max()) if len(curves) else 0
    steps = np.unique(np.linspace(0, last, POINTS).astype(int))
    few = curves[curves["step"].isin(steps)]
    table = few.pivot_table(index="run", columns="step", values="loss", observed=True)
    return table.where(np.isfinite(table))
