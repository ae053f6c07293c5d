"""Optuna's private names (5.0): its storage behind a study, states of trials, the inside of two samplers.

Optuna's public interface is that of `Study.optimize` in one process. A search that goes on after a crash, that shares
its study and that asks and tells by itself needs a little more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import CmaEsSampler, QMCSampler
from optuna.storages import BaseStorage, JournalStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

# Attributes that Optuna gives trials. `RetryHeartbeatStaleTrialCallback.retry_history` reads the second publicly, and
# warns at every call that it is experimental; for the others there is no reader.
FIXED_PARAMS, RETRY_HISTORY, FAILED_TRIAL = "fixed_params", "retry_history", "failed_trial"

# The number of an operation in a journal's records: `optuna.storages.journal._storage.JournalOperation`, whose numbers
# are what journals on disk hold. Nothing public reads a record.
CREATE_TRIAL = 4

# What the state of CMA-ES in a study is pickled of: the optimizers of `cmaes` and NumPy's arrays and generator, by
# their places in the pickle. The sampler has no other format.
CMA_STATE = frozenset(
    {
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
)


def storage_of(study: Study) -> BaseStorage:
    """The storage of a study. Where `create_study` was given one, Optuna wraps it in a cache: a second study through
    the unwrapped one would not see what the first has written."""
    return study._storage


def resumed(study: Study, trial: FrozenTrial) -> Trial:
    """A running trial as one that can be reported to. `Study.ask` alone makes a `Trial`, and only of one that waits or
    is new."""
    return Trial(study, trial._trial_id)


def trial_id(trial: Trial | FrozenTrial) -> int:
    """The id of a trial in its storage. Heartbeats and states go by it; `BaseStorage` finds it by the trial's number,
    at the price of a query, and by the study's id, which is as private."""
    return trial._trial_id


def enqueued_values(trial: Trial) -> Mapping[str, Any]:
    """The values that a trial was enqueued with; empty of one that was not. They are checked before anything is drawn,
    which `Trial.params` is not filled before."""
    values: Mapping[str, Any] = trial._fixed_params
    return values


def stored_trial(study: Study, trial: Trial) -> FrozenTrial:
    """A trial as the storage has it now. `Study.trials` copies them all, and a `Trial` keeps what it read first."""
    return study._storage.get_trial(trial._trial_id)


def set_waiting(study: Study, trial: Trial | FrozenTrial) -> None:
    """Have a running trial wait, to be asked again under its number. `enqueue_trial` would make another one.

    Raises:
        UpdateFinishedTrialError: it has ended meanwhile.
    """
    study._storage.set_trial_state_values(trial._trial_id, state=TrialState.WAITING)


def record_heartbeat(study: Study, trial_id: int) -> None:
    """Give a sign of life for a trial of a database. Optuna's own heartbeat runs inside `Study.optimize` alone."""
    study._storage.record_heartbeat(trial_id)  # type: ignore[attr-defined]  # of every RDBStorage


def trials_of_journal(storage: JournalStorage) -> list[tuple[int, Sequence[FrozenTrial]]]:
    """The number of objectives and the trials of each study in a journal. `load_study` would copy every trial."""
    return [
        (len(study.directions), storage.get_all_trials(study._study_id, deepcopy=False))
        for study in storage.get_all_studies()
    ]


def contains(distribution: IntDistribution | FloatDistribution, value: float) -> bool:
    """Whether a number lies on a distribution's grid and between its ends. Public is only what raises when a trial of
    such a value is made."""
    return distribution._contains(distribution.to_internal_repr(value))  # type: ignore[arg-type]  # any number may be asked about


class CmaEsSamplerByText(CmaEsSampler):
    """CMA-ES that reads its state by `restore`. Optuna's calls `pickle.loads` on it in this method, with no hook."""

    def restore(self, text: str) -> Any:
        """The optimizer whose pickle this is, in hexadecimal."""
        raise NotImplementedError

    def _restore_optimizer(self, completed_trials: Sequence[FrozenTrial]) -> Any:
        for trial in reversed(completed_trials):
            parts = {key: text for key, text in trial.system_attrs.items() if key.startswith(self._attr_key_optimizer)}
            if parts:
                return self.restore(self._concat_optimizer_attrs(parts))
        return None


class QMCSamplerByNumber(QMCSampler):
    """Quasi-random points, of which the n-th trial gets the n-th. Optuna counts them in the study, which two sweepers
    may do at once: both then draw the same point. The count has no hook."""

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        self._number = trial.number
        return super().sample_relative(study, trial, search_space)

    def _find_sample_id(self, study: Study, search_space: dict[str, BaseDistribution]) -> int:  # noqa: ARG002
        return self._number
