"""Figures: tables in, matplotlib figures out. Nothing here reads or writes but `save`.

From a notebook::

    from harmonic import figures

    figures.dense_against_sparse(harmonic.load_runs("outputs"), by="optimizer._target_")
"""

from harmonic.figures.curves import learning
from harmonic.figures.errors import BEYOND, dense_against_sparse, pareto_front, profile, strips
from harmonic.figures.landscape import landscape
from harmonic.figures.post import as_printed, bands, percentiles
from harmonic.figures.run import curve, data, fit, grid_frame, maps, sample_frame, with_prediction
from harmonic.figures.search import history, importances, slices
from harmonic.figures.style import DENSE, NONE, OTHERS, SPARSE, encoded, picture, save

__all__ = [
    "BEYOND",
    "DENSE",
    "NONE",
    "OTHERS",
    "SPARSE",
    "as_printed",
    "bands",
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
    "percentiles",
    "picture",
    "profile",
    "sample_frame",
    "save",
    "slices",
    "strips",
    "with_prediction",
]
