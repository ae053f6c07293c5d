"""What a figure needs of a table, checked before it is drawn."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from harmonic.analysis.configurations import ranked
from harmonic.errors import TableError

GRID = "grid_frame(harmonic.data.regions.build(data, 0.9)), predictions with with_prediction"
CURVES = "harmonic.load_curves"
RUNS = "harmonic.load_runs"


def need(figure: str, table: object, columns: Iterable[str], source: str) -> None:
    """Have a table the columns that a figure draws.

    Args:
        source: what gives such a table.

    Raises:
        TableError: it is no table, or lacks one of them.
    """
    wanted = list(dict.fromkeys(columns))
    rule = f"figures.{figure} needs a table with the columns {', '.join(wanted)} ({source})"
    if not isinstance(table, pd.DataFrame):
        raise TableError(f"{rule}; got {type(table).__name__}")
    if missing := [name for name in wanted if name not in table]:
        raise TableError(f"{rule}; got one without {', '.join(missing)}")


def need_kind(figure: str, value: object, kind: type, source: str) -> None:
    """Have a value be of the kind that a figure draws.

    Raises:
        TableError: it is of another.
    """
    if not isinstance(value, kind):
        raise TableError(f"figures.{figure} needs {kind.__name__} ({source}); got {type(value).__name__}")


def need_numbers(figure: str, table: pd.DataFrame, columns: Iterable[str]) -> None:
    """Have columns hold numbers.

    Raises:
        TableError: one holds something else.
    """
    for name in columns:
        if not pd.api.types.is_numeric_dtype(table[name]) or pd.api.types.is_bool_dtype(table[name]):
            raise TableError(f"figures.{figure} draws numbers; got '{name}' of kind {table[name].dtype}")


def by_configuration(
    figure: str, table: pd.DataFrame, parameters: Iterable[str], metric: str, best_is: str = "minimize"
) -> pd.DataFrame:
    """One row a configuration, the best first, with its mean as the metric; runs are ranked, other tables are taken
    to be it.

    Raises:
        TableError: a column is missing, the metric is none of numbers, or no run is complete.
    """
    need(figure, table, [*parameters, metric], f"{RUNS}, or harmonic.analysis.ranked")
    need_numbers(figure, table, [metric])
    if "status" in table:
        ranking = ranked(table, metric, best_is)
        table = ranking.assign(**{metric: ranking["mean"]})
    if table[metric].isna().all():
        raise TableError(f"figures.{figure} needs a complete run with a finite {metric}; got none")
    return table
