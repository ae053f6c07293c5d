"""How often the 95 % intervals and bands hold the truth.

    python tests/simulation.py

Differences of a choice are drawn whose true mean is known; `mean_interval` is asked for its interval, and it is counted
how often the truth lies inside. Bands are asked how often they hold another seed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harmonic.analysis.intervals import band, mean_interval

Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]

SEEDS = (3, 5, 8, 16, 32, 64)
DRAWS = 20_000
DIFFERENCES: dict[str, Draw] = {  # all of mean 0
    "normal": lambda rng, size: rng.normal(size=size),
    "of two lognormals": lambda rng, size: rng.lognormal(size=size) - rng.lognormal(size=size),
    "exponential": lambda rng, size: rng.exponential(size=size) - 1,
    "lognormal": lambda rng, size: rng.lognormal(size=size) - np.exp(0.5),
}


def students(values: NDArray[np.float64]) -> tuple[float, float]:
    return mean_interval(float(values.mean()), [values])


def percentiles(values: NDArray[np.float64]) -> tuple[float, float]:
    """Those of a bootstrap."""
    return _bootstrap(values, "percentile")


def bca(values: NDArray[np.float64]) -> tuple[float, float]:
    """Bias-corrected and accelerated (Efron, 1987)."""
    return _bootstrap(values, "BCa")


def _bootstrap(values: NDArray[np.float64], method: str) -> tuple[float, float]:
    found = stats.bootstrap((values,), np.mean, n_resamples=999, method=method, rng=np.random.default_rng(0))
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def coverage(
    draw: Draw, seeds: int, draws: int, interval: Callable[[NDArray[np.float64]], tuple[float, float]] = students
) -> float:
    """The share of draws whose interval holds 0, the true mean."""
    samples = draw(np.random.default_rng(seeds), (draws, seeds))
    ends = np.array([interval(one) for one in samples])
    return float(((ends[:, 0] <= 0) & (ends[:, 1] >= 0)).mean())


def held(seeds: int, draws: int) -> float:
    """The share of draws in which one more seed lies in the band of the others; the same for any distribution."""
    samples = np.random.default_rng(seeds).normal(size=(seeds + 1, draws))
    low, high = band(samples[1:])
    return float(((samples[0] >= low) & (samples[0] <= high)).mean())


def main() -> None:
    print("| differences |", " | ".join(f"n = {n}" for n in SEEDS), "|")
    for name, draw in DIFFERENCES.items():
        print(f"| {name} |", " | ".join(f"{coverage(draw, n, DRAWS):.0%}" for n in SEEDS), "|", flush=True)
    print("| a band holds another seed |", " | ".join(f"{held(n, DRAWS):.0%}" for n in SEEDS), "|")
    for method in (percentiles, bca):
        for name, draw in DIFFERENCES.items():
            shares = [coverage(draw, n, DRAWS // 20, method) for n in SEEDS]
            print(f"| {method.__name__}: {name} |", " | ".join(f"{share:.0%}" for share in shares), "|", flush=True)


if __name__ == "__main__":
    main()
