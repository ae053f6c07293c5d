"""What configs name is built, and refused, alike under every Hydra that harmonic serves."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from pkgutil import resolve_name
from types import ModuleType
from typing import Any

import pytest
from hydra.errors import InstantiationException
from hydra.utils import get_object
from omegaconf import OmegaConf

from harmonic._compat.hydra import VERSION, instantiate


def a_function() -> Callable[[int], int]:
    """A user's function, which returns one that no config names."""
    return lambda number: number + 1


@pytest.mark.parametrize(
    "section",
    [
        {"_target_": "torch.nn.ReLU"},  # defined in another module than its name says
        {"_target_": "users.a_function"},
        {"_target_": "hydra.utils.get_class", "path": "torch.nn.ReLU"},
        {"_target_": "hydra.utils.get_method", "path": "torch.sin"},
    ],
    ids=lambda section: str(section["_target_"]),
)
def test_what_a_config_names_is_built(section: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    users = ModuleType("users")
    users.a_function = a_function  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "users", users)
    assert callable(instantiate({"inner": section})["inner"])


def test_names_may_be_interpolated() -> None:
    config = OmegaConf.create(
        {"name": "fractions.Fraction", "base": {"_target_": "${name}", "_args_": [3]}, "outer": {"inner": "${base}"}}
    )
    assert instantiate(config.base) == Fraction(3)
    assert instantiate(config.outer)["inner"] == Fraction(3)


@pytest.mark.parametrize(
    "name", ["shutil.rmtree", "os.remove", "shutil.os.remove", "logging.os.system", "builtins.eval"]
)
def test_what_removes_files_or_runs_text_is_refused(name: str) -> None:
    with pytest.raises(InstantiationException):
        instantiate({"_target_": name, "_partial_": True})  # which is not called if it is allowed


@pytest.mark.skipif(VERSION < (1, 4), reason="Hydra 1.3 has no list of what a config may name")
def test_a_list_of_somebody_elses_changes_neither() -> None:
    from hydra.utils import UNSAFE_DISABLE_EXECUTION_CHECKS, execution_whitelist  # type: ignore[attr-defined]  # of 1.4

    with execution_whitelist(UNSAFE_DISABLE_EXECUTION_CHECKS), pytest.raises(InstantiationException):
        instantiate({"_target_": "shutil.rmtree", "_partial_": True})
    with execution_whitelist(["json.JSONDecoder"]):
        assert instantiate({"_target_": "fractions.Fraction", "_args_": [3]}) == Fraction(3)


@pytest.mark.skipif(VERSION < (1, 4), reason="Hydra 1.3 announces nothing")
def test_others_are_still_told_of_the_list() -> None:
    from hydra.utils import instantiate as theirs

    instantiate({"_target_": "fractions.Fraction"})
    with pytest.warns(UserWarning, match="with no"):
        theirs({"_target_": "fractions.Fraction"})


@pytest.mark.parametrize(
    "path",
    ["harmonic.data.Harmonic", "harmonic.models.MLP", "harmonic.check.Check", "harmonic.executors.threads",
     "harmonic.executors.processes", "harmonic.cluster.dask"],
)  # fmt: skip
def test_what_the_configs_of_old_runs_name_is_found(path: str) -> None:
    assert get_object(path) is resolve_name(path)
    assert get_object(path).__module__.startswith("harmonic.")
