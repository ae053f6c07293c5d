"""What predicting zero scores: the baseline of an error, where a table says what is true.

It says so of harmonic's own law alone. A law of somebody else's is code that a table names, and reading one runs none.
"""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
import pandas as pd

from harmonic.config.schema import HARMONIC_TARGET
from harmonic.data import Harmonic, regions
from harmonic.data.regions import Regions
from harmonic.errors import ConfigError

ALIKE = 1e-3  # relative difference of two errors below which a figure has one line for both


def harmonic_law(run: pd.Series) -> Harmonic | None:
    """The law of a run's data; None where it is not harmonic's own."""
    if run.get("data._target_") != HARMONIC_TARGET:
        return None
    try:
        # beside runs of another law, whose arguments are text, numbers are text, too
        values = {field.name: float(run[f"data.{field.name}"]) for field in fields(Harmonic)}
    except (KeyError, TypeError, ValueError):
        return None
    if not all(map(math.isfinite, values.values())) or values["scale"] <= 0:
        return None
    return Harmonic(int(values["points"]), values["scale"], values["noise"])


def regions_of(run: pd.Series) -> Regions | None:
    """The regions that a run's errors were taken in; None where its law is not harmonic's own."""
    law = harmonic_law(run)
    try:
        mass = float(run["region.mass"])
        return regions.build(law, mass) if law is not None and 0 < mass < 1 else None
    except (KeyError, TypeError, ValueError, OverflowError, ConfigError):  # of a table that somebody else made
        return None


def predicting_zero(runs: pd.DataFrame) -> tuple[float, float] | None:
    """The RMSE of predicting zero in the dense and in the sparse region: the truth's own root mean square there.

    None where the runs do not share it, or the law of some is not harmonic's own.
    """
    names = [name for name in ("data._target_", "data.scale", "region.mass") if name in runs]
    if runs.empty or len(names) < 3:
        return None
    errors = list[tuple[float, float]]()
    for index in runs[names].drop_duplicates().index:
        found = regions_of(runs.loc[index])
        if found is None:
            return None
        errors.append(found.errors(np.zeros(len(found.truth), np.float32)))
        if not np.allclose(errors[-1], errors[0], rtol=ALIKE):
            return None
    return errors[0]
