"""The sweeper's keys: every one is checked, and what is none of them is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonic.errors import ConfigError
from harmonic.search.settings import Settings
from helpers import CommandLine
from studies import KEYS

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
                    st.sampled_from(["no", "false", "minimize", "range(0,3)", "sqlite://", "valid_rmse"]))  # fmt: skip
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.text(max_size=3), SCALARS, max_size=2))


@given(st.sampled_from(sorted(KEYS)), VALUES)
def test_any_value_of_any_key_is_kept_or_refused(key: str, value: Any) -> None:
    """What is let through means what was written: nothing is taken for another type."""
    try:
        checked = Settings.parse({**KEYS, key: value})
    except ConfigError as error:
        refused = str(error)
    else:
        refused = ""
        kept = getattr(checked, key)
        assert kept == value or value is None or key in ("seeds", "fresh_seeds", "direction")
        assert not isinstance(value, bool) or key == "allow_changes"
    assert len(refused.splitlines()) <= 1


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("allow_changes", "no", "allow_changes must be true or false; got 'no'"),
        ("allow_changes", "false", "allow_changes must be true or false; got 'false'"),
        ("allow_changes", 0, "allow_changes must be true or false; got 0"),
        ("n_trials", 10**30, "n_trials must be a whole number"),
        ("n_trials", 2.0, "n_trials must be a whole number"),
        ("n_trials", True, "n_trials must be a whole number"),
        ("heartbeat", 10**9, "a whole number from 1 to 86400"),
        ("params", "model.width", "ranges by key"),
        ("params", [], "ranges by key"),
        ("storage", 3, "an address of Optuna's"),
        ("storage", "", "an address of Optuna's"),
        ("storage", "sqlite://", "one that stays when the sweep has ended"),
        ("storage", "sqlite:///:memory:", "one that stays when the sweep has ended"),
        ("n_trails", 5, "hydra.sweeper.n_trails is no key of the sweeper; .*; did you mean n_trials"),
        ("seed", 5, "hydra.sweeper.seed is no key of the sweeper; .*; did you mean .*seeds"),
        ("sampler", {"_target_": "TPESampler"}, "the dotted path of a class"),
    ],
)
def test_what_would_be_taken_for_something_else_is_refused(key: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Settings.parse({**KEYS, key: value})


def test_all_keys_are_tried() -> None:
    assert set(KEYS) == {one.name for one in dataclasses.fields(Settings)}


def test_a_key_that_was_added_is_refused(harmonic_command: CommandLine) -> None:
    refused = harmonic_command("-m", "hydra/sweeper=harmonic", "model.width=3,4", "+hydra.sweeper.n_trails=2")
    assert refused.code == 2
    assert "did you mean n_trials?" in refused.err
    assert len(refused.err.splitlines()) == 1
