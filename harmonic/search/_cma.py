"""CMA-ES without the run of foreign code: Optuna keeps its state in the study as a pickle.

A study may come from somebody else, and a pickle calls whatever it names. This reads those that name nothing
but the optimizers of `cmaes` and NumPy's arrays
(https://docs.python.org/3/library/pickle.html#restricting-globals).
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from typing import Any

from optuna.samplers import CmaEsSampler
from optuna.trial import FrozenTrial

from harmonic.errors import ConfigError

KNOWN = {
    ("cmaes._cma", "CMA"),
    ("cmaes._sepcma", "SepCMA"),
    ("cmaes._cmawm", "CMAwM"),
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.random._pickle", "__randomstate_ctor"),
    ("numpy.random._pickle", "__bit_generator_ctor"),
    ("numpy.random._mt19937", "MT19937"),
}


class StateReader(pickle.Unpickler):
    """Reads the state of an optimizer.

    Raises:
        ConfigError: it names something else.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in KNOWN:
            raise ConfigError(
                f"the state of CMA-ES in a study must be made of cmaes' and NumPy's classes; got {module}.{name}: "
                "the study is not one that harmonic wrote"
            )
        return super().find_class(module, name)


class GuardedCmaEsSampler(CmaEsSampler):
    """Optuna's sampler, but for how it reads its state back."""

    def _restore_optimizer(self, completed_trials: Sequence[FrozenTrial]) -> Any:
        for trial in reversed(completed_trials):
            parts = {key: text for key, text in trial.system_attrs.items() if key.startswith(self._attr_key_optimizer)}
            if parts:
                return _restored(self._concat_optimizer_attrs(parts))
        return None


def _restored(text: str) -> Any:
    try:
        return StateReader(io.BytesIO(bytes.fromhex(text))).load()
    except ConfigError:
        raise
    except Exception as error:  # a damaged pickle raises whatever the classes that it names raise
        raise ConfigError(f"the state of CMA-ES in a study must be whole; got {error!r}") from error
