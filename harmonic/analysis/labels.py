"""Columns, values and configurations as figures and reports write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

_LABELS = {
    "optimizer._target_": "optimizer",
    "model._target_": "model",
    "data._target_": "data",
    "optimizer.lr": "learning rate",
}


def column_label(column: str) -> str:
    """A column's name without its section: `model.width` is width."""
    return _LABELS.get(column, column.rpartition(".")[2].replace("_", " "))


def format_value(value: Any) -> str:
    """A config's value: a class by its name, a number to three digits."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value).rpartition(".")[2] if isinstance(value, str) else str(value)


def describe(row: pd.Series, columns: Sequence[str]) -> str:
    """A configuration in one line, by the values of these columns; missing ones are left out."""
    parts = []
    for name in columns:
        value = row[name]
        if pd.isna(value):
            continue
        is_name = isinstance(value, str) and not value.replace(".", "").isdigit()
        parts.append(format_value(value) if is_name else f"{column_label(name)} {format_value(value)}")
    return ", ".join(parts)
