"""The head of a report: what it covers, and all runs in one picture."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd

from harmonic import __version__, figures, post
from harmonic.configurations import short, shown
from harmonic.intervals import band, spread_name
from harmonic.report.blocks import Block, Facts, Figure, Grid, Section, Text
from harmonic.report.material import Material, Sweep
from harmonic.report.networks import is_posts

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
        "training": f"{runs['train_s'].sum():.1f} s of one core",
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
    by_post = is_posts(done)
    blocks: list[Block] = []
    chosen = strips(material, by_post)
    if len(chosen["configuration"].unique()) > 1:
        drawing = figures.strips(chosen)
        blocks.append(Figure("configurations", drawing, _strips_alt(chosen), STRIPS))
        blocks.append(_medians(chosen))
    landmarks = (
        post.landmarks().groupby("experiment", sort=False)[["dense_rmse", "sparse_rmse"]].median() if by_post else None
    )
    by = "sweep" if len(material.sweeps) > 1 else _colour_by(material.sweeps[0])
    shown_runs = _named(material.runs, by)
    drawing = figures.dense_against_sparse(shown_runs, by, landmarks)
    front = figures.pareto_front(done.dropna(subset=["dense_rmse", "sparse_rmse"]))
    best = ", ".join(f"({row['dense_rmse']:.2g}, {row['sparse_rmse']:.2g})" for _, row in front.head(5).iterrows())
    alt = f"Scatter plot of {len(done)} runs, sparse against dense RMSE, on log axes. Pareto front: {best}."
    blocks.append(Figure("dense-against-sparse", drawing, alt, AGAINST if by_post else AGAINST_PLAIN))
    return Section("Dense against sparse", blocks)


STRIPS = (
    "Each dot is one seed, each bar the median. The post's configurations are from seeds 0 to 63; the best of a "
    "sweep is shown on fresh seeds where it was trained on such, else on the seeds that it was chosen by."
)
AGAINST = (
    "One dot a run. Below and left is better; the front are the runs that no other beats in both regions. Black marks "
    "are the medians of the post's configurations, dashed lines the error of predicting zero."
)
AGAINST_PLAIN = "One dot a run. Below and left is better; the front are the runs that no other beats in both regions."


def strips(material: Material, with_post: bool) -> pd.DataFrame:
    """The errors by configuration: the post's, then the best of each sweep; columns configuration and TOLD."""
    parts = []
    if with_post:
        parts.append(post.landmarks().rename(columns={"experiment": "configuration"}))
    for sweep in material.sweeps:
        if with_post and post.is_posts_own(sweep.runs):
            continue  # it is the post's configurations
        parts.append(best_runs(sweep))
    columns = ["configuration", *TOLD]
    return (
        pd.concat([part.reindex(columns=columns) for part in parts], ignore_index=True)
        if parts
        else pd.DataFrame(columns=columns)
    )


def best_runs(sweep: Sweep) -> pd.DataFrame:
    """The complete runs of a sweep's best configuration: those from fresh seeds if there are any."""
    best = sweep.ranking.head(1)
    if best.empty:
        return sweep.runs.head(0).assign(configuration="")
    runs, seeds = sweep.runs_of(int(best.index[0])), "its {} seeds"
    if sweep.fresh is not None:
        fresh = sweep.fresh[sweep.fresh["trial"] == best["trial"].iloc[0]]
        runs, seeds = (fresh[fresh["status"] == "complete"], "{} fresh seeds") if len(fresh) else (runs, seeds)
    name = f"{sweep.name}\nby {sweep.metric}" + (f", {seeds.format(len(runs))}" if len(runs) > 1 else "")
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
    low, high = band(values.to_numpy(float)[:, None])[:, 0]
    return f"{values.median():.3g}" + (f" ({low:.3g} to {high:.3g})" if len(values) > 1 else "")


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
    return runs.assign(**{by: runs[by].map(lambda value: name + shown(value))})
