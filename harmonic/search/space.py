"""The search space: Hydra's sweep syntax, as Optuna's distributions.

    model.width=interval(8,128)                  whole numbers from 8 to 128, for the width is one
    optimizer.lr=tag(log,interval(1e-4,1e-1))    reals, even on a log scale
    model.width=range(8,128,8)                   Hydra's range: 128 is excluded
    model.activation=tanh,snake                  a choice; of a group's options, if it names a group

A parameter whose key only some options of a group have is searched under these alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    OverrideType,
    QuotedString,
    RangeSweep,
    Sweep,
    Transformer,
)
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial

from harmonic.config.schema import WHOLE
from harmonic.errors import ConfigError

SYNTAX = "interval(a,b), tag(log,interval(a,b)), range(a,b,step) or a,b,c"
TAGS = frozenset({"log"})


@dataclass(frozen=True)
class Parameter:
    """What is searched. name: its key, as in the table; key: as the override writes it (`+` included);
    text: its range as written; options: a choice's values, as overrides write them; group: whether it
    chooses a group's option."""

    name: str
    key: str
    text: str
    distribution: BaseDistribution
    options: Mapping[Any, str]
    group: bool

    def draw(self, trial: Trial) -> Any:
        """A value for this trial."""
        one = self.distribution
        if isinstance(one, CategoricalDistribution):
            return trial.suggest_categorical(self.name, one.choices)
        if isinstance(one, IntDistribution):
            return int(trial.suggest_int(self.name, one.low, one.high, step=one.step, log=one.log))
        assert isinstance(one, FloatDistribution)
        # a sampler may hand NumPy's own float over, which does not print as a number
        return float(trial.suggest_float(self.name, one.low, one.high, step=one.step, log=one.log))

    def override(self, value: Any) -> str:
        """The override that sets this value."""
        return f"{self.key}={self.options[value] if self.options else repr(value)}"

    def holds(self, value: Any) -> bool:
        """Whether a value is one of its values."""
        one = self.distribution
        if isinstance(one, CategoricalDistribution):
            return any(
                value == option and isinstance(value, bool) == isinstance(option, bool) for option in one.choices
            )
        assert isinstance(one, IntDistribution | FloatDistribution)
        inside = isinstance(value, int | float) and not isinstance(value, bool) and one.low <= value <= one.high
        return inside and one._contains(one.to_internal_repr(value))

    @property
    def ends(self) -> tuple[Any, Any]:
        """The first and the last of its values."""
        one = self.distribution
        if isinstance(one, CategoricalDistribution):
            return one.choices[0], one.choices[-1]
        assert isinstance(one, IntDistribution | FloatDistribution)
        return one.low, one.high

    def values(self) -> list[Any]:
        """All its values.

        Raises:
            ConfigError: there is no end of them.
        """
        one = self.distribution
        if isinstance(one, CategoricalDistribution):
            return list(one.choices)
        assert isinstance(one, IntDistribution | FloatDistribution)
        if one.step is None or one.log:
            raise ConfigError(f"a grid needs choices or ranges; got {self.name}={self.text}")
        return [one.low + index * one.step for index in range(round((one.high - one.low) / one.step) + 1)]


