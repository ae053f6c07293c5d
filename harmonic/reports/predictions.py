"""What a report shows of the networks of one sweep: their predictions, and where they are wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic import figures
from harmonic.analysis.intervals import LEAST_OF_BAND, band_name
from harmonic.analysis.labels import describe
from harmonic.analysis.references import Prediction, reference_of, references
from harmonic.errors import HarmonicError
from harmonic.reports.blocks import Block, Figure, Section, Text
from harmonic.reports.networks import NoParameters, Plane, grid_errors, plane_of, predicted
from harmonic.reports.report_data import SweepData
from harmonic.training.status import Status

SEEDS = LEAST_OF_BAND  # networks of a configuration that are evaluated


def networks_section(sweep: SweepData) -> Section | None:
    """Prediction maps on one colour scale, and the error away from the centre."""
    if sweep.ranking.empty:
        return None
    plane = plane_of(sweep.runs)
    if plane is None:
        return _without_maps("the runs do not share one law and one dense region, or their law is not harmonic's own")
    groups = _groups(sweep)
    try:
        own = [predicted(runs.iloc[0], plane.grid) for runs in groups.values()]
    except NoParameters:
        return _without_maps("the trained parameters are not in the folders of all runs that would be shown")
    except HarmonicError as error:
        return _without_maps(str(error))
    others = _reference_predictions(sweep, plane)
    by_rank = len(groups) > 1 and reference_of(sweep.runs) is None
    maps = _maps(sweep, plane, _titled(groups, own, others), by_rank)
    errors, left_out = grid_errors({name: runs.head(SEEDS) for name, runs in groups.items()}, plane, others)
    blocks: list[Block] = [maps]
    for along, border in (("distance", plane.border), ("density", plane.level)):
        drawing = figures.profile(errors, along, border)
        word = "distance from the centre" if along == "distance" else "sampling density"
        alt = f"RMSE against {word}. {_errors_beyond(errors, plane)}."
        caption = f"RMSE of the points at the same {word}: {_seeds(errors, list(groups), others)}"
        blocks.append(Figure(f"{sweep.stem}-{along}", drawing, alt, caption))
    if left_out:
        blocks.append(Text(f"Without {len(left_out)} networks that cannot be evaluated: {left_out[0]}."))
    return Section("The networks", blocks, within=True)


def _without_maps(reason: str) -> Section:
    return Section("The networks", [Text(f"There are no maps: {reason}.")], within=True)


def _reference_predictions(sweep: SweepData, plane: Plane) -> list[Prediction]:
    """The best network of each reference that these runs may be compared with and are not of themselves."""
    own = reference_of(sweep.runs)
    fitting = [one for one in references() if own is None and one.shares_data(sweep.runs)]
    return [found for one in fitting if (found := one.predict(plane.grid)) is not None]


def _groups(sweep: SweepData) -> dict[str, pd.DataFrame]:
    """The runs of the best and the worst configuration; of a sweep of a reference's, those of each of its own."""
    if (own := reference_of(sweep.runs)) is not None:
        labels = own.label(sweep.runs).where(sweep.runs["status"] == Status.COMPLETE)
        return {name: sweep.runs[labels == name] for name in own.markers if (labels == name).any()}
    table = sweep.ranking
    groups = {f"best: {describe(table.iloc[0], sweep.parameters)}": sweep.runs_of(int(table.index[0]))}
    table = table[table["comparable"]] if table["comparable"].any() else table
    if len(table) > 1:
        groups[f"worst: {describe(table.iloc[-1], sweep.parameters)}"] = sweep.runs_of(int(table.index[-1]))
    return groups


def _titled(
    groups: Mapping[str, pd.DataFrame], own: Sequence[NDArray[np.float32]], others: Sequence[Prediction]
) -> dict[str, NDArray[np.float32]]:
    """Predictions by the title of their map."""
    titles = [_wrapped(f"{name}, seed {runs['seed'].iloc[0]}") for name, runs in groups.items()]
    return dict(zip(titles, own, strict=True)) | {f"{one.configuration}, seed {one.seed}": one.y for one in others}


def _maps(sweep: SweepData, plane: Plane, predictions: Mapping[str, NDArray[np.float32]], by_rank: bool) -> Figure:
    """The truth beside predictions by title. by_rank: they are of the best and the worst configuration."""
    columns = {f"prediction {number}": title for number, title in enumerate(predictions)}
    grid = plane.grid.assign(**dict(zip(columns, predictions.values(), strict=True)))
    errors = {title: float(((grid[name] - grid["truth"]) ** 2).mean() ** 0.5) for name, title in columns.items()}
    parts = "; ".join(
        f"{title.replace(chr(10), ' ')}: RMSE {value:.2g} over the whole square" for title, value in errors.items()
    )
    caption = "The truth and the predictions on [-10, 10] x [-10, 10], all on the colour scale of the truth."
    if by_rank:
        caption += f" Best and worst by {sweep.metric}, of the configurations that are compared."
    drawing = figures.maps(grid, {"truth": "truth", **columns}, plane.level)
    return Figure(f"{sweep.stem}-maps", drawing, f"Maps of y. {parts}.", caption)


def _errors_beyond(errors: pd.DataFrame, plane: Plane) -> str:
    """The RMSE of each group outside the dense region, in words."""
    outside = errors[errors["distance"] > plane.border].groupby("group", sort=False)["error"]
    means = outside.agg(lambda e: float((e**2).mean() ** 0.5))
    return "; ".join(f"{name}: {value:.2g} beyond the border" for name, value in means.items())


def _seeds(errors: pd.DataFrame, groups: Sequence[str], others: Sequence[Prediction]) -> str:
    """How many networks a line is of, and what is around it, in words."""
    counts = [errors.loc[errors["group"] == name, "run"].nunique() for name in groups]
    if max(counts) == 1:
        return "one seed each."
    alone = "".join(f"; {one.configuration} is its seed {one.seed}" for one in others)
    return f"median and {band_name(counts)} (at most {max(counts)}){alone}."


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
