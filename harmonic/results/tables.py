"""The tables of runs and of their curves on disk: columns, writing, reading; `load.py` makes frames of them.

A table is a folder `table/` of Parquet parts, `runs-*.parquet` and `curves-*.parquet`. Every part
is written whole under another name and then renamed, by one writer who shares it with nobody, so
any number of processes may write to one table and a reader sees whole parts only. A run's curve is
written before its row: who sees the row finds the curve.
"""

from __future__ import annotations

import json
import os
import secrets
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harmonic.training.status import Status

FOLDER = "table"
STATUSES = tuple(str(one) for one in Status if one is not Status.PAUSED)

# The columns of every run, in the order of the table; its config stands between the two groups.
IDENTITY = {
    "run": pa.string(),  # unique id
    "sweep": pa.string(),  # name of the sweep's folder; missing for a single run
    "trial": pa.int64(),  # number in the sweep
    "seed": pa.int64(),
    "status": pa.string(),  # one of STATUSES
    "engine": pa.string(),  # which engine trained it
}
OUTCOME = {
    "steps": pa.int64(),  # updates made
    "final_loss": pa.float64(),  # sum of squared residuals after the last update
    "valid_rmse": pa.float64(),  # on an independent noisy sample of the same law
    "dense_rmse": pa.float64(),  # against the truth in the dense region
    "sparse_rmse": pa.float64(),  # against the truth in the sparse region
    "gap": pa.float64(),  # sparse_rmse / dense_rmse
    "train_s": pa.float64(),  # seconds in training steps alone
    "started": pa.timestamp("us", tz="UTC"),
    "version": pa.string(),  # of harmonic
    "machine": pa.string(),  # that trained it, or its last part: processor and cores
    "error": pa.string(),  # why it diverged or failed
    "dir": pa.string(),  # on disk relative to the table's parent; absolute once loaded
}
LATER = ("machine",)  # columns that the tables of earlier versions lack
SEEDS = ("data.seed", "model.seed")  # columns of the config that hold whole numbers or null
FRONT = "pareto"  # column of searches with several objectives: whether a run is of the front
CURVE = {
    "run": pa.string(),
    "step": pa.int64(),
    "loss": pa.float64(),  # before update `step`
    "dense_rmse": pa.float64(),
    "sparse_rmse": pa.float64(),
}
MARKS = {"run": pa.string(), FRONT: pa.bool_()}
# by the beginning of a part's name
_COLUMNS = {
    "runs": IDENTITY | OUTCOME,
    "curves": CURVE,
    "front": MARKS,
    "lost": {"run": pa.string()},
}  # by the beginning of a part's name


