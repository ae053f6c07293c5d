"""What a report shows of the networks of one sweep: their predictions, and where they are wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic import figures, post
from harmonic.analysis.configurations import describe
from harmonic.analysis.intervals import LEAST_OF_BAND, spread_name
from harmonic.reports import networks
from harmonic.reports.blocks import Block, Figure, Section, Text
from harmonic.reports.report_data import Sweep

REFERENCE = "post_deep"  # of the post's configurations the one that fits best
SEEDS = LEAST_OF_BAND  # networks of a configuration that are evaluated


def planes(sweep: Sweep) -> Section | None:
    """Prediction maps on one colour scale, and the error away from the centre."""
    table = sweep.ranking
    if table.empty:
        return None
    plane = networks.plane(sweep.runs)
    if plane is None:
        return _none("the runs do not share one law and one dense region, or their law is not harmonic's own")
    groups = _groups(sweep, table)
    blocks: list[Block] = []
    reference = None
    if networks.is_posts(sweep.runs) and not post.is_posts_own(sweep.runs):
        reference = networks.post_predicted(REFERENCE, plane.grid)
    maps = _maps(sweep, groups, plane, reference)
    if maps is None:
        return _none("the trained parameters are not in the folders of all runs that would be shown")
    blocks.append(maps)
    few = {name: runs.head(SEEDS) for name, runs in groups.items()}
    errors = networks.errors(few, plane, {} if reference is None else {REFERENCE: reference})
    for along, border in (("distance", plane.border), ("density", plane.level)):
        drawing = figures.profile(errors, along, border)
        means = (
            errors[errors["distance"] > plane.border]
            .groupby("group", sort=False)["error"]
            .agg(lambda e: float((e**2).mean() ** 0.5))
        )
        parts = "; ".join(f"{name}: {value:.2g} beyond the border" for name, value in means.items())
        word = "distance from the centre" if along == "distance" else "sampling density"
        counts = [errors.loc[errors["group"] == name, "run"].nunique() for name in few]
        seeds = max(counts)
        over = f"median and {spread_name(counts)} (at most {seeds})" if seeds > 1 else "one seed each"
        caption = f"RMSE of the points at the same {word}: {over}" + _alone(reference is not None and seeds > 1)
        blocks.append(Figure(f"{sweep.stem}-{along}", drawing, f"RMSE against {word}. {parts}.", caption))
    return Section("The networks", blocks, within=True)


def _none(reason: str) -> Section:
    return Section("The networks", [Text(f"There are no maps: {reason}.")], within=True)


def _alone(reference: bool) -> str:
    return f"; {REFERENCE} is its seed 0." if reference else "."


def _groups(sweep: Sweep, table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The runs of the best and the worst configuration; of a sweep of the post's, those of its three."""
    labels = post.label(sweep.runs)
    if labels.notna().all():
        named = labels.where(sweep.runs["status"] == "complete")
        return {name: sweep.runs[named == name] for name in post.EXPERIMENTS if (named == name).any()}
    groups = {f"best: {describe(table.iloc[0], sweep.parameters)}": sweep.runs_of(int(table.index[0]))}
    table = table[table["comparable"]] if table["comparable"].any() else table
    if len(table) > 1:
        groups[f"worst: {describe(table.iloc[-1], sweep.parameters)}"] = sweep.runs_of(int(table.index[-1]))
    return groups


def _maps(
    sweep: Sweep, groups: dict[str, pd.DataFrame], plane: networks.Plane, reference: NDArray[np.float32] | None
) -> Figure | None:
    grid, titles = plane.grid.copy(), {"truth": "truth"}
    for number, (name, runs) in enumerate(groups.items()):
        prediction = networks.predicted(runs.iloc[0], grid)
        if prediction is None:
            return None
        grid[f"prediction {number}"] = prediction
        titles[f"prediction {number}"] = _wrapped(f"{name}, seed {runs['seed'].iloc[0]}")
    if reference is not None:
        grid["post"] = reference
        titles["post"] = f"{REFERENCE}, seed 0"
    errors = {
        titles[name]: float(((grid[name] - grid["truth"]) ** 2).mean() ** 0.5) for name in titles if name != "truth"
    }
    parts = "; ".join(
        f"{name.replace(chr(10), ' ')}: RMSE {value:.2g} over the whole square" for name, value in errors.items()
    )
    caption = "The truth and the predictions on [-10, 10] x [-10, 10], all on the colour scale of the truth."
    if len(groups) > 1 and not post.is_posts_own(sweep.runs):
        caption += f" Best and worst by {sweep.metric}, of the configurations that are compared."
    return Figure(f"{sweep.stem}-maps", figures.maps(grid, titles, plane.level), f"Maps of y. {parts}.", caption)


def _wrapped(title: str, width: int = 32) -> str:
    """A title in lines that end at its commas, so that no name is torn from its value."""
    lines = [""]
    for part in title.split(", "):
        joined = f"{lines[-1]}, {part}" if lines[-1] else part
        if len(joined) <= width or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(part)
    return ",\n".join(lines)