class Space:
    """What a sweep searches, and what it sets once for all its trials.

    Args:
        params: the sweep file's, by key.
        arguments: the command line's overrides, which go before those.
        loader: knows the groups.
        compose: the config with some overrides.

    Raises:
        ConfigError: nothing is searched, or a range has no values.
        HydraException: an override cannot be parsed.
    """

    def __init__(
        self,
        params: Mapping[str, Any],
        arguments: Sequence[str],
        loader: ConfigLoader,
        compose: Callable[[Sequence[str]], DictConfig],
    ) -> None:
        parser = OverridesParser.create(config_loader=loader)
        written = parser.parse_overrides([f"{key}={_text(value)}" for key, value in params.items()])
        given = parser.parse_overrides(list(arguments))
        said = {_name(one) for one in given}
        chosen = [*(one for one in written if _name(one) not in said), *given]
        # what is set, and what is searched, in the order in which Hydra applies it: of one key the last holds
        self._settings = list[str | Parameter]()
        for index, one in enumerate(chosen):
            later = [other for other in chosen[index + 1 :] if _covers(other, _name(one))]
            if one.is_sweep_override() and not later:
                self._settings.append(_parameter(one, bool(loader.get_group_options(one.key_or_group))))
            elif not one.is_sweep_override() or later[0].type not in (OverrideType.ADD, OverrideType.FORCE_ADD):
                self._settings.append(_fixed(one))
        if not self.parameters:
            raise ConfigError(f"a search needs at least one parameter, <key>={SYNTAX}; got none")
        self._compose = compose
        self._composed: dict[tuple[str, ...], DictConfig] = {}
        for parameter in self.parameters:
            if not any(self._active(parameter, combination) for combination in self.combinations()):
                name = parameter.name
                raise ConfigError(f"'{name}' must be a key of the config to be searched; +{name}= adds one")

    @property
    def parameters(self) -> list[Parameter]:
        return [one for one in self._settings if isinstance(one, Parameter)]

    @property
    def groups(self) -> list[Parameter]:
        return [one for one in self.parameters if one.group]

    def combinations(self) -> list[dict[str, Any]]:
        """The first option of every group, and each of its others with the first of the rest."""
        first = {one.name: one.ends[0] for one in self.groups}
        others = [{**first, one.name: option} for one in self.groups for option in list(one.options)[1:]]
        return [first, *others]

    def alike(self, name: str, text: str) -> bool:
        """Whether a range that was written otherwise is that of this parameter."""
        one = next((one for one in self.parameters if one.name == name), None)
        if one is None:
            return False
        try:
            other = _parameter(OverridesParser.create().parse_override(f"{one.key}={text}"), one.group)
        except (ConfigError, HydraException):  # from another version, or damaged
            return False
        same = dict(other.options) == dict(one.options)
        return same and (bool(one.options) or other.distribution == one.distribution)

    def reorder(self, name: str, choices: Sequence[Any]) -> bool:
        """Take the options of a choice in this order, if it has the same; whether it had another."""
        for index, one in enumerate(self._settings):
            if isinstance(one, Parameter) and one.name == name and set(choices) == set(one.options) != set():
                if list(choices) == list(one.options):
                    return False
                options = {choice: one.options[choice] for choice in choices}
                distribution = CategoricalDistribution(tuple(options))
                self._settings[index] = replace(one, options=options, distribution=distribution)
                return True
        return False

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """Values for a trial, by name.

        Raises:
            ConfigError: it was enqueued with values that are not of the space.
        """
        self._check_enqueued(trial._fixed_params)
        values = {one.name: one.draw(trial) for one in self.groups}
        chosen = dict(values)
        for one in self.parameters:
            if not one.group and self._active(one, chosen):
                values[one.name] = one.draw(trial)
        if unused := [name for name in trial._fixed_params if name not in values]:
            chosen_text = " ".join(f"{name}={option}" for name, option in chosen.items())
            raise ConfigError(f"a trial is enqueued with {unused[0]}, which is not searched under {chosen_text}")
        return {one.name: values[one.name] for one in self.parameters if one.name in values}

    def _check_enqueued(self, fixed: Mapping[str, Any]) -> None:
        known = {one.name: one for one in self.parameters}
        for name, value in fixed.items():
            if name not in known:
                raise ConfigError(
                    f"a trial must be enqueued with parameters of the search ({', '.join(known)}); got {name}"
                )
            if not known[name].holds(value):
                raise ConfigError(
                    f"a trial must be enqueued with values of the search, {name}={known[name].text}; got {value!r:.80}"
                )

    def overrides(self, values: Mapping[str, Any]) -> list[str]:
        """The overrides of a trial with these values."""
        return [
            one if isinstance(one, str) else one.override(values[one.name])
            for one in self._settings
            if isinstance(one, str) or one.name in values
        ]

    def bases(self) -> list[dict[str, Any]]:
        """For every combination of groups, all its parameters at the first of their values."""
        return [self._corner(groups, lambda one: one.ends[0]) for groups in self.combinations()]

    def corners(self) -> list[dict[str, Any]]:
        """Enough of the space to see a value that breaks its rule: for every combination of groups all
        parameters at either end, and every option of every choice."""
        lasts = [self._corner(groups, lambda one: one.ends[1]) for groups in self.combinations()]
        options = [
            {**base, one.name: option}
            for base in self.bases()
            for one in self.parameters
            if not one.group and one.name in base
            for option in list(one.options)[1:-1]
        ]
        return [*self.bases(), *lasts, *options]

    def samples(self, count: int, value: Callable[[Parameter], Any]) -> list[dict[str, Any]]:
        """So many points of the space, over all of its combinations; value: draws one of a parameter."""
        combinations = self.combinations()
        return [self._corner(combinations[index % len(combinations)], value) for index in range(count)]

    def _corner(self, groups: Mapping[str, Any], value: Callable[[Parameter], Any]) -> dict[str, Any]:
        return {
            **groups,
            **{one.name: value(one) for one in self.parameters if not one.group and self._active(one, groups)},
        }

    def _active(self, parameter: Parameter, groups: Mapping[str, Any]) -> bool:
        """Whether the config has the parameter's key where these options are chosen."""
        if parameter.group or parameter.key.startswith("+") or not self.groups:
            return True  # where it is missing for good, Hydra says so
        overrides = self.overrides({one.name: groups[one.name] for one in self.groups})
        composed = self._composed.get(tuple(overrides))
        if composed is None:
            composed = self._composed[tuple(overrides)] = self._compose(overrides)
        section, _, leaf = parameter.name.rpartition(".")
        node = OmegaConf.select(composed, section) if section else composed
        return isinstance(node, DictConfig) and leaf in node


