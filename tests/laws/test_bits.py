"""Law: no rearrangement of the project changes a bit of what runs give, alone, in a grid or in a search."""

from __future__ import annotations

import pytest

import bits
from harmonic import load_runs
from helpers import CommandLine

GIVEN = bits.read()
SAME_MACHINE = GIVEN["machine"] == bits.machine()
# elsewhere other instructions round otherwise, and training amplifies that
TOLERANCE = 0.0 if SAME_MACHINE else 0.02


def agree(found: dict[str, list[float]], name: str) -> None:
    """Hold metrics by seed to those of the file."""
    given = {seed: GIVEN["runs"][name][seed] for seed in found}
    for seed, values in found.items():
        assert values == pytest.approx(given[seed], rel=TOLERANCE, abs=0), (name, seed)


@pytest.mark.parametrize("name", bits.CONFIGS)
def test_a_grid_gives_the_bits_it_gave(name: str, harmonic_command: CommandLine) -> None:
    assert harmonic_command(*bits.grid(name, "grid")).code == 0
    found = bits.rows(load_runs(harmonic_command.folder / "grid"))
    assert found.keys() == GIVEN["runs"][name].keys()
    agree(found, name)


@pytest.mark.parametrize("name", ["post_sgd", "post_deep", "momentum", "split", "torch_adamw"])
def test_a_single_run_gives_the_bits_of_a_grid(name: str, harmonic_command: CommandLine) -> None:
    assert harmonic_command(*bits.CONFIGS[name], "seed=3", "hydra.run.dir=one", "figures=false").code == 0
    agree(bits.rows(load_runs(harmonic_command.folder / "one")), name)


def test_a_search_gives_the_bits_of_a_grid(harmonic_command: CommandLine) -> None:
    search = ["-m", "hydra/sweeper=harmonic", "hydra.sweeper.n_trials=1", "hydra.sweeper.seeds=range(0,4)"]
    for name in ("post_adam", "tanh", "momentum", "torch_sgd"):
        swept = [*search, *bits.CONFIGS[name], "region.mass=choice(0.9)", f"hydra.sweep.dir={name}"]
        assert harmonic_command(*swept).code == 0
        found = bits.rows(load_runs(harmonic_command.folder / name))
        assert found.keys() == GIVEN["runs"][name].keys()
        agree(found, name)


def test_the_comparison_notices_a_bit() -> None:
    one = {"0": list(GIVEN["runs"]["post_sgd"]["0"])}
    one["0"][0] *= 1 + (1e-15 if SAME_MACHINE else 1)
    with pytest.raises(AssertionError):
        agree(one, "post_sgd")
