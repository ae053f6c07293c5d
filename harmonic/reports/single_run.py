"""What a report says of a run by itself."""

from __future__ import annotations

import pandas as pd

from harmonic import data as data_sets
from harmonic import figures
from harmonic.analysis.baselines import harmonic_law
from harmonic.errors import HarmonicError
from harmonic.reports.blocks import Block, Facts, Figure, Section, Text
from harmonic.reports.commands import command
from harmonic.reports.networks import NoParameters, plane_of, predicted
from harmonic.reports.report_data import ReportData

SHOWN = (
    "status", "engine", "steps", "final_loss", "valid_rmse", "dense_rmse", "sparse_rmse", "gap", "train_s", "error"
)  # fmt: skip


def single_run_section(data: ReportData) -> Section:
    """The section of the only run there is: its outcome, its learning curve, and its fit on the plane."""
    run = data.runs.iloc[0]
    facts = {"command": command(data.runs)}
    for name in SHOWN:
        if not pd.isna(run[name]):
            facts[name] = f"{run[name]:.5g}" if isinstance(run[name], float) else str(run[name])
    blocks: list[Block] = [Facts(facts)]
    curve = data.curves
    if len(curve) > 1:
        last = curve["loss"].iloc[-1]
        alt = f"Loss by step, from {curve['loss'].iloc[0]:.4g} to {last:.4g}, with the RMSE in both regions."
        caption = "The loss before each step, and the errors where they were evaluated."
        blocks.append(Figure("curve", figures.curve(curve), alt, caption))
    return Section("The run", blocks + _plane_blocks(data.runs))


def _plane_blocks(runs: pd.DataFrame) -> list[Block]:
    """The run's sample and its fit, or why there are none."""
    run = runs.iloc[0]
    plane, law = plane_of(runs), harmonic_law(run)
    unknown = "the run left no parameters, or its data are of a law that is not harmonic's own"
    if plane is None or law is None:
        return [Text(f"No maps: {unknown}.")]
    try:
        grid = plane.grid.assign(prediction=predicted(run, plane.grid))
    except NoParameters:
        return [Text(f"No maps: {unknown}.")]
    except HarmonicError as error:
        return [Text(f"No maps: {error}.")]
    seed = run["seed"] if pd.isna(run.get("data.seed")) else run["data.seed"]
    points = figures.sample_frame(law.sample(data_sets.stream(int(seed))))
    sample = Figure(
        "data",
        figures.data(points, grid, plane.level),
        f"The {len(points)} samples on the plane, coloured by y.",
        "What the network was trained on.",
    )
    dense, sparse = f"{run['dense_rmse']:.2g}", f"{run['sparse_rmse']:.2g}"
    alt = (
        f"Truth, prediction and absolute error on the plane; RMSE {dense} in the dense region, {sparse} in the sparse."
    )
    fit = figures.fit(points, grid, plane.level)
    return [sample, Figure("fit", fit, alt, "Truth and prediction share one colour scale.")]
