"""The head of a report: what it covers, and all runs in one picture."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from harmonic import __version__, figures, post
from harmonic.analysis.baselines import predicting_zero
from harmonic.analysis.configurations import REPLICATE, short, shown
from harmonic.analysis.intervals import band, spread_name
from harmonic.reports.blocks import Block, Facts, Figure, Grid, Section, Text
from harmonic.reports.networks import is_posts
from harmonic.reports.report_data import Material, Sweep

COLOURED = 8  # sweeps that can be told apart by colour
TOLD = ("valid_rmse", "dense_rmse", "sparse_rmse")


def overview(material: Material) -> Section:
    """What the report covers, and what was left out."""
    runs = material.runs
    counts = runs["status"].value_counts()
    ended = ", ".join(f"{counts[name]} {name}" for name in counts.index if counts[name])
    facts = {
        "runs": f"{len(runs)} ({ended})",
        "sweeps": ", ".join(sweep.name for sweep in material.sweeps),
        "steps trained": f"{int(runs['steps'].fillna(0).sum()):,}",
        "training": f"{runs['train_s'].sum():.1f} s, summed over the runs",
        "run from": f"{runs['started'].min():%Y-%m-%d %H:%M} to {runs['started'].max():%Y-%m-%d %H:%M} UTC",
        "by": ", ".join(f"harmonic {one}" for one in sorted(runs["version"].dropna().unique())),
        "report": f"harmonic {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }
    blocks: list[Block] = [Facts(facts)]
    blocks += [Text(note[:1].upper() + note[1:]) for note in material.notes]
    return Section("What this covers", blocks)


def comparison(material: Material) -> Section:
    """All runs by their errors in both regions, the sweeps' best beside the post's configurations."""
    done = material.runs[material.runs["status"] == "complete"]
    if done.empty:
        return Section("Errors", [Text("No run was completed, so there are no errors to show.")])
    told = _posts(done) if is_posts(done) else pd.DataFrame(columns=["experiment", "configuration", *TOLD])
    zero = predicting_zero(done)
    blocks: list[Block] = []
    chosen = strips(material, told)
    if len(chosen["configuration"].unique()) > 1:
        caption = f"Each dot is one seed, each bar the median. {_sources(material, told)}{_beyond(chosen)}{_zero(zero)}"
        blocks.append(Figure("configurations", figures.strips(chosen, zero=zero), _strips_alt(chosen), caption))
        blocks.append(_medians(chosen))
    landmarks = told.groupby("experiment", sort=False)[["dense_rmse", "sparse_rmse"]].median() if len(told) else None
    by = "sweep" if len(material.sweeps) > 1 else _colour_by(material.sweeps[0])
    drawing = figures.dense_against_sparse(_named(material.runs, by), by, landmarks)
    front = figures.pareto_front(done.dropna(subset=["dense_rmse", "sparse_rmse"]))
    best = ", ".join(f"({row['dense_rmse']:.2g}, {row['sparse_rmse']:.2g})" for _, row in front.head(5).iterrows())
    alt = f"Scatter plot of {len(done)} runs, sparse against dense RMSE, on log axes. Pareto front: {best}."
    blocks.append(Figure("dense-against-sparse", drawing, alt, _against(material.runs, told) + _zero(zero)))
    return Section("Dense against sparse", blocks)


def strips(material: Material, told: pd.DataFrame) -> pd.DataFrame:
    """The errors by configuration: the post's (`told`), then the best of each sweep; columns configuration and TOLD."""
    parts = [told]
    for sweep in material.sweeps:
        best = best_runs(sweep)
        if len(best) and (told.empty or not _is_told(best, told)):
            parts.append(best)
    columns = ["configuration", *TOLD]
    return pd.concat([part.reindex(columns=columns) for part in parts], ignore_index=True)


def _posts(done: pd.DataFrame) -> pd.DataFrame:
    """The errors of the post's configurations, each from these runs where they have it, else as harmonic ships it.

    Columns experiment, configuration (its name and of what seeds), seed, reference (whether it is shipped), TOLD.
    """
    mine = done.assign(experiment=post.label(done)).dropna(subset=["experiment"])
    mine = mine.drop_duplicates(["experiment", *(name for name in REPLICATE if name in mine)])
    shipped = post.landmarks()
    parts = []
    for name in post.EXPERIMENTS:
        own = mine[mine["experiment"] == name]
        part = own if len(own) else shipped[shipped["experiment"] == name]
        seeds = f"{len(part)} seed{'s' if len(part) > 1 else ''}"
        part = part.assign(configuration=f"{name}\n" + (seeds if len(own) else f"reference, {seeds}"))
        parts.append(
            part.assign(reference=own.empty).reindex(columns=["experiment", "configuration", "reference", *TOLD])
        )
    return pd.concat(parts, ignore_index=True)


def _is_told(best: pd.DataFrame, told: pd.DataFrame) -> bool:
    """Whether the best of a sweep is a configuration of the post's that is shown by these very runs."""
    return bool(post.label(best).isin(told.loc[~told["reference"].astype(bool), "experiment"]).all())


