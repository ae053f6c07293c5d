"""Dense and sparse, and the error in each."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonic.data import Harmonic, regions
from harmonic.errors import ConfigError

LAW = Harmonic(points=1000, scale=3.1415, noise=0.1)


def test_the_posts_dense_region_is_a_disc() -> None:
    where = regions.build(LAW, 0.9)
    radius = 3.1415 * math.sqrt(-2 * math.log(0.1))
    assert radius == pytest.approx(6.74, abs=0.005)
    assert np.array_equal(where.dense, np.hypot(*where.x.numpy().T) <= radius)


def test_the_grid_is_the_posts() -> None:
    x = regions.build(LAW, 0.9).x.numpy()
    assert x.shape == (10_000, 2)
    assert x.min() == -10
    assert x.max() == 10
    assert np.array_equal(x[1] - x[0], [0, x[1, 1] - x[0, 1]])  # x0 varies slowest


def test_predicting_zero_scores_one_in_both() -> None:
    where = regions.build(LAW, 0.9)
    assert where.errors(np.zeros(10_000, np.float32)) == pytest.approx((1.0, 1.0), abs=0.05)


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_errors_are_those_of_their_own_region(inside: float, outside: float) -> None:
    where = regions.build(LAW, 0.7)
    off = np.where(where.dense, inside, outside)
    dense, sparse = where.errors((where.truth + off).astype(np.float32))
    assert dense == pytest.approx(abs(inside), abs=1e-6)
    assert sparse == pytest.approx(abs(outside), abs=1e-6)


@given(st.floats(0.05, 0.9), st.floats(0.01, 0.09))
def test_more_mass_is_a_larger_region(mass: float, more: float) -> None:
    small, large = regions.build(LAW, mass).dense, regions.build(LAW, mass + more).dense
    assert (small <= large).all()


@pytest.mark.parametrize(("law", "empty"), [(LAW, "sparse"), (Harmonic(10, 0.001, 0.1), "dense")])
def test_an_empty_region_is_refused(law: Harmonic, empty: str) -> None:
    with pytest.raises(ConfigError, match=f"the {empty} region is empty"):
        regions.build(law, 0.99999)
