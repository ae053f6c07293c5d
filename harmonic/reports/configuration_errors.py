"""The errors of the configurations that a report sets side by side: those of references, and the best of each sweep."""

from __future__ import annotations

import pandas as pd

from harmonic.analysis.configurations import REPLICATE
from harmonic.analysis.references import Reference, labels, references
from harmonic.reports.report_data import ReportData, SweepData
from harmonic.training.status import Status

REGIONS = ["dense_rmse", "sparse_rmse"]
ERRORS = ["valid_rmse", *REGIONS]


def errors_by_configuration(data: ReportData, known: pd.DataFrame) -> pd.DataFrame:
    """The errors by configuration: those of references (`known`), then the best of each sweep.

    Columns configuration and ERRORS.
    """
    parts = [known]
    for sweep in data.sweeps:
        best = best_runs(sweep)
        if len(best) and not is_among(best, known):
            parts.append(best)
    return pd.concat([part.reindex(columns=["configuration", *ERRORS]) for part in parts], ignore_index=True)


def reference_errors(done: pd.DataFrame) -> pd.DataFrame:
    """The errors of the configurations of all references that these runs may be compared with.

    Each is from these runs where they have it, else as the reference has it. Columns reference (its name), experiment,
    configuration (its name and of what seeds), shipped (whether it is the reference's), ERRORS.
    """
    columns = ["reference", "experiment", "configuration", "shipped", *ERRORS]
    parts = [
        part.reindex(columns=columns)
        for reference in references()
        if reference.shares_data(done)
        for part in _errors_of(reference, done)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _errors_of(reference: Reference, done: pd.DataFrame) -> list[pd.DataFrame]:
    mine = done.assign(experiment=reference.label(done)).dropna(subset=["experiment"])
    mine = mine.drop_duplicates(["experiment", *(name for name in REPLICATE if name in mine)])
    baselines = reference.baselines()
    parts = []
    for name in reference.markers:
        own = mine[mine["experiment"] == name]
        part = own if len(own) else baselines[baselines["experiment"] == name]
        seeds = f"{len(part)} seed{'s' if len(part) > 1 else ''}"
        title = f"{name}\n{seeds}" if len(own) else f"{name}\nreference, {seeds}"
        parts.append(part.assign(reference=reference.name, configuration=title, shipped=own.empty))
    return parts


def best_runs(sweep: SweepData) -> pd.DataFrame:
    """The complete runs of a sweep's best configuration: those from fresh seeds if there are any."""
    best = sweep.ranking.head(1)
    if best.empty:
        return sweep.runs.head(0).assign(configuration="", fresh=False)
    runs, seeds = sweep.runs_of(int(best.index[0])).assign(fresh=False), "its {} seeds"
    if sweep.fresh is not None:
        fresh = sweep.fresh[sweep.fresh["trial"] == best["trial"].iloc[0]]
        done = fresh[fresh["status"] == Status.COMPLETE].assign(fresh=True)
        of = f" of {len(fresh)}" if len(done) < len(fresh) else ""
        runs, seeds = (done, f"{{}}{of} fresh seeds") if len(fresh) else (runs, seeds)
    alone = " alone" if len(sweep.objectives) > 1 else ""
    name = f"{sweep.name}\nby {sweep.metric}{alone}" + (f", {seeds.format(len(runs))}" if len(runs) > 1 else "")
    return runs.assign(configuration=name)


def is_among(best: pd.DataFrame, known: pd.DataFrame) -> bool:
    """Whether the best of a sweep is a reference's configuration that is shown by these very runs."""
    if known.empty:
        return False
    return bool(labels(best).isin(known.loc[~known["shipped"].astype(bool), "experiment"]).all())


def shipped_by_reference(known: pd.DataFrame) -> dict[str, list[str]]:
    """The configurations that are shown by a reference's own seeds, by the reference's name."""
    shipped = known[known["shipped"].astype(bool)]
    return {
        str(name): list(dict.fromkeys(part)) for name, part in shipped.groupby("reference", sort=False)["experiment"]
    }
