"""Numba's compiled functions: whether one has been compiled yet."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any


def must_compile(function: Any) -> bool:
    """Whether the first call of a function of `njit(cache=True)` will compile it, for neither this process nor an
    earlier one has.

    `signatures` and `stats` are no part of Numba's reference, nor is how the index of a cache is named. Public is what
    `NUMBA_DEBUG_CACHE` prints after the call, and a user who waits wants to know before it.
    """
    if function.signatures:
        return False
    source = function.py_func
    index = f"{Path(inspect.getfile(source)).stem}.{source.__qualname__}-*.nbi"
    return not any(Path(function.stats.cache_path).glob(index))
