"""Parts of a table whatever their shapes as one table, and that as a DataFrame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from harmonic.results.columns import IDENTITY, OUTCOME

if TYPE_CHECKING:
    import pandas as pd


def join(parts: Sequence[pa.Table]) -> pa.Table:
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


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """Whole numbers and truths with gaps are of pandas' own types, text is `str`, a column of nulls is NaN."""
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
