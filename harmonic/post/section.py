"""The section of a report on the post, where its configurations are among the runs."""

from __future__ import annotations

import pandas as pd

from harmonic.analysis.intervals import band_name
from harmonic.errors import HarmonicError
from harmonic.post import figures
from harmonic.post.experiments import EXPERIMENTS, label, published, replicates
from harmonic.post.losses import LEAST, compare_losses, judge
from harmonic.reports.blocks import Block, Figure, Grid, Section, Text
from harmonic.reports.networks import NoParameters, plane_of, predicted
from harmonic.reports.report_data import ReportData

PLAIN = (
    "The post fixed no seed, so that its very numbers cannot be had again: what can be said is where each of them lies "
    "among ours. Its pictures are not redrawn from its data either, which are gone with the seed; what is shown is one "
    "seed of ours, drawn by the post's own lines and by harmonic."
)

PERCENTILES = (
    "Where the post's loss stands among ours of the same step, from below all (0) to above all (100); ringed: {}."
)


def post_section(data: ReportData) -> Section | None:
    """The post's losses in the bands of ours, number by number, and its picture beside ours."""
    runs = replicates(data.runs[data.runs["run"].isin(data.curves["run"].unique())])
    labels = label(runs)
    seeds = labels.value_counts()
    labels = labels.where(labels.isin(seeds.index[seeds >= LEAST]))
    if labels.isna().all():
        return None
    runs, labels = runs[labels.notna()], labels.dropna()
    experiments = pd.Series(labels.to_numpy(), index=runs["run"])
    table = compare_losses(runs, data.curves)
    missing = [name for name in EXPERIMENTS if name not in set(labels)]
    blocks: list[Block] = [Text(PLAIN)]
    if missing:
        named = ", ".join(f"{name} ({seeds.get(name, 0)})" for name in missing)
        text = f"Not judged, for a configuration needs {LEAST} completed seeds: {named}."
        blocks.append(Text(f"{text} harmonic -cn post trains all."))
    drawing = figures.bands(data.curves, experiments, published())
    counts = ", ".join(f"{count} seeds of {name}" for name, count in labels.value_counts().items())
    blocks.append(
        Figure(
            "post-bands",
            drawing,
            f"The post's printed losses over the bands of {counts}.",
            f"Lines are medians, around them {band_name(seeds[seeds >= LEAST])}.",
        )
    )
    blocks += [Text(str(judge(runs, data.curves))), _percentiles(table)]
    blocks += _picture(runs, labels)
    blocks.append(_numbers(table))
    return Section("The post reproduced", blocks)


def _percentiles(table: pd.DataFrame) -> Figure:
    outside = int(((table["published"] < table["low"]) | (table["published"] > table["high"])).sum())
    held = band_name(table["n"])
    alt = f"Percentile of each printed loss among ours by step; {outside} of {len(table)} lie outside {held}."
    return Figure("post-percentiles", figures.percentiles(table), alt, PERCENTILES.format(f"outside {held}"))


def _numbers(table: pd.DataFrame) -> Grid:
    rows = []
    for _, row in table.iterrows():
        published, low, high = float(row["published"]), float(row["low"]), float(row["high"])
        outside = "" if low <= published <= high else "outside"
        cells = [f"{published:.2f}", f"{row['median']:.2f}", f"{low:.1f} to {high:.1f}", _percentile(row["percentile"])]
        rows.append([str(row["experiment"]), str(row["step"]), *cells, outside])
    columns = ["experiment", "step", "post", "our median", "ours", "percentile", ""]
    seeds = f"{table['n'].min()} seeds" + (" or more" if len(table["n"].unique()) > 1 else "")
    return Grid(
        f"The post's {len(table)} printed losses among those of our {seeds}: {band_name(table['n'])}", columns, rows
    )


def _percentile(value: float) -> str:
    return "below all" if value == 0 else "above all" if value == 100 else f"{value:.1f} %"


def _picture(runs: pd.DataFrame, labels: pd.Series) -> list[Block]:
    """The deepest fit that is there, as the post draws it and as harmonic does; before it why a deeper one is not."""
    blocks = list[Block]()
    for name in reversed(EXPERIMENTS):
        mine = runs[labels == name].sort_values("seed")
        plane = plane_of(mine) if len(mine) else None
        if plane is None:
            continue
        seed = mine["seed"].iloc[0]
        try:
            grid = plane.grid.assign(prediction=predicted(mine.iloc[0], plane.grid))
        except NoParameters:
            continue
        except HarmonicError as error:
            blocks.append(Text(f"No picture of {name}, seed {seed}: {error}."))
            continue
        drawing = figures.as_printed(grid, plane.level)
        alt = f"The prediction of {name}, seed {seed}, twice: by the post's plotting lines and by harmonic's."
        caption = (
            f"{name}, seed {seed}. The post hands the picture to imshow the other way up and colours it by its own "
            "range; ours has x1 pointing up and the colours of the truth."
        )
        return [*blocks, Figure("post-picture", drawing, alt, caption)]
    return blocks
