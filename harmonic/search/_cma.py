"""CMA-ES without the run of foreign code: Optuna keeps its state in the study as a pickle.

A study may come from somebody else, and a pickle calls whatever it names. This reads those that name nothing
but the optimizers of `cmaes` and NumPy's arrays
(https://docs.python.org/3/library/pickle.html#restricting-globals).
"""

from __future__ import annotations

import io
import pickle
from typing import Any

from harmonic._compat.optuna import CMA_STATE, CmaEsSamplerByText
from harmonic.errors import ConfigError


class StateReader(pickle.Unpickler):
    """Reads the state of an optimizer.

    Raises:
        ConfigError: it names something else.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in CMA_STATE:
            raise ConfigError(
                f"the state of CMA-ES in a study must be made of cmaes' and NumPy's classes; got {module}.{name}: "
                "the study is not one that harmonic wrote"
            )
        return super().find_class(module, name)


class GuardedCmaEsSampler(CmaEsSamplerByText):
    """Optuna's sampler, but for how it reads its state back."""

    def restore(self, text: str) -> Any:
        try:
            return StateReader(io.BytesIO(bytes.fromhex(text))).load()
        except ConfigError:
            raise
        except Exception as error:  # a damaged pickle raises whatever the classes that it names raise
            raise ConfigError(f"the state of CMA-ES in a study must be whole; got {error!r}") from error
