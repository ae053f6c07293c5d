"""The commands that repeat runs."""

from __future__ import annotations

import shlex
from math import prod

import pandas as pd

from harmonic.analysis.configurations import REPLICATE, config_ids
from harmonic.config.compose import nested, repeat
from harmonic.errors import HarmonicError
from harmonic.results.load import stored_config


def command(runs: pd.DataFrame) -> str:
    """The command that trains these runs, which differ in their seeds only, once more, or why there is none.

    Where their seeds are no product of lists, there are several, joined by &&.
    """
    try:
        overrides = _overrides_without_seeds(runs.iloc[0])
    except HarmonicError as error:
        return f"none: {error}"
    names = [name for name in REPLICATE if name in runs and runs[name].notna().any()]
    if not names:  # of a table that somebody else made
        return "none: these runs have no seed"
    different = runs.drop_duplicates(names)
    values = {name: sorted(set(different[name].dropna())) for name in names}
    if different[names].isna().any(axis=None) or prod(map(len, values.values())) != len(different):
        return " && ".join(
            shlex.join(["harmonic", *overrides, *_seed_overrides(run)]) for _, run in different.iterrows()
        )
    seeds = [f"{name}={','.join(map(str, found))}" for name, found in values.items()]
    return shlex.join(["harmonic", *(["-m"] if len(different) > 1 else []), *overrides, *seeds])


def commands(runs: pd.DataFrame) -> list[str]:
    """The command that repeats each run, or why there is none; what replicates share is made once."""
    made = dict[int, str]()
    texts = []
    for one, (_, run) in zip(config_ids(runs), runs.iterrows(), strict=True):
        if one not in made:
            try:
                made[one] = shlex.join(["harmonic", *_overrides_without_seeds(run)])
            except HarmonicError as error:
                made[one] = f"none: {error}"
        is_command = made[one].startswith("harmonic")
        texts.append(" ".join([made[one], *_seed_overrides(run)]) if is_command else made[one])
    return texts


def _overrides_without_seeds(run: pd.Series) -> list[str]:
    """The overrides of a run, all but its seeds."""
    stored = stored_config(run)
    unseeded = {name: None for name in REPLICATE if name in stored} | {"seed": 0}
    return [text for text in repeat(nested(stored | unseeded)) if not text.startswith("seed=")]


def _seed_overrides(run: pd.Series) -> list[str]:
    return [f"{name}={run[name]}" for name in REPLICATE if name in run and not pd.isna(run[name])]
