"""The tables of runs and of their curves: columns, writing, reading.

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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harmonic.errors import TableError

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "table"
STATUSES = ("complete", "pruned", "diverged", "failed")

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
    "error": pa.string(),  # why it diverged or failed
    "dir": pa.string(),  # on disk relative to the table's parent; absolute once loaded
}
FRONT = "pareto"  # column of searches with several objectives: whether a run is of the front
CURVE = {
    "run": pa.string(),
    "step": pa.int64(),
    "loss": pa.float64(),  # before update `step`
    "dense_rmse": pa.float64(),
    "sparse_rmse": pa.float64(),
}
MARKS = {"run": pa.string(), FRONT: pa.bool_()}
_COLUMNS = {"runs": IDENTITY | OUTCOME, "curves": CURVE, "front": MARKS}  # by the beginning of a part's name


def leaves(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested config as one flat mapping of dotted keys; lists become their JSON text."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= leaves(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = json.dumps(value) if isinstance(value, list | tuple) else value
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
            kind = pa.int64() if key.endswith(".seed") else None
            columns[key] = pa.array([r.config[key] for r in records], kind)
    for name, kind in OUTCOME.items():
        columns[name] = pa.array([r.row.get(name) for r in records], kind)
    return pa.table(columns)


def write_front(table: Path, runs: Mapping[str, bool]) -> None:
    """Mark runs of several objectives: whether each is of the Pareto front; in place of earlier marks."""
    table.mkdir(parents=True, exist_ok=True)
    marks = pa.table([list(runs), list(runs.values())], pa.schema(MARKS))
    _write_part(table / "front-0.parquet", marks)


def read_rows(table: Path, prefix: str = "") -> list[dict[str, Any]]:
    """The rows of a table, of the parts whose names begin alike; of one folder the one that counts last."""
    parts = [_read(path) for path in sorted(table.glob(f"runs-{prefix}*.parquet"))]
    rows = [row for part in parts if part is not None for row in part.to_pylist()]
    # only what failed is made again; clocks are set back, so that the later start alone would not do
    return sorted(rows, key=lambda row: (row["status"] != "failed", row["started"]))


def within(folder: Path, home: Path) -> bool:
    """Whether a folder is another one or lies in it, as far as their names tell."""
    return Path(os.path.normpath(folder)).is_relative_to(os.path.normpath(home))


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


def load_runs(path: str | os.PathLike[str]) -> pd.DataFrame:
    """All runs below a folder: one row a run, in the order in which they
    or their sweeps started, and by trial and seed within a sweep.

    Args:
        path: a run's folder, a sweep's, or any folder above them such as `outputs`.

    Returns:
        The columns of IDENTITY, then every config leaf under its dotted key, then those of
        OUTCOME. Whole numbers with gaps are Int64, `status` and `engine` categories, `started`
        is in UTC, text is `str`; what a run does not have is missing.

    Raises:
        TableError: there is no such folder, or no run in it.
    """
    import pandas as pd

    parts = []
    for part in _parts(Path(path), "runs"):
        table = _read(part)
        if table is not None:
            parts.append(_inside(table, part.parent.parent, Path(path)))
    inside = _join(parts)
    if not inside.num_rows:
        raise TableError(f"the path of runs must hold at least one run; '{path}' holds none")
    config = [name for name in inside.column_names if name not in IDENTITY and name not in OUTCOME]
    frame = _to_pandas(inside.select([*IDENTITY, *config, *OUTCOME]))
    for name, categories in (("status", STATUSES), ("engine", None)):
        frame[name] = pd.Categorical(frame[name], categories=categories)
    begun = frame.groupby("sweep")["started"].transform("min").fillna(frame["started"])
    frame = frame.assign(begun=begun, made=frame["status"] != "failed")
    frame = frame.sort_values(["begun", "trial", "seed", "made", "started"])
    # a run that failed and was made again lies in the same folder; as in `read_rows`
    frame = frame.drop(columns=["begun", "made"]).drop_duplicates("dir", keep="last")
    frame = frame.drop_duplicates("run", ignore_index=True)  # somebody copied a folder
    marks = [marked for part in _parts(Path(path), "front") if (marked := _read(part)) is not None]
    if marks:
        columns = pa.concat_tables(marks).to_pydict()
        front = dict(zip(columns["run"], columns[FRONT], strict=True))
        frame[FRONT] = frame["run"].map(front).astype("boolean")
    return frame


def load_curves(path: str | os.PathLike[str]) -> pd.DataFrame:
    """The loss at every step of all runs below a folder, in long form.

    Returns:
        run (category), step, loss before that step's update, and dense_rmse and sparse_rmse at
        the steps where they were evaluated. The last step of a complete run is after all updates.

    Raises:
        TableError: there is no such folder, or no run in it.
    """
    runs = load_runs(path)["run"]
    tables = list(_of_new_runs(table for part in _parts(Path(path), "curves") if (table := _read(part)) is not None))
    joined = pa.concat_tables(tables) if tables else pa.table({n: pa.array([], k) for n, k in CURVE.items()})
    joined = joined.set_column(0, "run", joined["run"].combine_chunks().dictionary_encode())
    frame: pd.DataFrame = joined.to_pandas()
    frame["run"] = frame["run"].cat.set_categories(runs.tolist())
    frame = frame[frame["run"].notna()]
    # a run's steps lie in one part, in order
    return frame.sort_values("run", kind="stable", ignore_index=True)


def _of_new_runs(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Curves, each run's once, though a folder and its copy hold it twice."""
    known = set[str]()
    for table in tables:
        runs = table["run"].unique()
        again = known.intersection(runs.to_pylist())
        known.update(runs.to_pylist())
        yield table.filter(pc.invert(pc.is_in(table["run"], pa.array(again, pa.string())))) if again else table


