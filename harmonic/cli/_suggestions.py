"""What a misspelt key, option or sweep was probably meant to be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harmonic._compat.hydra import args_parser
from harmonic.config.compose import composed, config_root
from harmonic.errors import meant

_MISSPELT = re.compile(r"^Could not override '([^']+)'")
_IN_A_FILE = re.compile(r"Key '([^']+)' (?:is )?not in .*full_key: (\S+)")
_GROUP_CHOICE = re.compile(r"[\w/]+=[\w/.-]+")


def worded(error: Exception, text: str, arguments: Sequence[str]) -> str:
    """An error of Hydra's in one line, with what was probably meant where a key, an option or a sweep is misspelt.

    Args:
        text: Hydra's own line.
        arguments: of the command line.
    """
    if isinstance(error, MissingConfigException):
        missing = str(error.missing_cfg_file)
        if error.options is not None:
            return text + meant(missing.rpartition("/")[2], error.options)
        sweeps = _sweeps(arguments)
        return (
            f"'{missing}' must be one of the sweeps {', '.join(sweeps)}, or a file of a folder that -cd names"
            + meant(missing, sweeps)
        )
    if found := _MISSPELT.search(text):
        beside = _beside(found[1], arguments)
        return f"'{found[1]}' must be a key of the config; {beside}" if beside else text
    if found := _IN_A_FILE.search(text):
        return f"{text}: {_beside(found[2], arguments) or 'it has no such key'}"
    return text


def _beside(path: str, arguments: Sequence[str]) -> str:
    """The keys beside one that is not there, and the likeliest of them; empty of one that is there."""
    config = _config(arguments)
    if "/" in path:
        groups = [str(name) for name in config.hydra.runtime.choices]
        return f"the groups are {', '.join(groups)}{meant(path, groups)}"
    node, above, rest = config, "", path
    while True:
        head, _, rest = rest.partition(".")
        inner = node.get(head) if head in node else None
        if head not in node:
            break
        if not rest:
            return ""
        above = f"{above}{head}."
        if not isinstance(inner, DictConfig):
            return f"{above.rstrip('.')} is a value, and has no keys"
        node = inner
    keys = [key for key in map(str, node) if not key.startswith("_")]
    near = meant(head, [*map(str, node), *([] if above else _groups())])
    more = f" (+{path}=... adds one)" if above and OmegaConf.get_type(node) is dict else ""
    return f"{above.rstrip('.') or 'it'} has {', '.join(keys)}{more}{near}"


def _config(arguments: Sequence[str]) -> DictConfig:
    """The config without what is wrong: with the command line's choices of groups, as far as they can be had."""
    given, _ = args_parser().parse_known_args(list(arguments))
    choices = [text for text in given.overrides if _GROUP_CHOICE.fullmatch(text)]
    for name, overrides in ((given.config_name or "config", choices), ("config", choices)):
        try:
            return composed(name, overrides, hydra=True)
        except (HydraException, OmegaConfBaseException):
            continue  # that is told already, or lies in a folder of the user's
    return composed("config", [], hydra=True)


def _groups() -> list[str]:
    return sorted(folder.name for folder in (config_root() / "conf").iterdir() if folder.is_dir())


def _sweeps(arguments: Sequence[str]) -> list[str]:
    """The primary configs that can be named: those shipped, and those of the command line's folder."""
    given, _ = args_parser().parse_known_args(list(arguments))
    folders = [config_root() / "sweeps", *([Path(given.config_dir)] if given.config_dir else [])]
    return sorted(file.stem for folder in folders for file in folder.glob("*.yaml"))