def _sources(material: Material, told: pd.DataFrame) -> str:
    """Which seeds are shown of what, in words."""
    shipped = list(dict.fromkeys(told.loc[told["reference"].astype(bool), "experiment"])) if len(told) else []
    text = ""
    if shipped:
        text += (
            f"For reference: {', '.join(shipped)} of the post, whose seeds 0 to 63 ship with harmonic and are no runs "
            "of these folders. "
        )
    best = {sweep.name: best_runs(sweep) for sweep in material.sweeps}
    for sweep in material.sweeps:
        if best[sweep.name].empty and len(sweep.ranking):
            text += f"The best of {sweep.name} was completed on none of its fresh seeds. "
    best = {name: runs for name, runs in best.items() if len(runs)}
    same = {name: runs for name, runs in best.items() if len(told) and _is_told(runs, told)}
    text += "".join(f"The best of {name} is {post.label(runs).iloc[0]}. " for name, runs in same.items())
    fresh = [bool(runs["fresh"].all()) for name, runs in best.items() if name not in same]
    if any(fresh) and not all(fresh):
        text += "The best of a sweep is shown on fresh seeds where it has such, else on those that it was chosen by. "
    elif fresh:
        text += (
            f"The best of a sweep is shown on {'fresh seeds' if all(fresh) else 'the seeds that it was chosen by'}. "
        )
    return text


def _beyond(runs: pd.DataFrame) -> str:
    beyond = (runs[["dense_rmse", "sparse_rmse"]] > figures.BEYOND).any(axis=None)
    return f"What is beyond {figures.BEYOND:g} is drawn there. " if beyond else ""


def _zero(zero: tuple[float, float] | None) -> str:
    if zero is None:
        return "There is no line for predicting zero: these runs do not share one law, or theirs is not harmonic's own."
    errors = " and ".join(dict.fromkeys(f"{value:.3g}" for value in zero))
    where = "both regions" if " and " not in errors else "the dense and the sparse region"
    return f"Dashed: the error of predicting zero, {errors} in {where}."


def _against(runs: pd.DataFrame, told: pd.DataFrame) -> str:
    """How to read the dots of all runs."""
    text = "One dot a run. Below and left is better; the front are the runs that no other beats in both regions. "
    if len(told):
        shipped = list(dict.fromkeys(told.loc[told["reference"].astype(bool), "experiment"]))
        text += "Black marks are medians of the post's configurations"
        text += f" ({', '.join(shipped)} for reference: no runs of these folders). " if shipped else ". "
    missing = int(runs["status"].isin(["diverged", "failed"]).sum())
    if missing:
        text += f"Not shown: {missing} that diverged or failed. "
    return text


def best_runs(sweep: Sweep) -> pd.DataFrame:
    """The complete runs of a sweep's best configuration: those from fresh seeds if there are any."""
    best = sweep.ranking.head(1)
    if best.empty:
        return sweep.runs.head(0).assign(configuration="", fresh=False)
    runs, seeds = sweep.runs_of(int(best.index[0])).assign(fresh=False), "its {} seeds"
    if sweep.fresh is not None:
        fresh = sweep.fresh[sweep.fresh["trial"] == best["trial"].iloc[0]]
        done = fresh[fresh["status"] == "complete"].assign(fresh=True)
        of = f" of {len(fresh)}" if len(done) < len(fresh) else ""
        runs, seeds = (done, f"{{}}{of} fresh seeds") if len(fresh) else (runs, seeds)
    alone = " alone" if len(sweep.objectives) > 1 else ""
    name = f"{sweep.name}\nby {sweep.metric}{alone}" + (f", {seeds.format(len(runs))}" if len(runs) > 1 else "")
    return runs.assign(configuration=name)


def _medians(chosen: pd.DataFrame) -> Grid:
    rows, counts = [], list[int]()
    for name, group in chosen.groupby("configuration", sort=False):
        counts.append(len(group))
        cells = [_spread(group[column].dropna()) for column in TOLD]
        rows.append([str(name).replace("\n", ", "), str(len(group)), *cells])
    return Grid(f"Medians, and {spread_name(counts)}", ["configuration", "seeds", *TOLD], rows)


def _spread(values: pd.Series) -> str:
    if values.empty:
        return ""
    numbers = values.to_numpy(np.float64)
    if len(numbers) < 2 or not np.isfinite(numbers).all():  # between infinite errors there is no place
        return f"{np.median(numbers):.3g}"
    low, high = band(numbers[:, None])[:, 0]
    return f"{np.median(numbers):.3g} ({low:.3g} to {high:.3g})"


def _strips_alt(chosen: pd.DataFrame) -> str:
    medians = chosen.groupby("configuration", sort=False)[["dense_rmse", "sparse_rmse"]].median()
    parts = [
        f"{str(name).replace(chr(10), ', ')}: {row.dense_rmse:.2g} and {row.sparse_rmse:.2g}"
        for name, row in medians.iterrows()
    ]
    return f"Dots by configuration; median RMSE in the dense and the sparse region. {'; '.join(parts)}."


def _colour_by(sweep: Sweep) -> str | None:
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
        told = list(dict.fromkeys(runs["sweep"]))[:COLOURED]
        return runs.assign(sweep=runs["sweep"].where(runs["sweep"].isin(told), figures.OTHERS))
    runs = runs.sort_values(by, kind="stable")
    name = f"{short(by)} " if pd.api.types.is_numeric_dtype(runs[by]) else ""
    return runs.assign(**{by: runs[by].map(lambda value: figures.NONE if pd.isna(value) else name + shown(value))})