def _parts(path: Path, kind: str) -> Iterator[Path]:
    """The parts of every table that holds runs of this folder: below it, or else above it."""
    if not path.exists():
        raise TableError(f"the path of runs must exist; got '{path}'")
    if not path.is_dir():
        raise TableError(f"the path of runs must be a folder; got '{path}'")
    tables = list(_tables(path))
    if not tables:
        above = (parent / FOLDER for parent in path.resolve().parents)
        tables = [table for table in above if table.is_dir()][:1]
    for table in tables:
        yield from sorted(table.glob(f"{kind}-*.parquet"))


def _tables(path: Path) -> Iterator[Path]:
    if path.name == FOLDER:
        yield path
    elif (path / FOLDER).is_dir():
        yield path / FOLDER  # the runs in the folders beside it are its own
    else:
        for child in sorted(path.iterdir()):
            if child.is_dir() and not child.name.startswith("."):
                yield from _tables(child)


def _read(part: Path) -> pa.Table | None:
    try:
        # `read_table` takes twice as long to find out that it is one file
        with pq.ParquetFile(part, page_checksum_verification=True) as file:
            return _shaped(part, file.read())
    except FileNotFoundError:
        return None  # replaced while we looked
    except (OSError, ValueError, pa.ArrowException) as error:
        warnings.warn(f"left out '{part}': not a whole Parquet file ({error})", stacklevel=3)
        return None


def _shaped(part: Path, table: pa.Table) -> pa.Table:
    """The table, if it has the columns of its kind.

    Raises:
        ValueError: it has not.
    """
    kinds = _COLUMNS[part.name.partition("-")[0]]
    wrong = [name for name, kind in kinds.items() if table.column_names.count(name) != 1 or table[name].type != kind]
    if wrong:
        raise ValueError(f"a part needs the columns {', '.join(kinds)}; {', '.join(wrong)} are missing or other")
    return table


def _join(parts: Sequence[pa.Table]) -> pa.Table:
    """One table of parts with different columns; a column of numbers and text becomes text."""
    if not parts:
        return pa.table({name: pa.array([], kind) for name, kind in (IDENTITY | OUTCOME).items()})
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except pa.ArrowTypeError:
        kinds: dict[str, set[pa.DataType]] = {}
        for column in (field for part in parts for field in part.schema if not pa.types.is_null(field.type)):
            kinds.setdefault(column.name, set()).add(column.type)
        numbers = {pa.int64(), pa.float64()}
        mixed = {name for name, types in kinds.items() if len(types) > 1 and types != numbers}
        return pa.concat_tables([_as_text(part, mixed) for part in parts], promote_options="permissive")


def _as_text(part: pa.Table, names: set[str]) -> pa.Table:
    for index, name in enumerate(part.column_names):
        if name in names:
            part = part.set_column(index, name, part[name].cast(pa.string()))
    return part


def _inside(part: pa.Table, base: Path, path: Path) -> pa.Table:
    """The rows whose folder is `path` or lies below it, their folders with the table's own before them.

    A row that names a folder outside of the table's own is none that harmonic wrote, and is left out.
    """
    inside = [isinstance(name, str) and within(base / name, base) for name in part["dir"].to_pylist()]
    if not all(inside):
        warnings.warn(
            f"left out {inside.count(False)} row(s) of '{base / FOLDER}': their dir lies outside", stacklevel=3
        )
        part = part.filter(pa.array(inside, pa.bool_()))
    names = part["dir"].to_pylist()
    part = part.set_column(part.column_names.index("dir"), "dir", pa.array([str(base / name) for name in names]))
    root = (path.parent if path.name == FOLDER else path).resolve()
    above = base.resolve()
    if above.is_relative_to(root):
        return part
    return part.filter(pa.array([(above / name).resolve().is_relative_to(root) for name in names], pa.bool_()))


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    text = pd.StringDtype(na_value=np.nan)
    frame = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if pa.types.is_string(kind):
            frame[name] = pd.Series(column.to_pylist(), dtype=text)
        elif pa.types.is_null(kind):
            frame[name] = pd.Series(np.nan, index=range(len(column)))
        elif column.null_count and pa.types.is_integer(kind):
            frame[name] = pd.Series(column.to_pylist(), dtype="Int64")
        elif column.null_count and pa.types.is_boolean(kind):
            frame[name] = pd.Series(column.to_pylist(), dtype="boolean")
        else:
            frame[name] = column.to_pandas()
    return pd.DataFrame(frame)
