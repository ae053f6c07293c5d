"""The typed configuration of a run: what Hydra composes, checked, as plain dataclasses.

`Config` is registered as the first entry of the defaults list, so that Hydra refuses a key that
nobody reads. `parse` then checks every range and hands plain values inward: behind it nothing
knows of OmegaConf. Nothing here imports torch.

`data`, `model` and `optimizer` name a class by `_target_` and hold that class's own arguments, so
they are mappings here; what harmonic ships has its arguments checked by the `_check_*` below.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harmonic._compat.hydra import store
from harmonic.errors import ConfigError, meant

ENGINES = ("auto", "native", "torch")
DEVICES = ("auto", "cpu", "cuda")
ACTIVATIONS = ("sigmoid", "tanh", "relu", "sin", "snake")
OBJECTIVES = ("valid_rmse", "dense_rmse", "sparse_rmse", "gap", "final_loss", "train_s")
SEEDS = 2**32  # torch's generator on the CPU keeps the lower 32 bits of a seed
TOO_LARGE = 2**63  # for a whole number of the table

# what is a whole number however its range is written
WHOLE = ("seed", "data.points", "data.seed", "model.width", "model.depth", "model.seed",
         "training.steps", "training.evaluate_every")  # fmt: skip

MLP_TARGET = "harmonic.models.MLP"
HARMONIC_TARGET = "harmonic.data.Harmonic"


@dataclass
class Training:
    steps: int = MISSING  # updates of the parameters
    engine: str = MISSING  # one of ENGINES
    device: str = MISSING  # one of DEVICES, or cuda:<index>
    evaluate_every: int = MISSING  # steps between two evaluations of the region errors


@dataclass
class Region:
    mass: float = MISSING  # share of the samples that the dense region holds


@dataclass
class Config:
    """What one run is made of. As a Hydra schema its values are MISSING until conf/ gives them."""

    seed: int = MISSING
    data: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    training: Training = field(default_factory=Training)
    region: Region = field(default_factory=Region)
    objective: Any = MISSING  # a column of the table, or a list of them
    figures: bool | None = None


def register() -> None:
    """Make the schema known to Hydra under the name that conf/config.yaml asks for."""
    store(name="schema", node=Config, provider="harmonic")


def parse(composed: DictConfig) -> Config:
    """Check a composed config and return it as plain values.

    Raises:
        ConfigError: a value breaks its rule, or an interpolation cannot be resolved.
    """
    keys = [str(name) for name in composed if name != "hydra"]
    try:
        plain = OmegaConf.to_container(OmegaConf.masked_copy(composed, keys), resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(" ".join(str(error).split())) from error
    assert isinstance(plain, dict)
    return parse_plain({str(key): value for key, value in plain.items()})


def parse_plain(plain: Mapping[str, Any]) -> Config:
    """`parse` for a config that is plain containers already, interpolations resolved.

    Raises:
        ConfigError: a value breaks its rule.
    """
    values = dict(plain)
    values["training"] = _filled("training.", Training, values["training"])
    values["region"] = _filled("region.", Region, values["region"])
    config: Config = _filled("", Config, values)
    return checked(config)


def _filled(prefix: str, kind: type[Any], values: Mapping[str, Any]) -> Any:
    known = kind.__dataclass_fields__
    if unknown := [key for key in values if key not in known]:
        near = meant(unknown[0], [*known, *([] if prefix else ["experiment"])])
        raise ConfigError(f"'{prefix}{unknown[0]}' must be a key of the config; it has {', '.join(known)} there{near}")
    return kind(**values)


def checked(config: Config) -> Config:
    """The same config with every value in range and of its type (1 becomes 1.0 where a real is meant)."""
    training, region = config.training, config.region
    return Config(
        seed=_seed("seed", config.seed),
        data=_section("data", config.data),
        model=_section("model", config.model),
        optimizer=_section("optimizer", config.optimizer),
        training=Training(
            steps=_whole("training.steps", training.steps, 1),
            engine=_one_of("training.engine", training.engine, ENGINES),
            device=_device(training.device),
            evaluate_every=_whole("training.evaluate_every", training.evaluate_every, 1),
        ),
        region=Region(mass=_real("region.mass", region.mass, "a number between 0 and 1", lambda v: 0 < v < 1)),
        objective=_objective(config.objective),
        figures=config.figures,
    )


def _section(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    target = values.get("_target_")
    if not isinstance(target, str) or "." not in target:
        raise ConfigError.broken(f"{name}._target_", "the dotted path of a class", target)
    section = {key: _held(f"{name}.{key}", value) for key, value in values.items()}
    if twice := [key for key, count in Counter(_dotted(name, section)).items() if count > 1]:
        raise ConfigError(f"a dotted key must lead to one value; '{twice[0]}' leads to several")
    if name == "optimizer":
        lr = section.get("lr")
        section["lr"] = _real("optimizer.lr", lr, "a finite number > 0", lambda v: v > 0)
    else:
        seed = section.get("seed")
        section["seed"] = None if seed is None else _seed(f"{name}.seed", seed)
    check = _CHECKS.get(target)
    return check(section) if check else section


def _check_harmonic(section: dict[str, Any]) -> dict[str, Any]:
    _known_keys("data", section, ("points", "scale", "noise", "seed"))
    return section | {
        "points": _whole("data.points", section["points"], 2),
        "scale": _real("data.scale", section["scale"], "a finite number > 0", lambda v: v > 0),
        "noise": _real("data.noise", section["noise"], "a finite number >= 0", lambda v: v >= 0),
    }


def _check_mlp(section: dict[str, Any]) -> dict[str, Any]:
    _known_keys("model", section, ("width", "depth", "activation", "seed"))
    depth = _whole("model.depth", section["depth"], 1)
    width = section["width"]
    if isinstance(width, Sequence) and not isinstance(width, str):
        if len(width) != depth:
            raise ConfigError.broken("model.width", f"one whole number, or as many as model.depth ({depth})", width)
        width = [_whole("model.width", one, 1) for one in width]
    else:
        width = _whole("model.width", width, 1)
    activation = _one_of("model.activation", section["activation"], ACTIVATIONS)
    return section | {"depth": depth, "width": width, "activation": activation}


_CHECKS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    HARMONIC_TARGET: _check_harmonic,
    MLP_TARGET: _check_mlp,
}


def _known_keys(name: str, section: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in section:
        if key not in known and key != "_target_":
            takes = f"it takes {', '.join(known)}{meant(key, known)}"
            raise ConfigError(f"{name}.{key} is not known to {section['_target_']}; {takes}")
    for key in known:
        if key not in section:
            raise ConfigError(f"{name}.{key} is missing; {section['_target_']} takes {', '.join(known)}")


def _whole(key: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError.broken(key, f"a whole number >= {least}", value)
    return int(_held(key, value))


def _held(key: str, value: Any) -> Any:
    """A value, if a table can hold all that is in it."""
    _utf8(key, key)
    if isinstance(value, Mapping):
        for name, one in value.items():
            if not isinstance(name, str | int | float):
                raise ConfigError.broken(key, "a mapping of text or numbers to values", value)
            _held(f"{key}.{name}", one)
    elif isinstance(value, list | tuple):
        for one in value:
            _held(key, one)
    elif isinstance(value, int) and not -TOO_LARGE <= value < TOO_LARGE:
        raise ConfigError.broken(key, "a whole number that 64 bits hold", value)
    elif isinstance(value, str):
        _utf8(key, value)
    elif value is not None and not isinstance(value, bool | int | float):
        raise ConfigError.broken(key, "null, a truth value, a number, text, or a list or mapping of these", value)
    return value


def _utf8(key: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{ascii(key)[1:-1]} must be UTF-8; got {text!a}") from None


def _dotted(key: str, value: Any) -> Iterator[str]:
    """The dotted keys of the leaves of a value."""
    if isinstance(value, Mapping) and value:
        for name, one in value.items():
            yield from _dotted(f"{key}.{name}", one)
    else:
        yield key


def _seed(key: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < SEEDS:
        raise ConfigError.broken(key, f"a whole number from 0 to {SEEDS - 1}", value)
    return value


def _real(key: str, value: object, rule: str, holds: Callable[[float], bool]) -> float:
    valid = isinstance(value, int | float) and not isinstance(value, bool)
    number = float(_held(key, value)) if valid else math.nan
    if not math.isfinite(number) or not holds(number):
        raise ConfigError.broken(key, rule, value)
    return number


def _one_of(key: str, value: object, options: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in options:
        raise ConfigError.broken(key, f"one of {', '.join(options)}", value)
    return value


def _device(value: object) -> str:
    kind, _, index = str(value).partition(":")
    if kind not in DEVICES or (index and (kind != "cuda" or not index.isdecimal())):
        raise ConfigError.broken("training.device", f"one of {', '.join(DEVICES)}, cuda:<index>", value)
    return str(value)


def _objective(value: object) -> Any:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or any(name not in OBJECTIVES for name in names):
        raise ConfigError.broken("objective", f"one of {', '.join(OBJECTIVES)}, or a list of them", value)
    return value
