"""How much each parameter of a sweep decides: Optuna's PED-ANOVA, from the table alone."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, create_trial

from harmonic.analysis.configurations import SPAN

LEAST = 10  # configurations below which nothing is said


def importances(table: pd.DataFrame, parameters: Sequence[str], metric: str, best_is: str = "minimize") -> pd.DataFrame:
    """The share of each parameter in what makes configurations be among the best.

    PED-ANOVA (Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in
    Arbitrary Subspaces", IJCAI 2023) asks how far the best tenth of the configurations differs from all.
    A parameter that some of them lack is left out.

    Args:
        table: one row a configuration: the parameters and the metric.

    Returns:
        Columns parameter, importance (shares of 1), the most important first; empty below ten
        configurations or where no parameter varies.
    """
    known = [name for name in parameters if table[name].notna().all() and len(table[name].unique()) > 1]
    values = table.dropna(subset=[metric])
    if len(values) < LEAST or not known:
        return pd.DataFrame({"parameter": [], "importance": []})
    distributions = {name: _distribution(table[name]) for name in known}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            study = optuna.create_study(direction=StudyDirection[best_is.upper()])
            study.add_trials([_trial(row, distributions, metric) for _, row in values.iterrows()])
            found = optuna.importance.get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
        finally:
            optuna.logging.set_verbosity(verbosity)
    return pd.DataFrame({"parameter": list(found), "importance": list(found.values())})


def _trial(row: pd.Series, distributions: dict[str, BaseDistribution], metric: str) -> FrozenTrial:
    parameters = {name: _value(row[name]) for name in distributions}
    return create_trial(params=parameters, distributions=distributions, value=float(row[metric]))


def _distribution(values: pd.Series) -> BaseDistribution:
    plain = [_value(value) for value in values]
    if any(isinstance(value, str | bool) for value in plain):
        return CategoricalDistribution(sorted(set(plain), key=str))
    low, high = min(plain), max(plain)
    log = low > 0 and high > SPAN * low
    if all(isinstance(value, int) for value in plain):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(float(low), float(high), log=log)


def _value(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