def _text(value: Any) -> str:
    return (
        value
        if isinstance(value, str)
        else json.dumps(OmegaConf.to_object(value) if OmegaConf.is_config(value) else value)
    )


def _name(override: Override) -> str:
    package = f"@{override.package}" if override.package is not None else ""
    return f"{override.key_or_group}{package}"


def _covers(later: Override, name: str) -> bool:
    """Whether a later override decides the value of what has this name."""
    if _name(later) == name:
        return True
    value, (section, dot, below) = later.value(), name.partition(f"{_name(later)}.")
    if section or not dot:
        return False
    for key in below.split("."):
        if not isinstance(value, dict) or key not in value:
            return later.is_delete()
        value = value[key]
    return True


def _fixed(override: Override) -> str:
    """An override as it is written; of a sweep that a later override replaces, its first value."""
    if not override.is_sweep_override():
        return str(override.input_line)
    value = override.value()
    first = value.start if isinstance(value, IntervalSweep) else next(override.sweep_iterator())
    return f"{override.get_key_element()}={Override._get_value_element_as_str(first)}"


def _parameter(override: Override, group: bool) -> Parameter:
    name, options = _name(override), dict[Any, str]()
    text = str(override.input_line).partition("=")[2]
    value = override.value()
    _check_tags(name, text, value)
    if isinstance(value, ChoiceSweep):  # in a search the order of options says nothing, and must stay
        override = replace(override, _value=replace(value, shuffle=False))
    if isinstance(value, IntervalSweep):
        distribution = _interval(name, text, value)
    elif isinstance(value, RangeSweep):
        distribution = _range(name, text, value)
    else:
        for element in override.sweep_iterator(transformer=Transformer.identity):
            option = _category(element)
            alike = next((one for one in options if one == option), option)
            if type(alike) is not type(option):
                raise ConfigError(f"{name}={text} must have options that differ as numbers; got {alike} and {option}")
            options[option] = Override._get_value_element_as_str(element)
        if not options:
            raise ConfigError(f"{name}={text} must have at least one value; got none")
        distribution = CategoricalDistribution(tuple(options))
    return Parameter(name, override.get_key_element(), text, distribution, options, group)


def _category(element: Any) -> Any:
    """An option as Optuna keeps it: a plain value, or the text of what is more than that."""
    if isinstance(element, QuotedString):
        return element.text
    if element is None or isinstance(element, bool | int | float | str):
        return element if element == element else str(element)
    return Override._get_value_element_as_str(element)


def _interval(name: str, text: str, sweep: IntervalSweep) -> BaseDistribution:
    low, high, log = sweep.start, sweep.end, "log" in sweep.tags
    assert low is not None
    assert high is not None
    _check(name, text, low, high, log)
    if name in WHOLE or (isinstance(low, int) and isinstance(high, int)):
        if low != int(low) or high != int(high):
            raise ConfigError(f"{name}={text} must have whole numbers as its ends; got {low:g} and {high:g}")
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(float(low), float(high), log=log)


def _range(name: str, text: str, sweep: RangeSweep) -> BaseDistribution:
    values, log = sorted(sweep.range()), "log" in sweep.tags
    if not values:
        raise ConfigError(f"{name}={text} must hold a value (its end is excluded); got none")
    low, high, step = values[0], values[-1], abs(sweep.step)
    _check(name, text, low, high + step, log)
    if log and step != 1:
        raise ConfigError(f"{name}={text} must have a step of 1 on a log scale; got {step:g}")
    if all(isinstance(value, int) for value in values):
        return IntDistribution(int(low), int(high), step=int(step), log=log)
    if name in WHOLE:
        raise ConfigError(f"{name}={text} must hold whole numbers; got {low:g} and steps of {step:g}")
    # in decimals, as they are written: Optuna warns where floats do not meet the end
    end = Decimal(str(low)) + (len(values) - 1) * Decimal(str(step))
    return FloatDistribution(float(low), float(end), step=None if log else float(step), log=log)


def _check_tags(name: str, text: str, value: Any) -> None:
    tags = sorted(map(str, value.tags)) if isinstance(value, Sweep) else []
    if unknown := [tag for tag in tags if tag not in TAGS]:
        raise ConfigError(f"{name}={text} may have the tag {', '.join(sorted(TAGS))}; got {', '.join(unknown)}")
    if tags and not isinstance(value, IntervalSweep | RangeSweep):
        raise ConfigError(
            f"{name}={text} must be an interval or a range to have a scale; got a choice tagged {tags[0]}"
        )
    if not isinstance(value, ChoiceSweep) and text.count("tag(") > 1:
        raise ConfigError(f"{name}={text} must have one tag(...), of several Hydra keeps the outermost alone")


def _check(name: str, text: str, low: float, high: float, log: bool) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(f"{name}={text} must have its lower end first, below its upper; got {low:g} and {high:g}")
    if log and low <= 0:
        raise ConfigError(f"{name}={text} must lie above 0 on a log scale; got {low:g}")
