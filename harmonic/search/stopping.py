"""When a search asks for no more trials: `timeout`, `target`, `patience`, or a space of which every point was tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from optuna.study import Study, StudyDirection
from optuna.trial import TrialState

from harmonic.search.settings import Settings
from harmonic.search.trial_attributes import FINISHED


class StoppingCriteria:
    """Counts what has come since the best trial, and the seconds since it was made.

    Args:
        settings: name the limits.
        study: whose trials so far count.
        clock: seconds, as `time.monotonic` gives them.
    """

    def __init__(self, settings: Settings, study: Study, clock: Callable[[], float]) -> None:
        self._settings, self._clock, self._began = settings, clock, clock()
        self._maximizes = study.directions[0] is StudyDirection.MAXIMIZE
        self.best, self.since_best = -math.inf if self._maximizes else math.inf, 0
        for one in study.get_trials(deepcopy=False, states=FINISHED):
            complete = one.state is TrialState.COMPLETE and one.values and len(study.directions) == 1
            self.add(one.values if complete else None)

    def add(self, values: Sequence[float] | None) -> bool:
        """Count a trial that has ended; whether it is the best so far.

        Args:
            values: None: it was not completed.
        """
        improved = values is not None and len(values) == 1 and self._better(values[0], self.best)
        if values is not None and improved:
            self.best, self.since_best = values[0], 0
        else:
            self.since_best += 1
        return improved

    def reason(self, exhausted: bool) -> str | None:
        """Why no more trials are asked; None: they are.

        Args:
            exhausted: the sampler has nothing left to draw.
        """
        settings = self._settings
        if settings.timeout is not None and self._clock() - self._began >= settings.timeout:
            return f"the timeout of {settings.timeout:g} s has passed"
        if settings.target is not None and not self._better(settings.target, self.best):
            return f"the target {settings.target:g} is reached"
        if settings.patience is not None and self.since_best >= settings.patience:
            return f"{self.since_best} trials have brought no improvement"
        return "every point of the space has been tried" if exhausted else None

    def _better(self, value: float, than: float) -> bool:
        """Whether a value is strictly better than another."""
        return value > than if self._maximizes else value < than
