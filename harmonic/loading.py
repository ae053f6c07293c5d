"""Tables as DataFrames: all runs below a folder, and their curves, joined whatever their shapes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from harmonic.errors import TableError
from harmonic.tables import CURVE, FOLDER, FRONT, IDENTITY, OUTCOME, STATUSES, read_part, within

if TYPE_CHECKING:
    import pandas as pd


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
        table = read_part(part)
        if table is not None:
            parts.append(_inside(table, part.parent.parent, Path(path)))
    lost = [run for part in _whole(Path(path), "lost") for run in part["run"].to_pylist()]
    inside = _without(_join(parts), lost)
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
    if front := _front(Path(path)):
        frame[FRONT] = frame["run"].map(front).astype("boolean")
    return frame


def _front(path: Path) -> dict[str, bool]:
    """Whether a run is of its search's Pareto front, by run; empty without searches of several objectives."""
    front = dict[str, bool]()
    for part in _whole(path, "front"):
        for run, mark in zip(part["run"].to_pylist(), part[FRONT].to_pylist(), strict=True):
            # of several sweepers' marks some are older; who has left the front does not come back
            front[run] = mark and front.get(run, True)
    return front


def load_curves(path: str | os.PathLike[str]) -> pd.DataFrame:
    """The loss at every step of all runs below a folder, in long form.

    Returns:
        run (category), step, loss before that step's update, and dense_rmse and sparse_rmse at
        the steps where they were evaluated. The last step of a complete run is after all updates.

    Raises:
        TableError: there is no such folder, or no run in it.
    """
    runs = load_runs(path)["run"]
    tables = list(_of_new_runs(_whole(Path(path), "curves")))
    joined = pa.concat_tables(tables) if tables else pa.table({n: pa.array([], k) for n, k in CURVE.items()})
    joined = joined.set_column(0, "run", joined["run"].combine_chunks().dictionary_encode())
    frame: pd.DataFrame = joined.to_pandas()
    frame["run"] = frame["run"].cat.set_categories(runs.tolist())
    frame = frame[frame["run"].notna()]
    # a run's steps lie in one part, in order
    return frame.sort_values("run", kind="stable", ignore_index=True)


def stored_config(row: pd.Series) -> dict[str, Any]:
    """The config of a run by dotted key, in the types in which it was written.

    Args:
        row: of `load_runs`, whose columns are of one type for all runs: a number beside a text is text there.

    Raises:
        TableError: the row's table is gone.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `load_runs` has named what is damaged
        for part in _whole(Path(row["dir"]), "runs"):
            for found in part.filter(pc.equal(part["run"], row["run"])).to_pylist():
                config = {key: value for key, value in found.items() if key not in IDENTITY | OUTCOME}
                return {"seed": found["seed"], **config}
    raise TableError(f"the table of run '{row['run']}' must still hold it; got '{row['dir']}'")


def _of_new_runs(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Curves, each run's once, though a folder and its copy hold it twice."""
    known = set[str]()
    for table in tables:
        runs = table["run"].unique()
        again = known.intersection(runs.to_pylist())
        known.update(runs.to_pylist())
        yield _without(table, again)


def _without(table: pa.Table, runs: Collection[str]) -> pa.Table:
    return table.filter(pc.invert(pc.is_in(table["run"], pa.array(runs, pa.string())))) if runs else table


def _whole(path: Path, kind: str) -> Iterator[pa.Table]:
    """What is whole of the parts of this kind."""
    return (table for part in _parts(path, kind) if (table := read_part(part)) is not None)


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
