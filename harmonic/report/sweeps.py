"""What a report says of one sweep: what was asked, what it found, and how that came about."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pandas as pd

from harmonic import figures, post
from harmonic.compose import repeat
from harmonic.configurations import config_columns, describe, numbered, ranked, short, shown
from harmonic.importance import importances
from harmonic.report.blocks import Block, Facts, Figure, Grid, Section, Text
from harmonic.report.material import SINGLES, Sweep
from harmonic.report.networks import plain
from harmonic.report.overview import runs_of

LISTED = 8  # configurations in the table of the best
GROUPS = 6  # groups of learning curves that can be told apart


def sections(sweep: Sweep) -> list[Section]:
    """All sections of one sweep that fit what it holds."""
    built = [asked(sweep), best(sweep)]
    if post.label(sweep.runs).isna().any():  # the post's own have a section of their own
        built += [one for one in (landscape(sweep), training(sweep)) if one is not None]
    return built


def asked(sweep: Sweep) -> Section:
    """What was asked, at what cost, and what failed."""
    runs, section = sweep.runs, sweep.sweeper
    facts = dict[str, str]()
    job = sweep.asked.get("job") or {}
    if job.get("config_name"):
        given = (sweep.asked.get("overrides") or {}).get("task") or []
        named = [] if job["config_name"] == "config" else ["-cn", str(job["config_name"])]
        many = [] if named else ["-m"]
        facts["command"] = shlex.join(["harmonic", *many, *named, *map(str, given)])
    facts |= {f"{key}": text for key, text in sweep.space.items()}
    if sweep.is_search:
        facts["objective"] = f"{sweep.best_is} {runs['objective'].iloc[0]}"
        facts["budget"] = f"{section['n_trials']} trials" + (
            f", seeds {section['seeds']}" if section.get("seeds") else ""
        )
        facts["sampler"], facts["pruner"] = _class(section.get("sampler")), _class(section.get("pruner"))
    counts = runs["status"].value_counts()
    facts["runs"] = ", ".join(f"{counts[name]} {name}" for name in counts.index if counts[name])
    facts["steps a run"] = _range(runs["training.steps"])
    facts["engine"] = ", ".join(f"{name} ({count})" for name, count in runs["engine"].value_counts().items() if count)
    facts["time"] = f"{_wall(runs):.0f} s from the first start to the last, {runs['train_s'].sum():.1f} s of training"
    for one in sweep.environments:
        facts["machine"] = f"{one.get('machine', '?')}, {one.get('system', '?')}"
        facts["versions"] = ", ".join(f"{k} {v}" for k, v in one.items() if k not in ("machine", "system"))
    blocks: list[Block] = [Facts(facts)]
    if causes := failures(runs):
        blocks.append(Grid("Failures by cause", ["cause", "runs", "for instance"], causes))
    return Section(sweep.name, blocks)


def failures(runs: pd.DataFrame) -> list[list[str]]:
    """The runs that diverged or failed by cause: the cause, how many, and an example."""
    bad = runs[runs["status"].isin(["diverged", "failed"])]
    causes = (
        bad["status"].astype(str)
        + ": "
        + bad["error"].fillna("no reason noted").map(lambda text: re.sub(r"\b\d+\b", "N", text))
    )
    rows = []
    for cause, numbers in causes.groupby(causes).groups.items():
        first = bad.loc[numbers[0]]
        rows.append([str(cause), str(len(numbers)), f"{first['error']} ({name(first)})"])
    return sorted(rows, key=lambda row: -int(row[1]))


def name(run: pd.Series) -> str:
    """How a run is called: its trial and seed, or its id."""
    if pd.isna(run["trial"]):
        return f"run {run['run']}, seed {run['seed']}"
    return f"trial {run['trial']}, seed {run['seed']}"


def best(sweep: Sweep) -> Section:
    """The best configurations, each with its spread and the command that repeats it."""
    table = ranked(sweep.runs, sweep.metric, sweep.best_is)
    if table.empty:
        return Section("The best configurations", [Text("No run of this sweep was completed.")], within=True)
    rows = []
    for number, row in table.head(LISTED).iterrows():
        assert isinstance(number, int)
        interval = "" if np.isnan(row["low"]) else f"{row['low']:.4g} to {row['high']:.4g}"
        trial = "" if pd.isna(row["trial"]) else str(row["trial"])
        cells = [shown(row[column]) if not pd.isna(row[column]) else "" for column in sweep.parameters]
        rows.append(
            [trial, *cells, f"{row['mean']:.4g}", interval, str(row["n"]), f"{row['dense_rmse']:.3g}",
             f"{row['sparse_rmse']:.3g}", command(runs_of(sweep, number))]
        )  # fmt: skip
    columns = ["trial", *map(short, sweep.parameters), sweep.metric, "95 % interval", "n", "dense", "sparse", "command"]
    caption = f"Mean {sweep.metric} over n seeds, its 95 % interval (Student's t), mean errors in the regions"
    blocks: list[Block] = [Grid(caption, columns, rows, commands="command")]
    fewer = ranked(sweep.runs, sweep.metric, sweep.best_is)["n"].max()
    blocks.append(
        Text(
            f"{len(table)} configurations were completed with all {fewer} seeds."
            if fewer > 1
            else f"{len(table)} configurations were completed, with one seed each: no spread is known."
        )
    )
    return Section("The best configurations", blocks, within=True)


def command(runs: pd.DataFrame) -> str:
    """The command that trains these runs, which differ in their seeds only, once more."""
    first = runs.iloc[0]
    config = {
        key: plain(first[key])
        for key in [*config_columns(runs), "data.seed", "model.seed"]
        if key in first and not pd.isna(first[key])
    }
    overrides = repeat({"seed": 0, **config})
    overrides = [text for text in overrides if not text.startswith("seed=")]
    seeds = ",".join(str(seed) for seed in sorted(set(runs["seed"])))
    return shlex.join(["harmonic", *(["-m"] if "," in seeds else []), *overrides, f"seed={seeds}"])


def landscape(sweep: Sweep) -> Section | None:
    """The metric by what was swept, and its history."""
    table, metric = ranked(sweep.runs, sweep.metric, sweep.best_is), sweep.metric
    table = table.assign(**{metric: table["mean"]})
    blocks: list[Block] = []
    if len(table) > 2 and sweep.parameters:
        blocks += _by_parameters(sweep, table)
    trials = _trials(sweep)
    if sweep.is_search and len(trials) > 2:
        drawing = figures.history(trials, metric, sweep.best_is)
        counts = ", ".join(f"{count} {status}" for status, count in trials["status"].value_counts().items() if count)
        alt = f"Value of each trial by its number, with the best so far: {counts}; the best is {table['mean'].iloc[0] if len(table) else float('nan'):.4g}."
        blocks.append(
            Figure(
                f"{file(sweep)}-history", drawing, alt, "Each trial's mean over its seeds; the line is the best so far."
            )
        )
    return Section("What was swept", blocks, within=True) if blocks else None


def _by_parameters(sweep: Sweep, table: pd.DataFrame) -> list[Block]:
    parameters, metric, stem = sweep.parameters, sweep.metric, file(sweep)
    numbers = [one for one in parameters if pd.api.types.is_numeric_dtype(table[one])]
    named = " and ".join(map(short, parameters))
    best_at = describe(table.iloc[0], parameters)
    if len(parameters) == 2 and len(numbers) == 2:
        bad = sweep.runs[sweep.runs["status"].isin(["diverged", "failed"])]
        x, y = sorted(parameters, key=lambda one: one != "model.width")
        drawing = figures.landscape(table, x, y, metric, bad)
        alt = f"Map of {metric} over {named}, the {len(table)} trials as points; the best at {best_at}."
        caption = "Each point is a configuration (mean over its seeds), the map between them is interpolated. Darker is better; the worst fifth shares one colour."
        return [Figure(f"{stem}-landscape", drawing, alt, caption)]
    blocks: list[Block] = []
    drawing = figures.slices(table, parameters, metric)
    alt = f"{metric} of {len(table)} configurations against {', '.join(map(short, parameters))}; the best at {best_at}."
    blocks.append(
        Figure(f"{stem}-slices", drawing, alt, "One point a configuration (mean over its seeds); the ring is the best.")
    )
    if len(parameters) > 2:
        shares = importances(table, parameters, metric, sweep.best_is)
        if len(shares):
            parts = ", ".join(f"{short(row.parameter)} {row.importance:.0%}" for row in shares.itertuples())
            caption = "How far the values of the best tenth of the configurations differ from those of all (PED-ANOVA)."
            blocks.append(
                Figure(
                    f"{stem}-importances",
                    figures.importances(shares, metric),
                    f"Bars of parameter importance: {parts}.",
                    caption,
                )
            )
    return blocks


def training(sweep: Sweep) -> Section | None:
    """Learning curves, grouped by what was swept."""
    groups = curve_groups(sweep)
    if sweep.curves.empty or groups.empty:
        return None
    drawing = figures.learning(sweep.curves, groups)
    names = list(dict.fromkeys(groups))
    last = sweep.runs.set_index("run")["final_loss"].groupby(groups).median()
    parts = "; ".join(f"{one}: median final loss {last.get(one, float('nan')):.3g}" for one in names)
    caption = "Median and the band that holds 95 % of the runs (their number in brackets)."
    return Section(
        "Training",
        [Figure(f"{file(sweep)}-learning", drawing, f"Loss against step by group. {parts}.", caption)],
        within=True,
    )


def curve_groups(sweep: Sweep) -> pd.Series:
    """A name for each complete run's group, by run: its configuration if they are few, else one swept choice,
    else the quarter of the parameter that goes with the final loss most."""
    runs = sweep.runs[sweep.runs["status"] == "complete"]
    if runs.empty:
        return pd.Series(dtype=str)
    indexed = runs.set_index("run")
    if not sweep.parameters:
        return pd.Series(sweep.name, index=indexed.index)
    if numbered(runs).nunique() <= GROUPS:
        return indexed.apply(lambda row: describe(row, sweep.parameters), axis=1)
    values = np.log(indexed["final_loss"])
    choices = [
        one
        for one in sweep.parameters
        if indexed[one].nunique() <= GROUPS and not pd.api.types.is_numeric_dtype(indexed[one])
    ]
    if choices:
        by = max(choices, key=lambda one: values.groupby(indexed[one], observed=True).median().std())
        return indexed[by].map(shown).sort_values()
    numeric = [one for one in sweep.parameters if pd.api.types.is_numeric_dtype(indexed[one])]
    if not numeric:
        return pd.Series(sweep.name, index=indexed.index)
    by = max(numeric, key=lambda one: abs(indexed[one].rank().corr(values.rank())))
    ordered = indexed[by].sort_values()
    quarters = ordered.groupby(pd.qcut(ordered, 4, duplicates="drop"), observed=True)
    return quarters.transform(lambda values: f"{short(by)} {values.min():.3g} to {values.max():.3g}").astype(str)


def _trials(sweep: Sweep) -> pd.DataFrame:
    """One row a trial: its worst status, the metric's mean."""
    groups = sweep.runs.dropna(subset=["trial"]).groupby("trial")
    order = ["complete", "pruned", "diverged", "failed"]
    status = groups["status"].agg(lambda values: max(values.astype(str), key=order.index))
    return pd.DataFrame({"status": status, sweep.metric: groups[sweep.metric].mean()}).reset_index()


def _class(section: object) -> str:
    if not isinstance(section, dict):
        return "none"
    others = ", ".join(f"{key}={value}" for key, value in section.items() if key != "_target_")
    return str(section.get("_target_", "")).rpartition(".")[2] + (f" ({others})" if others else "")


def _range(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    return f"{low}" if low == high else f"{low} to {high}"


def _wall(runs: pd.DataFrame) -> float:
    last = runs.loc[runs["started"].idxmax()]
    train_s = 0.0 if pd.isna(last["train_s"]) else float(last["train_s"])
    return (runs["started"].max() - runs["started"].min()).total_seconds() + train_s


def file(sweep: Sweep) -> str:
    """How the names of a sweep's figures begin."""
    return re.sub(r"[^\w-]+", "-", "runs" if sweep.name == SINGLES else sweep.name)
