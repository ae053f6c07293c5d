"""What a report says of a run by itself."""

from __future__ import annotations

import pandas as pd

from harmonic import data, figures
from harmonic.analysis.baselines import law
from harmonic.reports import networks
from harmonic.reports.best_configurations import command
from harmonic.reports.blocks import Block, Facts, Figure, Section, Text
from harmonic.reports.report_data import Material


def single(material: Material) -> list[Section]:
    """The section of the only run there is."""
    run = material.runs.iloc[0]
    facts = {"command": command(material.runs)}
    for name in (
        "status",
        "engine",
        "steps",
        "final_loss",
        "valid_rmse",
        "dense_rmse",
        "sparse_rmse",
        "gap",
        "train_s",
        "error",
    ):
        if not pd.isna(run[name]):
            facts[name] = f"{run[name]:.5g}" if isinstance(run[name], float) else str(run[name])
    blocks: list[Block] = [Facts(facts)]
    curve = material.curves
    if len(curve) > 1:
        last = curve["loss"].iloc[-1]
        alt = f"Loss by step, from {curve['loss'].iloc[0]:.4g} to {last:.4g}, with the RMSE in both regions."
        blocks.append(
            Figure(
                "curve",
                figures.curve(curve),
                alt,
                "The loss before each step, and the errors where they were evaluated.",
            )
        )
    blocks += _plane(material, run)
    return [Section("The run", blocks)]


def _plane(material: Material, run: pd.Series) -> list[Block]:
    plane, known = networks.plane(material.runs), law(run)
    prediction = networks.predicted(run, plane.grid) if plane is not None else None
    if plane is None or known is None or prediction is None:
        return [Text("No maps: the run left no parameters, or its data are of a law that is not harmonic's own.")]
    seed = run["seed"] if pd.isna(run.get("data.seed")) else run["data.seed"]
    points = figures.sample_frame(known.sample(data.stream(int(seed))))
    grid = plane.grid.assign(prediction=prediction)
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
    return [
        sample,
        Figure("fit", figures.fit(points, grid, plane.level), alt, "Truth and prediction share one colour scale."),
    ]
