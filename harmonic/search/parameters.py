"""One parameter of a search: an override in Hydra's sweep syntax, as a distribution of Optuna's.

model.width=interval(8,128)                  whole numbers from 8 to 128, for the width is one
optimizer.lr=tag(log,interval(1e-4,1e-1))    reals, even on a log scale
model.width=range(8,128,8)                   Hydra's range: 128 is excluded
model.activation=tanh,snake                  a choice; of a group's options, if it names a group
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    QuotedString,
    RangeSweep,
    Sweep,
    Transformer,
)
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial

from harmonic._compat.hydra import with_value, written
from harmonic._compat.optuna import contains
from harmonic.config.schema import WHOLE
from harmonic.errors import ConfigError

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

    def contains(self, value: Any) -> bool:
        """Whether a value is one of its values."""
        one = self.distribution
        if isinstance(one, CategoricalDistribution):
            return any(
                value == option and isinstance(value, bool) == isinstance(option, bool) for option in one.choices
            )
        assert isinstance(one, IntDistribution | FloatDistribution)
        inside = isinstance(value, int | float) and not isinstance(value, bool) and one.low <= value <= one.high
        return inside and contains(one, value)

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


def name_of(override: Override) -> str:
    """The key that an override sets, without `+`, with its package."""
    package = f"@{override.package}" if override.package is not None else ""
    return f"{override.key_or_group}{package}"


def parse_parameter(override: Override, group: bool) -> Parameter:
    """What an override searches.

    Args:
        group: whether its key is a group's.

    Raises:
        ConfigError: its range has no values, or what is written would be ignored.
    """
    name = name_of(override)
    text = str(override.input_line).partition("=")[2]
    value = override.value()
    _check_tags(name, text, value)
    if isinstance(value, ChoiceSweep):  # in a search the order of options says nothing, and must stay
        override = with_value(override, replace(value, shuffle=False), str(override.input_line))
    if isinstance(value, IntervalSweep):
        return Parameter(name, override.get_key_element(), text, _interval(name, text, value), {}, group)
    if isinstance(value, RangeSweep):
        return Parameter(name, override.get_key_element(), text, _range(name, text, value), {}, group)
    options = _options(name, text, override)
    return Parameter(name, override.get_key_element(), text, CategoricalDistribution(tuple(options)), options, group)


def _options(name: str, text: str, override: Override) -> dict[Any, str]:
    """The options of a choice, with what an override writes for each."""
    options = dict[Any, str]()
    for element in override.sweep_iterator(transformer=Transformer.identity):
        option = _category(element)
        alike = next((one for one in options if one == option), option)
        if type(alike) is not type(option):
            raise ConfigError(f"{name}={text} must have options that differ as numbers; got {alike} and {option}")
        options[option] = written(element)
    if not options:
        raise ConfigError(f"{name}={text} must have at least one value; got none")
    return options


def _category(element: Any) -> Any:
    """An option as Optuna keeps it: a plain value, or the text of what is more than that."""
    if isinstance(element, QuotedString):
        return element.text
    if element is None or isinstance(element, bool | int | float | str):
        return element if element == element else str(element)
    return written(element)


def _interval(name: str, text: str, sweep: IntervalSweep) -> BaseDistribution:
    low, high, log = sweep.start, sweep.end, "log" in sweep.tags
    assert low is not None
    assert high is not None
    _check_ends(name, text, low, high, log)
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
    _check_ends(name, text, low, high + step, log)
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


def _check_ends(name: str, text: str, low: float, high: float, log: bool) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(f"{name}={text} must have its lower end first, below its upper; got {low:g} and {high:g}")
    if log and low <= 0:
        raise ConfigError(f"{name}={text} must lie above 0 on a log scale; got {low:g}")
