"""harmonic: sweep small networks with Hydra and Optuna; every run lands in one pandas table.

From a notebook::

    import harmonic

    runs = harmonic.load_runs("outputs")          # one row a run
    curves = harmonic.load_curves("outputs")      # one row a step
    model = harmonic.load_model(runs.iloc[0])     # the trained torch module
    harmonic.compare(runs, by="optimizer._target_")  # who wins, and by how much

The names are imported on first use: `import harmonic` costs neither torch nor pandas.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
REFERENCES = ("harmonic.post",)  # modules of `harmonic.analysis.references` that come with harmonic
__all__ = ["HarmonicError", "compare", "load_curves", "load_model", "load_runs"]

if TYPE_CHECKING:
    from harmonic.analysis.comparison import compare
    from harmonic.errors import HarmonicError
    from harmonic.results.load import load_curves, load_runs
    from harmonic.results.model_file import load_model

_HOMES = {
    "compare": "harmonic.analysis.comparison",
    "HarmonicError": "harmonic.errors",
    "load_curves": "harmonic.results.load",
    "load_model": "harmonic.results.model_file",
    "load_runs": "harmonic.results.load",
}
# what configs name by `_target_`: those of old runs, and `harmonic.models.MLP` in every table
_TARGETS = {
    "check": "harmonic.cli.check",
    "cluster": "harmonic.execution.dask",
    "executors": "harmonic.execution.executors",
    "models": "harmonic.training.models",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _TARGETS:
        return import_module(_TARGETS[name])
    if name not in _HOMES:
        raise AttributeError(f"module 'harmonic' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
