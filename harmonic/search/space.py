"""The search space of a sweep: its parameters, what it sets beside them, and points of it as overrides.

A parameter whose key only some options of a group have is searched under these alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import CategoricalDistribution
from optuna.trial import Trial

from harmonic._compat.optuna import enqueued_values
from harmonic.errors import ConfigError
from harmonic.search._overrides import effective_overrides
from harmonic.search.parameters import Parameter, parse_parameter

SYNTAX = "interval(a,b), tag(log,interval(a,b)), range(a,b,step) or a,b,c"


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
        self._overrides = effective_overrides(params, arguments, loader)
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
        return [one for one in self._overrides if isinstance(one, Parameter)]

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
            other = parse_parameter(OverridesParser.create().parse_override(f"{one.key}={text}"), one.group)
        except (ConfigError, HydraException):  # from another version, or damaged
            return False
        same = dict(other.options) == dict(one.options)
        return same and (bool(one.options) or other.distribution == one.distribution)

    def reorder(self, name: str, choices: Sequence[Any]) -> bool:
        """Take the options of a choice in this order, if it has the same; whether it had another."""
        for index, one in enumerate(self._overrides):
            if isinstance(one, Parameter) and one.name == name and set(choices) == set(one.options) != set():
                if list(choices) == list(one.options):
                    return False
                options = {choice: one.options[choice] for choice in choices}
                distribution = CategoricalDistribution(tuple(options))
                self._overrides[index] = replace(one, options=options, distribution=distribution)
                return True
        return False

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """Values for a trial, by name.

        Raises:
            ConfigError: it was enqueued with values that are not of the space.
        """
        enqueued = enqueued_values(trial)
        self._check_enqueued(enqueued)
        values = {one.name: one.draw(trial) for one in self.groups}
        chosen = dict(values)
        for one in self.parameters:
            if not one.group and self._active(one, chosen):
                values[one.name] = one.draw(trial)
        if unused := [name for name in enqueued if name not in values]:
            chosen_text = " ".join(f"{name}={option}" for name, option in chosen.items())
            raise ConfigError(f"a trial is enqueued with {unused[0]}, which is not searched under {chosen_text}")
        return {one.name: values[one.name] for one in self.parameters if one.name in values}

    def _check_enqueued(self, values: Mapping[str, Any]) -> None:
        known = {one.name: one for one in self.parameters}
        for name, value in values.items():
            if name not in known:
                raise ConfigError(
                    f"a trial must be enqueued with parameters of the search ({', '.join(known)}); got {name}"
                )
            if not known[name].contains(value):
                raise ConfigError(
                    f"a trial must be enqueued with values of the search, {name}={known[name].text}; got {value!r:.80}"
                )

    def overrides(self, values: Mapping[str, Any]) -> list[str]:
        """The overrides of a trial with these values."""
        return [
            one if isinstance(one, str) else one.override(values[one.name])
            for one in self._overrides
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
