"""A sweep in facts: what was asked of it, at what cost, and what failed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

import pandas as pd

from harmonic.reports.blocks import Block, Facts, Grid, Section
from harmonic.reports.report_data import SweepData
from harmonic.training.status import Status


def summary_section(sweep: SweepData) -> Section:
    """What was asked, at what cost, and what failed."""
    runs, spec, facts = sweep.runs, sweep.spec, dict[str, str]()
    if spec.config:
        named = ["-m"] if spec.config == "config" else ["-cn", spec.config]
        facts["last command"] = shlex.join(["harmonic", *named, *spec.overrides])
    facts |= spec.space
    if (search := spec.search) is not None:
        facts["objective"] = ", ".join(
            f"{direction} {name}" for direction, name in zip(sweep.directions, sweep.objectives, strict=True)
        )
        facts["budget"] = f"{search.n_trials} trials" + (f", seeds {search.seeds}" if search.seeds else "")
        facts["sampler"], facts["pruner"] = search.sampler, search.pruner
    counts = runs["status"].value_counts()
    facts["runs"] = ", ".join(f"{counts[name]} {name}" for name in counts.index if counts[name])
    if "training.steps" in runs:  # or it is an application of somebody else's
        facts["steps a run"] = _range(runs["training.steps"].dropna())
    facts["engine"] = ", ".join(f"{name} ({count})" for name, count in runs["engine"].value_counts().items() if count)
    facts["time"] = f"{_wall(runs):.0f} s from first start to last end, {runs['train_s'].sum():.1f} s of training"
    facts |= trained_on(runs, sweep.environments)
    blocks: list[Block] = [Facts(facts)]
    if causes := failures(runs):
        blocks.append(Grid("Failures by cause", ["cause", "runs", "for instance"], causes))
    return Section(sweep.name, blocks)


def trained_on(runs: pd.DataFrame, environments: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The machines, with the number of runs that each trained, and the versions of what is installed on them."""
    facts = {}
    systems = {one.get("machine", "?"): one.get("system", "?") for one in environments}
    machines = [f"{name}{_after(systems.get(str(name)))}: {count} runs"
                for name, count in runs["machine"].value_counts().items()]  # fmt: skip
    if unknown := int(runs["machine"].isna().sum()):
        # tables of earlier versions do not say which run was trained where, nor do runs whose worker died
        known = ", ".join(f"{name}{_after(system)}" for name, system in systems.items()) if not machines else ""
        machines.append(f"{known or 'not known'}: {unknown} runs")
    if machines:
        facts["machine" if len(machines) == 1 else "machines"] = "; ".join(machines)
    versions = [", ".join(f"{k} {v}" for k, v in one.items() if k not in ("machine", "system")) for one in environments]
    if versions:
        facts["versions"] = "; ".join(dict.fromkeys(versions))
    return facts


def _after(system: str | None) -> str:
    return "" if system is None else f", {system}"


def failures(runs: pd.DataFrame) -> list[list[str]]:
    """The runs that diverged or failed by cause: the cause, how many, and an example."""
    bad = runs[runs["status"].isin([Status.DIVERGED, Status.FAILED])]
    causes = (
        bad["status"].astype(str)
        + ": "
        + bad["error"].fillna("no reason noted").map(lambda text: re.sub(r"\b\d+\b", "N", text))
    )
    rows = []
    for cause, numbers in causes.groupby(causes).groups.items():
        first = bad.loc[numbers[0]]
        rows.append([str(cause), str(len(numbers)), f"{first['error']} ({run_name(first)})"])
    return sorted(rows, key=lambda row: -int(row[1]))


def run_name(run: pd.Series) -> str:
    """A run's name: its trial and seed, or its id."""
    if pd.isna(run["trial"]):
        return f"run {run['run']}, seed {run['seed']}"
    return f"trial {run['trial']}, seed {run['seed']}"


def _range(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    return f"{low}" if low == high else f"{low} to {high}"


def _wall(runs: pd.DataFrame) -> float:
    starts = (runs["started"] - runs["started"].min()).dt.total_seconds()
    return float((starts + runs["train_s"].fillna(0)).max())