def leaves(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested config as one flat mapping of dotted keys; lists and empty mappings become their JSON text."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= leaves(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = json.dumps(value) if isinstance(value, list | tuple | Mapping) else value
    return flat


@dataclass(frozen=True)
class Record:
    """One run as it goes into a table.

    row: values for IDENTITY and OUTCOME; what is missing is null.
    config: the config's leaves by dotted key.
    curve: equally long columns of CURVE.
    """

    row: Mapping[str, Any]
    config: Mapping[str, Any]
    curve: Mapping[str, Any]


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
        _write_part(table / f"curves-{name}.parquet", pa.table(columns))
        _write_part(table / f"runs-{name}.parquet", _rows(group))


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
    _write_part(table / "front-0.parquet", marks)


def write_lost(table: Path, runs: Sequence[str]) -> None:
    """Mark runs that count no more, for their trial runs again under another number; in place of earlier marks."""
    _write_part(table / "lost-0.parquet", pa.table([list(runs)], pa.schema({"run": pa.string()})))


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


def config_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The leaves of the config in a row."""
    return {key: row[key] for key in row if key == "seed" or (key not in IDENTITY and key not in OUTCOME)}


def by_folder(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Rows by the folder that they name, in their order."""
    folders: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        folders.setdefault(row["dir"], []).append(row)
    return folders


def statuses(table: Path) -> Counter[str]:
    """How many runs ended in each status; of one folder the one that counts last."""
    parts = (_read(path, ["dir", "status", "started"]) for path in sorted(table.glob("runs-*.parquet")))
    rows = [row for part in parts if part is not None for row in part.to_pylist()]
    return Counter(rows[-1]["status"] for rows in by_folder(sorted(rows, key=_counts_last)).values())


def absent(table: Path, runs: Iterable[str]) -> list[str]:
    """Those of some runs, by id, that have no row in a table, in their order."""
    parts = (_read(path, ["run"]) for path in sorted(table.glob("runs-*.parquet")))  # all columns would take memory
    there = {run for part in parts if part is not None for run in part["run"].to_pylist()}
    return [run for run in runs if run not in there]


def printable(path: str | os.PathLike[str]) -> str:
    """A path as text that can be written anywhere: what is not UTF-8 in it is escaped."""
    return os.fsencode(path).decode(errors="backslashreplace")


def within(folder: str | Path, home: str | Path) -> bool:
    """Whether a folder is another one or lies in it, as far as their names tell."""
    inner, outer = os.path.normpath(folder), os.path.normpath(home)
    return inner == outer or inner.startswith(os.path.join(outer, ""))  # noqa: PTH118 - of ten thousand folders


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is never seen in part: aside first, then renamed into place."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _write_part(path: Path, table: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    # nobody reads a part by its statistics; without its checksums a flipped bit would be another number
    pq.write_table(table, sink, write_statistics=False, write_page_checksum=True)
    write_atomically(path, sink.getvalue().to_pybytes())


def read_part(part: Path) -> pa.Table | None:
    """A part as it was written; None of one that is damaged, or gone since it was seen, which is named in a warning."""
    return _read(part)


def _read(part: Path, columns: list[str] | None = None) -> pa.Table | None:
    try:
        # `read_table` takes twice as long to find out that it is one file
        with pq.ParquetFile(part, page_checksum_verification=True) as file:
            return _shaped(part, file.read()) if columns is None else file.read(columns)
    except (OSError, ValueError, pa.ArrowException) as error:
        warnings.warn(f"left out '{printable(part)}': not a whole Parquet file ({error})", stacklevel=4)
        return None


def read_runs(part: Path) -> pa.Table | None:
    """As `read_part`, of a part of runs: without the rows that harmonic cannot have written, which a warning names."""
    table = read_part(part)
    if table is None:
        return None
    home = str(part.parent.parent)
    lies = [
        isinstance(name, str) and "\0" not in name and within(os.path.join(home, name), home)  # noqa: PTH118 - many
        for name in table["dir"].to_pylist()
    ]
    rules = {
        "they have no id": pc.not_equal(table["run"], ""),
        "their dir lies outside": pa.array(lies, pa.bool_()),
        "their status is none of " + ", ".join(STATUSES): pc.is_in(table["status"], pa.array(STATUSES)),
        "they have no time of start": pc.is_valid(table["started"]),
    }
    sound = pa.chunked_array([pa.array([True] * len(table), pa.bool_())])
    for rule, kept in rules.items():
        kept = pc.fill_null(kept, False)
        if count := pc.sum(pc.and_not(sound, kept)).as_py():
            warnings.warn(f"left out {count} row(s) of '{printable(part)}': {rule}", stacklevel=3)
        sound = pc.and_(sound, kept)
    return table.filter(sound)


def _shaped(part: Path, table: pa.Table) -> pa.Table:
    """The table, if it has the columns of its kind.

    Raises:
        ValueError: it has not.
    """
    table.validate(full=True)
    kinds = _COLUMNS[part.name.partition("-")[0]]
    if twice := [name for name, count in Counter(table.column_names).items() if count > 1]:
        raise ValueError(f"each column must be there once; {', '.join(twice)} are there more often")
    if odd := [one.name for one in table.schema if one.name not in kinds and not _is_leaf(one.type)]:
        raise ValueError(f"a column must hold numbers, truths or text; {', '.join(odd)} do not")
    for name in kinds:
        if name in LATER and name not in table.column_names:
            table = table.append_column(name, pa.nulls(len(table), kinds[name]))
    wrong = [name for name, kind in kinds.items() if table.column_names.count(name) != 1 or table[name].type != kind]
    if wrong:
        raise ValueError(f"a part needs the columns {', '.join(kinds)}; {', '.join(wrong)} are missing or other")
    return table


def _is_leaf(kind: pa.DataType) -> bool:
    types = pa.types
    return any(
        fits(kind) for fits in (types.is_null, types.is_boolean, types.is_integer, types.is_floating, types.is_string)
    )
