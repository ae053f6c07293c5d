"""The tables of runs and of their curves on disk: written and read; `load.py` makes frames of them.

A table is a folder `table/` of Parquet parts, `runs-*.parquet` and `curves-*.parquet`. Every part
is written whole under another name and then renamed, by one writer who shares it with nobody, so
any number of processes may write to one table and a reader sees whole parts only. A run's curve is
written before its row: who sees the row finds the curve.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from harmonic.results._parts import read_columns, read_runs, write_part
from harmonic.results.columns import CURVE, IDENTITY, MARKS, OUTCOME, SEEDS, Record
from harmonic.training.status import Status

FOLDER = "table"


def write_runs(table: Path, part: str, records: Sequence[Record]) -> None:
    """Add runs to a table, as the part of the given name; runs whose configs differ in shape get one each."""
    table.mkdir(parents=True, exist_ok=True)
    alike: dict[tuple[tuple[str, type], ...], list[Record]] = {}
    for record in records:
        shape = tuple((key, type(value)) for key, value in record.config.items())
        alike.setdefault(shape, []).append(record)
    for number, group in enumerate(alike.values()):
        name = f"{part}-{number}" if number else part
        curves = [record.curve for record in group]
        columns = {
            key: pa.chunked_array([pa.array(curve[key], kind, from_pandas=True) for curve in curves], kind)
            for key, kind in CURVE.items()
        }
        write_part(table / f"curves-{name}.parquet", pa.table(columns))
        write_part(table / f"runs-{name}.parquet", _rows(group))


def _rows(records: Sequence[Record]) -> pa.Table:
    columns = {name: pa.array([r.row.get(name) for r in records], kind) for name, kind in IDENTITY.items()}
    for key in records[0].config:
        if key not in columns:
            kind = pa.int64() if key in SEEDS else None  # also where all are null
            columns[key] = pa.array([r.config[key] for r in records], kind)
    for name, kind in OUTCOME.items():
        columns[name] = pa.array([r.row.get(name) for r in records], kind)
    return pa.table(columns)


def write_front(table: Path, runs: Mapping[str, bool]) -> None:
    """Mark runs of several objectives: whether each is of the Pareto front; in place of earlier marks."""
    table.mkdir(parents=True, exist_ok=True)
    marks = pa.table([list(runs), list(runs.values())], pa.schema(MARKS))
    write_part(table / "front-0.parquet", marks)


def write_lost(table: Path, runs: Sequence[str]) -> None:
    """Mark runs that count no more, for their trial runs again under another number; in place of earlier marks."""
    write_part(table / "lost-0.parquet", pa.table([list(runs)], pa.schema({"run": pa.string()})))


def read_rows(table: Path, prefix: str = "") -> list[dict[str, Any]]:
    """The rows of a table, of the parts whose names begin alike; of one folder the one that counts last.

    A row has the leaves of its own config and no others.
    """
    parts = [read_runs(path) for path in sorted(table.glob(f"runs-{prefix}*.parquet"))]
    rows = [row for part in parts if part is not None for row in as_written(part)]
    return sorted(rows, key=_counts_last)


def _counts_last(row: Mapping[str, Any]) -> tuple[bool, datetime]:
    """The order of runs that lie in one folder. Only what failed is made again; clocks are set back, so that the later
    start alone would not do."""
    return row["status"] != Status.FAILED, row["started"]


def as_written(part: pa.Table) -> list[dict[str, Any]]:
    """The rows of a part, each with the leaves of its own config alone: where runs of several shapes share a part,
    a column with values is null for those that lack the leaf."""
    padded = [
        name
        for name, column in zip(part.column_names, part.columns, strict=True)
        if column.null_count
        and not pa.types.is_null(column.type)
        and not (name in IDENTITY or name in OUTCOME or name in SEEDS)
    ]
    rows: list[dict[str, Any]] = part.to_pylist()
    for name in padded:
        for row in rows:
            if row[name] is None:
                del row[name]
    return rows


def by_folder(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Rows by the folder that they name, in their order."""
    folders: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        folders.setdefault(row["dir"], []).append(row)
    return folders


def statuses(table: Path) -> Counter[str]:
    """How many runs ended in each status; of one folder the one that counts last."""
    parts = (read_columns(path, ["dir", "status", "started"]) for path in sorted(table.glob("runs-*.parquet")))
    rows = [row for part in parts if part is not None for row in part.to_pylist()]
    return Counter(rows[-1]["status"] for rows in by_folder(sorted(rows, key=_counts_last)).values())


def absent(table: Path, runs: Iterable[str]) -> list[str]:
    """Those of some runs, by id, that have no row in a table, in their order."""
    parts = (
        read_columns(path, ["run"]) for path in sorted(table.glob("runs-*.parquet"))
    )  # all columns would take memory
    there = {run for part in parts if part is not None for run in part["run"].to_pylist()}
    return [run for run in runs if run not in there]
