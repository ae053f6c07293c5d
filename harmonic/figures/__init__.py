"""Figures: tables in, matplotlib figures out. Nothing here reads or writes but `save`.

To others: what it lists in `__all__`, and `files` for the figures of a run's folder.

From a notebook::

    from harmonic import figures

    figures.dense_against_sparse(harmonic.load_runs("outputs"), by="optimizer._target_")
"""

from harmonic.figures.curves import learning
from harmonic.figures.errors import BEYOND, dense_against_sparse, pareto_front, strips
from harmonic.figures.image import encoded, picture, save
from harmonic.figures.landscape import landscape
from harmonic.figures.profile import profile
from harmonic.figures.run import curve, data, fit, grid_frame, maps, sample_frame, with_prediction
from harmonic.figures.search import history, importances
from harmonic.figures.slices import slices
from harmonic.figures.style import DENSE, NONE, OTHERS, SPARSE

__all__ = [
    "BEYOND",
    "DENSE",
    "NONE",
    "OTHERS",
    "SPARSE",
    "curve",
    "data",
    "dense_against_sparse",
    "encoded",
    "fit",
    "grid_frame",
    "history",
    "importances",
    "landscape",
    "learning",
    "maps",
    "pareto_front",
    "picture",
    "profile",
    "sample_frame",
    "save",
    "slices",
    "strips",
    "with_prediction",
]
