"""All runs by their errors in both regions, the sweeps' best beside the configurations of references."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from harmonic import figures
from harmonic.analysis.baselines import predicting_zero
from harmonic.analysis.intervals import band, band_name
from harmonic.analysis.labels import column_label, format_value
from harmonic.analysis.references import labels, references
from harmonic.reports.blocks import Block, Figure, Grid, Section, Text
from harmonic.reports.configuration_errors import (
    ERRORS,
    REGIONS,
    best_runs,
    errors_by_configuration,
    is_among,
    reference_errors,
    shipped_by_reference,
)
from harmonic.reports.report_data import ReportData, SweepData
from harmonic.training.status import Status

COLOURED = 8  # sweeps that can be told apart by colour


def comparison_section(data: ReportData) -> Section:
    """The errors of the best configurations side by side, and those of all runs."""
    done = data.runs[data.runs["status"] == Status.COMPLETE]
    if done.empty:
        return Section("Errors", [Text("No run was completed, so there are no errors to show.")])
    known = reference_errors(done)
    zero = predicting_zero(done)
    blocks: list[Block] = []
    chosen = errors_by_configuration(data, known)
    if len(chosen["configuration"].unique()) > 1:
        caption = f"Each dot is one seed, each bar the median. {_sources(data, known)}{_beyond(chosen)}{_zero(zero)}"
        blocks.append(Figure("configurations", figures.strips(chosen, zero=zero), _strips_alt(chosen), caption))
        blocks.append(_medians(chosen))
    baselines = known.groupby("experiment", sort=False)[REGIONS].median() if len(known) else None
    by = "sweep" if len(data.sweeps) > 1 else _colour_by(data.sweeps[0])
    drawing = figures.dense_against_sparse(_named(data.runs, by), by, baselines)
    front = figures.pareto_front(done.dropna(subset=REGIONS))
    best = ", ".join(f"({row['dense_rmse']:.2g}, {row['sparse_rmse']:.2g})" for _, row in front.head(5).iterrows())
    alt = f"Scatter plot of {len(done)} runs, sparse against dense RMSE, on log axes. Pareto front: {best}."
    caption = _dots_caption(data.runs, known) + _zero(zero)
    blocks.append(Figure("dense-against-sparse", drawing, alt, caption))
    return Section("Dense against sparse", blocks)


def _sources(data: ReportData, known: pd.DataFrame) -> str:
    """Which seeds are shown of what, in words."""
    origins = {reference.name: reference.origin for reference in references()}
    text = "".join(
        f"For reference: {', '.join(names)} of {name}, whose {origins[name]} and are no runs of these folders. "
        for name, names in shipped_by_reference(known).items()
    )
    best = {sweep.name: best_runs(sweep) for sweep in data.sweeps}
    for sweep in data.sweeps:
        if best[sweep.name].empty and len(sweep.ranking):
            text += f"The best of {sweep.name} was completed on none of its fresh seeds. "
    best = {name: runs for name, runs in best.items() if len(runs)}
    same = {name: runs for name, runs in best.items() if is_among(runs, known)}
    text += "".join(f"The best of {name} is {labels(runs).iloc[0]}. " for name, runs in same.items())
    return text + _fresh({name: runs for name, runs in best.items() if name not in same})


def _fresh(best: Mapping[str, pd.DataFrame]) -> str:
    """Whether the best of sweeps are shown on fresh seeds, in words."""
    fresh = [bool(runs["fresh"].all()) for runs in best.values()]
    if not fresh:
        return ""
    if any(fresh) and not all(fresh):
        return "The best of a sweep is shown on fresh seeds where it has such, else on those that it was chosen by. "
    return f"The best of a sweep is shown on {'fresh seeds' if all(fresh) else 'the seeds that it was chosen by'}. "


def _beyond(runs: pd.DataFrame) -> str:
    beyond = (runs[REGIONS] > figures.BEYOND).any(axis=None)
    return f"What is beyond {figures.BEYOND:g} is drawn there. " if beyond else ""


def _zero(zero: tuple[float, float] | None) -> str:
    if zero is None:
        return "There is no line for predicting zero: these runs do not share one law, or theirs is not harmonic's own."
    errors = " and ".join(dict.fromkeys(f"{value:.3g}" for value in zero))
    where = "both regions" if " and " not in errors else "the dense and the sparse region"
    return f"Dashed: the error of predicting zero, {errors} in {where}."


def _dots_caption(runs: pd.DataFrame, known: pd.DataFrame) -> str:
    """How to read the dots of all runs."""
    text = "One dot a run. Below and left is better; the front are the runs that no other beats in both regions. "
    if len(known):
        shipped = [name for names in shipped_by_reference(known).values() for name in names]
        whose = " and ".join(f"{name}'s" for name in dict.fromkeys(known["reference"]))
        text += f"Black marks are medians of {whose} configurations"
        text += f" ({', '.join(shipped)} for reference: no runs of these folders). " if shipped else ". "
    missing = int(runs["status"].isin([Status.DIVERGED, Status.FAILED]).sum())
    if missing:
        text += f"Not shown: {missing} that diverged or failed. "
    return text


def _medians(chosen: pd.DataFrame) -> Grid:
    rows, counts = [], list[int]()
    for name, group in chosen.groupby("configuration", sort=False):
        counts.append(len(group))
        cells = [_spread(group[column].dropna()) for column in ERRORS]
        rows.append([str(name).replace("\n", ", "), str(len(group)), *cells])
    return Grid(f"Medians, and {band_name(counts)}", ["configuration", "seeds", *ERRORS], rows)


def _spread(values: pd.Series) -> str:
    if values.empty:
        return ""
    numbers = values.to_numpy(np.float64)
    if len(numbers) < 2 or not np.isfinite(numbers).all():  # between infinite errors there is no place
        return f"{np.median(numbers):.3g}"
    low, high = band(numbers[:, None])[:, 0]
    return f"{np.median(numbers):.3g} ({low:.3g} to {high:.3g})"


def _strips_alt(chosen: pd.DataFrame) -> str:
    medians = chosen.groupby("configuration", sort=False)[REGIONS].median()
    parts = [
        f"{str(name).replace(chr(10), ', ')}: {row.dense_rmse:.2g} and {row.sparse_rmse:.2g}"
        for name, row in medians.iterrows()
    ]
    return f"Dots by configuration; median RMSE in the dense and the sparse region. {'; '.join(parts)}."


def _colour_by(sweep: SweepData) -> str | None:
    """The swept choice to tell apart by colour: the one whose values differ most in the sparse region."""
    choices = [name for name in sweep.parameters if 1 < sweep.runs[name].nunique() <= 6]
    words = [name for name in choices if not pd.api.types.is_numeric_dtype(sweep.runs[name])]
    spreads = {name: sweep.runs.groupby(name, observed=True)["sparse_rmse"].median().std() for name in words or choices}
    return max(spreads, key=lambda name: spreads[name]) if spreads else None


def _named(runs: pd.DataFrame, by: str | None) -> pd.DataFrame:
    """The values of the column as a legend has them, in order: a number with the name of what it is."""
    if by is None:
        return runs
    if by == "sweep":
        coloured = list(dict.fromkeys(runs["sweep"]))[:COLOURED]
        return runs.assign(sweep=runs["sweep"].where(runs["sweep"].isin(coloured), figures.OTHERS))
    runs = runs.sort_values(by, kind="stable")
    name = f"{column_label(by)} " if pd.api.types.is_numeric_dtype(runs[by]) else ""
    return runs.assign(
        **{by: runs[by].map(lambda value: figures.NONE if pd.isna(value) else name + format_value(value))}
    )
