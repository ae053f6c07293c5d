"""What a report says of the post, where its configurations are among the runs."""

from __future__ import annotations

import pandas as pd

from harmonic import figures, post
from harmonic.analysis.intervals import spread_name
from harmonic.reports import networks
from harmonic.reports.blocks import Block, Figure, Grid, Section, Text
from harmonic.reports.report_data import Material

PLAIN = (
    "The post fixed no seed, so that its very numbers cannot be had again: what can be said is where each of them lies "
    "among ours. Its pictures are not redrawn from its data either, which are gone with the seed; what is shown is one "
    "seed of ours, drawn by the post's own lines and by harmonic."
)

PERCENTILES = (
    "Where the post's loss stands among ours of the same step, from below all (0) to above all (100); ringed: {}."
)


def reproduction(material: Material) -> Section | None:
    """The post's losses in the bands of ours, number by number, and its picture beside ours."""
    runs = post.replicates(material.runs[material.runs["run"].isin(material.curves["run"].unique())])
    labels = post.label(runs)
    seeds = labels.value_counts()
    labels = labels.where(labels.isin(seeds.index[seeds >= post.LEAST]))
    if labels.isna().all():
        return None
    runs, labels = runs[labels.notna()], labels.dropna()
    experiments = pd.Series(labels.to_numpy(), index=runs["run"])
    table = post.compare(runs, material.curves)
    missing = [name for name in post.EXPERIMENTS if name not in set(labels)]
    blocks: list[Block] = [Text(PLAIN)]
    if missing:
        named = ", ".join(f"{name} ({seeds.get(name, 0)})" for name in missing)
        text = f"Not judged, for a configuration needs {post.LEAST} completed seeds: {named}."
        blocks.append(Text(f"{text} harmonic -cn post trains all."))
    drawing = figures.bands(material.curves, experiments, post.published())
    counts = ", ".join(f"{count} seeds of {name}" for name, count in labels.value_counts().items())
    blocks.append(
        Figure(
            "post-bands",
            drawing,
            f"The post's printed losses over the bands of {counts}.",
            f"Lines are medians, around them {spread_name(seeds[seeds >= post.LEAST])}.",
        )
    )
    blocks += [Text(str(post.judge(runs, material.curves))), _percentiles(table)]
    if (picture := _picture(runs, labels)) is not None:
        blocks.append(picture)
    blocks.append(_numbers(table))
    return Section("The post reproduced", blocks)


def _percentiles(table: pd.DataFrame) -> Figure:
    outside = int(((table["published"] < table["low"]) | (table["published"] > table["high"])).sum())
    held = spread_name(table["n"])
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
        f"The post's {len(table)} printed losses among those of our {seeds}: {spread_name(table['n'])}", columns, rows
    )


def _percentile(value: float) -> str:
    return "below all" if value == 0 else "above all" if value == 100 else f"{value:.1f} %"


def _picture(runs: pd.DataFrame, labels: pd.Series) -> Figure | None:
    """The deepest fit that is there, as the post draws it and as we do."""
    for name in reversed(post.EXPERIMENTS):
        mine = runs[labels == name].sort_values("seed")
        plane = networks.plane(mine) if len(mine) else None
        prediction = networks.predicted(mine.iloc[0], plane.grid) if plane else None
        if plane is not None and prediction is not None:
            grid, seed = plane.grid.assign(prediction=prediction), mine["seed"].iloc[0]
            drawing = figures.as_printed(grid, plane.level)
            alt = f"The prediction of {name}, seed {seed}, twice: by the post's plotting lines and by harmonic's."
            caption = (
                f"{name}, seed {seed}. The post hands the picture to imshow the other way up and colours it by its own "
                "range; ours has x1 pointing up and the colours of the truth."
            )
            return Figure("post-picture", drawing, alt, caption)
    return None
