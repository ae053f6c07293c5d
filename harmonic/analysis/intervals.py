"""What may be called 95 %: the interval of a mean over replicates, and the band that holds the replicates.

Student's t and Welch's for means; order statistics for bands. `tests/simulation.py` measures how often
they hold the truth, docs/comparing.md has the numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
LEAST_OF_BAND = 39  # seeds of which the whole range holds another seed with a probability of 95 %: (n - 1) / (n + 1)


def mean_interval(centre: float, parts: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """The 95 % interval of a mean whose variance is a sum, one part for each source of variance.

    With the replicates as the only part it is Student's (Student, "The probable error of a mean", 1908); with
    two independent groups as parts it is Welch's ("The generalization of 'Student's' problem", 1947); the degrees of
    freedom of the sum are Satterthwaite's (1946).

    Args:
        parts: independent values (n,) of each source.

    Returns:
        Low, high: missing where a part has fewer than two values, both `centre` where no part varies.
    """
    if min(map(len, parts)) < 2:
        return np.nan, np.nan
    scale = max(float(np.ptp(one)) for one in parts)
    if scale == 0:
        return centre, centre
    shares = np.array([np.var(one / scale, ddof=1) / len(one) for one in parts])
    freedom = shares.sum() ** 2 / (shares**2 / [len(one) - 1 for one in parts]).sum()
    half = scale * float(np.sqrt(shares.sum()) * stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
    return centre - half, centre + half


def sources(values: pd.Series) -> list[NDArray[np.float64]]:
    """The sources of variance in values over replicates, as `mean_interval` takes them.

    Replicates that share nothing are one source. Where data.seed and model.seed are crossed, the replicates of one
    data.seed are no independent draws: then the means by either are a source of their own. (Their sum counts
    what is of both twice, so that the interval errs on the wide side.)

    Args:
        values: indexed by the replicates' seeds, a level a column.
    """
    seeds = values.index.to_frame(index=False)
    shared = [name for name in seeds if 1 < len(seeds[name].unique()) < len(seeds)]
    if not shared:
        return [values.to_numpy(float)]
    return [values.groupby(seeds[name].to_numpy(), dropna=False).mean().to_numpy(float) for name in shared]


def band(values: NDArray[np.float64], share: float = CONFIDENCE) -> NDArray[np.float64]:
    """The borders (2, points) between which a share of the replicates lies, and another one as likely.

    They are the order statistics at (n + 1) p. Of fewer than `LEAST_OF_BAND` replicates no 95 % can be
    told: their range is given, which `band_name` calls so.

    Args:
        values: (replicates, points); missing ones are left out.
    """
    borders: NDArray[np.float64] = np.nanquantile(values, [(1 - share) / 2, (1 + share) / 2], axis=0, method="weibull")
    return borders


def band_name(counts: Collection[int]) -> str:
    """What `band` gives of so many seeds, in words."""
    if min(counts) >= LEAST_OF_BAND:
        return "the band that holds 95 % of the seeds"
    if max(counts) < LEAST_OF_BAND:
        return "the range of the seeds"
    return f"the band that holds 95 % of the seeds (of fewer than {LEAST_OF_BAND} their range)"
