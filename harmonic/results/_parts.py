"""One part of a table: a Parquet file of runs, of curves or of marks, by the beginning of its name."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harmonic.results.columns import CURVE, IDENTITY, LATER, MARKS, OUTCOME, STATUSES
from harmonic.results.files import printable, within, write_atomically

# by the beginning of a part's name
_COLUMNS = {
    "runs": IDENTITY | OUTCOME,
    "curves": CURVE,
    "front": MARKS,
    "lost": {"run": pa.string()},
}


def write_part(path: Path, table: pa.Table) -> None:
    """Write a part so that no reader sees it half."""
    sink = pa.BufferOutputStream()
    # nobody reads a part by its statistics; without its checksums a flipped bit would be another number
    pq.write_table(table, sink, write_statistics=False, write_page_checksum=True)
    write_atomically(path, sink.getvalue().to_pybytes())


def read_part(part: Path) -> pa.Table | None:
    """A part as it was written; None of one that is damaged, or gone since it was seen, which is named in a warning."""
    return read_columns(part)


def read_columns(part: Path, columns: list[str] | None = None) -> pa.Table | None:
    """As `read_part`, of some columns alone, which are not checked."""
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
