"""The BLAS that SciPy brings, and Numba's kernels call through it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any


def blas_libraries() -> list[Any]:
    """The BLAS of SciPy, not NumPy's or torch's, as threadpoolctl shows libraries; empty where it knows it not.

    A wheel brings it in a folder of its own; elsewhere (conda, Debian) it is the system's, which NumPy calls too.
    `scipy.show_config` tells the name of the library at build time, threadpoolctl the files that are loaded; which file
    is SciPy's neither tells, nor does any document say where wheels keep theirs.
    """
    import numpy as np
    import scipy.linalg.cython_blas  # loads it
    import torch
    from threadpoolctl import ThreadpoolController

    bundled, others = _bundles(scipy), [*_bundles(np), *_bundles(torch)]
    libraries = [one for one in ThreadpoolController().lib_controllers if one.user_api == "blas"]
    ours = [one for one in libraries if _lies_in(one.filepath, bundled)]
    return ours or [one for one in libraries if not _lies_in(one.filepath, others)]


def _bundles(package: ModuleType) -> list[Path]:
    """Where the wheel of a package keeps its libraries: on Linux and Windows, on macOS, and torch's."""
    home = Path(str(package.__file__)).resolve().parent  # as threadpoolctl names files
    return [home.with_name(f"{home.name}.libs"), home / ".dylibs", home / "lib"]


def _lies_in(file: str, folders: Iterable[Path]) -> bool:
    return any(Path(file).is_relative_to(folder) for folder in folders)
