"""The trained network of a run on disk, and back: its parameters, the config that rebuilds it, and whose it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor, nn

from harmonic.config.schema import MLP_TARGET
from harmonic.errors import HarmonicError
from harmonic.results.files import write_atomically
from harmonic.training.models import build, layer_sizes

PARAMETERS_FILE = "model.safetensors"


def save(path: Path, section: Mapping[str, Any], parameters: Mapping[str, Any], run: str | None = None) -> None:
    """Write a trained model: its arrays by state-dict name, the config that rebuilds it, and the id of its run."""
    from safetensors.numpy import save as to_bytes

    metadata = {"model": json.dumps(dict(section))} | ({} if run is None else {"run": run})
    write_atomically(path, to_bytes(dict(parameters), metadata=metadata))


def load_model(run: Any, trust: bool = False) -> nn.Module:
    """The trained network of a run, as a torch module on the CPU in evaluation mode.

    Args:
        run: a row of `load_runs`, or the path of a run's folder.
        trust: whether a network may be built by the class that its file names, where that is none of
            harmonic's: to import a class is to run its module.

    Raises:
        HarmonicError: the run left no parameters (it failed or diverged, or its folder is gone), they are
            damaged or another run's, or need trust.
    """
    named = isinstance(run, str | Path)
    path = Path(run if named else run["dir"]) / PARAMETERS_FILE
    if not path.is_file():
        raise HarmonicError(f"a run's folder must hold {PARAMETERS_FILE}; '{path.parent}' has none")
    stored = _read(path)
    wanted = None if named else run.get("run")
    if None not in (wanted, stored.run) and wanted != stored.run:
        raise HarmonicError(
            f"'{path}' must hold the network of run {wanted}; it holds that of run {stored.run}, which was made in the "
            f"same folder: load_model('{path.parent}') gives that one"
        )
    section = stored.section
    if section["_target_"] != MLP_TARGET and not trust:
        raise HarmonicError(
            f"'{path}' must hold harmonic's own network unless trust=True, for any other is built by code that the "
            f"file names; got {section['_target_']}"
        )
    try:
        if section["_target_"] == MLP_TARGET:
            _check_shapes(section, stored.parameters)  # before room is made for what a file merely claims
        module = build(section, torch.Generator())
        module.load_state_dict(stored.parameters)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        line = shorten(f"{type(error).__name__}: {error}", 300, placeholder=" ...")
        raise HarmonicError(f"'{path}' must hold the parameters of the network that it names; got {line}") from error
    return module.eval()


@dataclass(frozen=True)
class _Stored:
    """What a model's file holds. run: the id of the run that made it, which older files lack."""

    section: dict[str, Any]
    parameters: dict[str, Tensor]
    run: str | None


def _read(path: Path) -> _Stored:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            section = json.loads(metadata["model"])
            str.partition(section["_target_"], ".")  # a name
            parameters = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise HarmonicError(f"'{path}' must be a whole safetensors file of a run; got {error!r}") from error
    return _Stored(section, parameters, metadata.get("run"))


def _check_shapes(section: Mapping[str, Any], parameters: Mapping[str, Tensor]) -> None:
    """Compare the arrays of a file with the network that it names.

    Raises:
        ValueError: they are others.
    """
    depth = section["depth"]
    if len(parameters) != 2 * (depth + 1):
        raise ValueError(f"{len(parameters)} arrays for depth {depth}")
    shapes = dict[str, tuple[int, ...]]()
    for index, (fan_in, fan_out) in enumerate(pairwise(layer_sizes(section["width"], depth))):
        shapes |= {f"{2 * index}.weight": (fan_out, fan_in), f"{2 * index}.bias": (fan_out,)}
    for name in shapes | dict.fromkeys(parameters, ()):
        array = parameters.get(name)
        if array is None or array.dtype != torch.float32 or tuple(array.shape) != shapes.get(name):
            held = "nothing" if array is None else f"{array.dtype} of shape {tuple(array.shape)}"
            raise ValueError(f"{held} for {name}, which is to be torch.float32 of shape {shapes.get(name)}")
