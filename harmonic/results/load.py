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
from harmonic.results._finding import FRESH, Found, tables_of
from harmonic.results._frames import join, to_pandas
from harmonic.results._parts import read_part, read_runs
from harmonic.results.columns import CURVE, FRONT, IDENTITY, OUTCOME, STATUSES, config_of
from harmonic.results.tables import as_written
from harmonic.training.status import Status

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

    What is left out is named in a warning with the reason, but for two: a run that failed and was made again
    counts by its last attempt, and the runs of a search's best from other seeds (in `fresh/`) are no trials, and
    are loaded by the path of their own folder. A folder whose name begins with a dot is not looked into.

    Raises:
        TableError: there is no such folder, or no run in it.
    """
    import pandas as pd

    found = tables_of(Path(path))
    inside = join([part for number, one in enumerate(found) for part in _runs(one, number, Path(path))])
    if inside.num_rows:
        inside = _without_lost(inside, found)
    if not inside.num_rows:
        raise TableError(f"the path of runs must hold at least one run; '{path}' holds none")
    config = [name for name in inside.column_names if name not in IDENTITY and name not in OUTCOME and name != _TABLE]
    frame = to_pandas(inside.select([*IDENTITY, *config, *OUTCOME, _TABLE]))
    for name, categories in (("status", STATUSES), ("engine", None)):
        frame[name] = pd.Categorical(frame[name], categories=categories)
    begun = frame.groupby([_TABLE, "sweep"])["started"].transform("min").fillna(frame["started"])
    frame = frame.assign(begun=begun).sort_values(["begun", "trial", "seed", "started"]).drop(columns="begun")
    frame = _once(_last_attempts(frame, config), found)
    if front := _front(found):
        frame[FRONT] = frame["run"].map(front).astype("boolean")
    return frame


_TABLE = "\0table"  # while loading: the number of the table that a row is of


def _runs(found: Found, number: int, path: Path) -> Iterator[pa.Table]:
    """The runs of one table that lie in the path, with absolute folders and the table's number."""
    for one in found.parts("runs"):
        part = read_runs(one)
        if part is not None and found.apart:  # `fresh` may be a sweep's own name
            part = part.filter(pc.fill_null(pc.invert(pc.ends_with(part["sweep"], f"/{FRESH}")), True))
        if part is not None:
            part = _inside(part, found, path)
            yield part.append_column(_TABLE, pa.array([number] * len(part), pa.int64()))


def _without_lost(runs: pa.Table, found: Sequence[Found]) -> pa.Table:
    """Without the runs whose trials run again under other numbers."""
    lost = [run for one in found for part in _whole(one, "lost") for run in part["run"].to_pylist()]
    for number, one in enumerate(found) if lost else ():
        mine = runs.filter(pc.equal(runs[_TABLE], number))
        if count := len(mine) - len(_without(mine, lost)):
            _leave_out(count, one, "their trials were lost with their sweeper, and run again under other numbers")
    return _without(runs, lost)


def _last_attempts(frame: pd.DataFrame, config: Sequence[str]) -> pd.DataFrame:
    """Without the runs that failed and were made again, as `read_rows` orders them: the same config in the same
    folder, though of another id."""
    again = frame[frame.duplicated("dir", keep=False)]
    if not len(again) or not (again["status"] == Status.FAILED).any():
        return frame
    again = again.assign(made=again["status"] != Status.FAILED).sort_values(["made", "started"])
    superseded = again[~again["made"] & again.duplicated(["dir", "trial", "seed", *config], keep="last")]
    return frame[~frame["run"].isin(superseded["run"])]


def _once(frame: pd.DataFrame, found: Sequence[Found]) -> pd.DataFrame:
    """Each run once, without the number of its table; there are several of its rows where somebody copied a folder."""
    again = frame.duplicated("run")
    for number, count in frame.loc[again, _TABLE].value_counts(sort=False).items():
        _leave_out(int(count), found[int(str(number))], "other rows have the same ids, as in copies")
    return frame[~again].drop(columns=_TABLE).reset_index(drop=True)


def _leave_out(count: int, found: Found, reason: str) -> None:
    warnings.warn(f"left out {count} row(s) of '{found.folder}': {reason}", stacklevel=4)


def _front(found: Sequence[Found]) -> dict[str, bool]:
    """Whether a run is of its search's Pareto front, by run; empty without searches of several objectives."""
    front = dict[str, bool]()
    for part in (part for one in found for part in _whole(one, "front")):
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
    tables = list(_of_new_runs(part for one in tables_of(Path(path)) for part in _whole(one, "curves")))
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
        for part in (part for one in tables_of(Path(row["dir"])) for part in _whole(one, "runs")):
            for found in as_written(part.filter(pc.equal(part["run"], row["run"]))):
                return config_of(found)
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


def _whole(found: Found, kind: str) -> Iterator[pa.Table]:
    """What is whole of the parts of this kind."""
    return (table for part in found.parts(kind) if (table := read_part(part)) is not None)


def _inside(part: pa.Table, found: Found, path: Path) -> pa.Table:
    """The rows whose folder is `path` or lies below it, their folders with the table's own before them."""
    names, above = part["dir"].to_pylist(), str(found.home)
    # a path object for each of ten thousand rows would take as long as all the rest
    folders = pa.array([above if name == "." else os.path.join(above, name) for name in names], pa.string())  # noqa: PTH118
    part = part.set_column(part.column_names.index("dir"), "dir", folders)
    if not found.above:
        return part
    root, home = path.resolve(), found.home.resolve()
    return part.filter(pa.array([(home / name).resolve().is_relative_to(root) for name in names], pa.bool_()))
