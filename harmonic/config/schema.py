"""The typed configuration of a run: what Hydra composes, checked, as plain dataclasses.

`Config` is registered as the first entry of the defaults list, so that Hydra refuses a key that
nobody reads. `parse` then checks every range and hands plain values inward: behind it nothing
knows of OmegaConf. Nothing here imports torch.

`data`, `model` and `optimizer` name a class by `_target_` and hold that class's own arguments, so
they are mappings here; what harmonic ships has its arguments checked by the `_check_*` below.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harmonic._compat.hydra import store
from harmonic.config.rules import class_path, one_of, real, seed, storable, whole
from harmonic.errors import ConfigError, meant

ENGINES = ("auto", "native", "torch")
DEVICES = ("auto", "cpu", "cuda")
ACTIVATIONS = ("sigmoid", "tanh", "relu", "sin", "snake")
OBJECTIVES = ("valid_rmse", "dense_rmse", "sparse_rmse", "gap", "final_loss", "train_s")

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
    return validated(config)


def _filled(prefix: str, kind: type[Any], values: Mapping[str, Any]) -> Any:
    known = kind.__dataclass_fields__
    if unknown := [key for key in values if key not in known]:
        near = meant(unknown[0], [*known, *([] if prefix else ["experiment"])])
        raise ConfigError(f"'{prefix}{unknown[0]}' must be a key of the config; it has {', '.join(known)} there{near}")
    return kind(**values)


def validated(config: Config) -> Config:
    """The same config with every value in range and of its type (1 becomes 1.0 where a real is meant)."""
    training, region = config.training, config.region
    return Config(
        seed=seed("seed", config.seed),
        data=_section("data", config.data),
        model=_section("model", config.model),
        optimizer=_section("optimizer", config.optimizer),
        training=Training(
            steps=whole("training.steps", training.steps, 1),
            engine=one_of("training.engine", training.engine, ENGINES),
            device=_device(training.device),
            evaluate_every=whole("training.evaluate_every", training.evaluate_every, 1),
        ),
        region=Region(mass=_mass(region.mass)),
        objective=_objective(config.objective),
        figures=config.figures,
    )


def _section(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    target = class_path(f"{name}._target_", values.get("_target_"))
    section = {key: storable(f"{name}.{key}", value) for key, value in values.items()}
    if twice := [key for key, count in Counter(_dotted(name, section)).items() if count > 1]:
        raise ConfigError(f"a dotted key must lead to one value; '{twice[0]}' leads to several")
    if name == "optimizer":
        lr = section.get("lr")
        section["lr"] = real("optimizer.lr", lr, "a finite number > 0", lambda v: v > 0)
    else:
        given = section.get("seed")
        section["seed"] = None if given is None else seed(f"{name}.seed", given)
    check = _CHECKS.get(target)
    return check(section) if check else section


def _check_harmonic(section: dict[str, Any]) -> dict[str, Any]:
    _known_keys("data", section, ("points", "scale", "noise", "seed"))
    return section | {
        "points": whole("data.points", section["points"], 2),
        "scale": real("data.scale", section["scale"], "a finite number > 0", lambda v: v > 0),
        "noise": real("data.noise", section["noise"], "a finite number >= 0", lambda v: v >= 0),
    }


def _check_mlp(section: dict[str, Any]) -> dict[str, Any]:
    _known_keys("model", section, ("width", "depth", "activation", "seed"))
    depth = whole("model.depth", section["depth"], 1)
    width = section["width"]
    if isinstance(width, Sequence) and not isinstance(width, str):
        if len(width) != depth:
            raise ConfigError.broken("model.width", f"one whole number, or as many as model.depth ({depth})", width)
        width = [whole("model.width", one, 1) for one in width]
    else:
        width = whole("model.width", width, 1)
    activation = one_of("model.activation", section["activation"], ACTIVATIONS)
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


def _dotted(key: str, value: Any) -> Iterator[str]:
    """The dotted keys of the leaves of a value."""
    if isinstance(value, Mapping) and value:
        for name, one in value.items():
            yield from _dotted(f"{key}.{name}", one)
    else:
        yield key


def _mass(value: object) -> float:
    if isinstance(value, int):
        storable("region.mass", value)
    return real("region.mass", value, "a number between 0 and 1", lambda mass: 0 < mass < 1)


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
