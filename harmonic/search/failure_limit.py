"""When failures end a search: more of them than may be, or the first trials all alike."""

from __future__ import annotations

from harmonic.errors import RunFailed
from harmonic.search.settings import Settings

SAME_ERRORS = 3  # of a sweep's first trials: the fault is not theirs


class FailureLimit:
    """Counts the trials of a sweep that have ended, and those that failed."""

    def __init__(self, settings: Settings) -> None:
        self._rate, self._n_trials = settings.max_failure_rate, settings.n_trials
        self._ended, self._errors = 0, list[str]()

    def add(self, error: str | None) -> None:
        """Count a trial that has ended.

        Args:
            error: why it failed; None: it did not.

        Raises:
            RunFailed: more have failed than may, or all from the sweep's first on with the same error.
        """
        self._ended += 1
        if error is None:
            return
        self._errors.append(error)
        failed = len(self._errors)
        if failed > self._rate * self._n_trials:
            raise RunFailed(
                f"hydra.sweeper.max_failure_rate lets {self._rate:g} of the {self._n_trials} trials fail; "
                f"{failed} have, the last with {error}"
            )
        if self._rate < 1 and self._ended == failed >= SAME_ERRORS and len(set(self._errors)) == 1:
            raise RunFailed(
                f"the sweep ends, for its first {failed} trials failed alike with {error}; "
                "with hydra.sweeper.max_failure_rate=1 it would go on"
            )
