"""Samplers and pruners: what `_target_` names, built."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from optuna.pruners import BasePruner, NopPruner, WilcoxonPruner
from optuna.samplers import BaseSampler, CmaEsSampler, QMCSampler

from harmonic._compat.hydra import instantiate
from harmonic._compat.optuna import QMCSamplerByNumber
from harmonic.config.targets import check_arguments, find
from harmonic.errors import ConfigError
from harmonic.results.outcome import reason
from harmonic.search._cma import GuardedCmaEsSampler
from harmonic.search.reproducible_sampler import ReproducibleSampler
from harmonic.search.space import Space

# What Optuna imports only when the first trial that needs it is drawn.
_NEEDS = {"CmaEsSampler": "cmaes"}

SEEDS = 2**32  # of NumPy's generators

_OURS: dict[type, type] = {CmaEsSampler: GuardedCmaEsSampler, QMCSampler: QMCSamplerByNumber}


def build_sampler(section: Mapping[str, Any], space: Space) -> ReproducibleSampler:
    """The sampler that `hydra.sweeper.sampler` names.

    Raises:
        ConfigError: there is no such class, it refuses its arguments, or needs a package that is not there.
    """
    kind = _class("sampler", section, BaseSampler)
    kind = _OURS.get(kind, kind)
    takes = inspect.signature(kind).parameters
    given = {key: value for key, value in section.items() if key != "seed" or "seed" in takes}
    check_arguments("hydra.sweeper.sampler", kind, given)
    if "search_space" in takes and "search_space" not in given:
        given["search_space"] = {one.name: one.values() for one in space.parameters}

    arguments = {key: _nested(value) for key, value in given.items() if key not in ("_target_", "seed")}

    def build(seed: int | None) -> BaseSampler:
        sampler: BaseSampler = _built("sampler", kind, {**arguments, "seed": seed} if "seed" in takes else arguments)
        return sampler

    seed = given.get("seed")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < SEEDS):
        raise ConfigError.broken("hydra.sweeper.sampler.seed", f"a whole number from 0 to {SEEDS - 1}, or null", seed)
    return ReproducibleSampler(build, seed)


def build_pruner(section: Mapping[str, Any], rung: int, steps: int) -> BasePruner:
    """The pruner that `hydra.sweeper.pruner` names; resources that it is not given are the run's.

    Args:
        rung: steps between two reports.
        steps: of a whole run.

    Raises:
        ConfigError: as `build_sampler`.
    """
    kind = _class("pruner", section, BasePruner)
    ours = {"min_resource": rung, "max_resource": steps}
    missing = {key: value for key, value in ours.items() if key in inspect.signature(kind).parameters}
    check_arguments("hydra.sweeper.pruner", kind, section)
    arguments = {key: _nested(value) for key, value in section.items() if key != "_target_"}
    wrapped = arguments.get("wrapped_pruner")
    if wrapped is not None and not isinstance(wrapped, BasePruner):
        raise ConfigError.broken(
            "hydra.sweeper.pruner.wrapped_pruner", "a pruner, as {_target_: optuna.pruners.<class>}, or null", wrapped
        )
    pruner: BasePruner = _built("pruner", kind, {**missing, **arguments})
    return pruner


def prunes_steps(section: Mapping[str, Any]) -> bool:
    """Whether a pruner looks at the steps of a run."""
    return _class("pruner", section, BasePruner) is not NopPruner and not prunes_seeds(section)


def prunes_seeds(section: Mapping[str, Any]) -> bool:
    """Whether a pruner, or the one that it wraps, looks at one seed after the other."""
    wrapped = section.get("wrapped_pruner")
    if isinstance(wrapped, dict) and "_target_" in wrapped:
        return prunes_seeds(wrapped)
    return issubclass(_class("pruner", section, BasePruner), WilcoxonPruner)


def _class(key: str, section: Mapping[str, Any], base: type) -> type:
    rule = f"hydra.sweeper.{key}._target_ must name a class of optuna.{key}s"
    try:
        kind = find(f"hydra.sweeper.{key}", str(section["_target_"]))
    except ConfigError as error:
        why = f" ({reason(error.__cause__)})" if error.__cause__ else ""
        raise ConfigError(f"{rule}; got {section['_target_']}{why}") from error
    if not issubclass(kind, base):
        raise ConfigError(f"{rule}; got {section['_target_']}")
    package = _NEEDS.get(kind.__name__)
    if package and find_spec(package) is None:
        raise ConfigError(f"hydra.sweeper.{key}={kind.__name__} needs the package {package}, which is not here")
    return kind


def _nested(value: Any) -> Any:
    """An argument that is itself built by `_target_`, such as the pruner that another one wraps."""
    return instantiate(value, _convert_="all") if isinstance(value, dict) and "_target_" in value else value


def _built(key: str, kind: type, arguments: Mapping[str, Any]) -> Any:
    try:
        return kind(**arguments)
    except ImportError as error:
        name = error.name or str(error)
        raise ConfigError(f"hydra.sweeper.{key} needs the package {name}, which is not here") from error
    except Exception as error:  # whatever its constructor raises
        raise ConfigError(f"hydra.sweeper.{key} must be one that can be built; got {reason(error)}") from error
