"""The table of all runs, as the page gets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harmonic.analysis.configurations import REPLICATE
from harmonic.analysis.labels import column_label
from harmonic.reports.commands import commands
from harmonic.reports.report_data import ReportData

BEFORE = ("sweep", "trial", *REPLICATE, "status")
AFTER = ("valid_rmse", "dense_rmse", "sparse_rmse", "gap", "final_loss", "steps", "train_s", "engine", "error")


def runs_table(data: ReportData, folder: Path) -> dict[str, Any]:
    """Columns (title, kind, wide) and rows of all runs; `folder` is that of the report, which links are relative to."""
    runs = data.runs
    swept = list(dict.fromkeys(name for sweep in data.sweeps for name in sweep.parameters))
    names = [name for name in (*BEFORE, *swept, *AFTER) if name in runs and runs[name].notna().any()]
    columns = [_column(runs, name) for name in names]
    columns += [{"title": "folder", "kind": "link", "wide": False}, {"title": "command", "kind": "text", "wide": True}]
    cells = [_cells(runs[name]) for name in names]
    cells += [[_link(Path(text), folder) for text in runs["dir"]], commands(runs)]
    return {"columns": columns, "rows": [list(row) for row in zip(*cells, strict=True)]}


def _column(runs: pd.DataFrame, name: str) -> dict[str, Any]:
    values = runs[name]
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    title = name if name in REPLICATE else column_label(name)
    return {"title": title, "kind": "num" if numeric else "text", "wide": False}


def _cells(values: pd.Series) -> list[Any]:
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        # JSON has neither NaN nor infinity
        return [None if pd.isna(v) or not np.isfinite(v) else v.item() if hasattr(v, "item") else v for v in values]
    return [None if pd.isna(value) else str(value) for value in values]


def _link(run: Path, folder: Path) -> str | None:
    """The run's folder relative to the report's; none where it lies elsewhere or is gone."""
    inside = run.resolve()
    if not inside.is_dir() or not inside.is_relative_to(folder.resolve()):
        return None
    return inside.relative_to(folder.resolve()).as_posix()
