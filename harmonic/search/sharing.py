"""A study that this sweep has for itself, and one at which other sweepers work too.

In a storage that many reach (PostgreSQL, MySQL, a SQLite file) each sweeper takes trials of one study
until `n_trials` are finished. It gives a sign of life for those that it trains; where another's stop, its
trials are lost and run again, by whoever asks next, under new numbers (Optuna's heartbeat:
https://optuna.readthedocs.io/en/stable/reference/generated/optuna.storages.RDBStorage.html).
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from types import TracebackType

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import fail_stale_trials
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from harmonic._compat.optuna import record_heartbeat, set_waiting, stored_trial, trial_id
from harmonic.execution import signals
from harmonic.search.storage import SILENT_BEATS
from harmonic.search.trial_attributes import OWNER, count_finished, count_finished_and_running

WAIT_S = 0.5  # between two looks at what others still train


class ExclusiveStudy:
    """A study that this sweep has for itself.

    Args:
        n_trials: in total.
    """

    writes_rows_early = True  # the rows of a trial before it has ended

    def __init__(self, study: Study, n_trials: int) -> None:
        self.study, self.n_trials = study, n_trials
        self._started = 0
        self.finished_elsewhere: int | None = None  # trials that others have finished; None: there are no others

    def __enter__(self) -> ExclusiveStudy:
        self._put_back()
        self._started = count_finished(self.study)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing goes on."""

    @property
    def started(self) -> int:
        """Trials that have ended or are on their way."""
        return self._started

    def ask(self) -> Trial | None:
        """A new trial; None: there are enough."""
        if self.started >= self.n_trials:
            return None
        self._started += 1
        return self.study.ask()

    def is_ours(self, trial: Trial) -> bool:  # noqa: ARG002 - there is nobody else
        """Whether a trial is still ours."""
        return True

    def trial_ended(self, trial: Trial) -> None:
        """A trial has ended."""

    def check_others(self) -> None:
        """Find the trials of those who are dead."""

    def wait_for_others(self) -> bool:
        """Whether others' trials may yet become ours; waits a moment if so."""
        return False

    def _put_back(self) -> None:
        """Have the trials that were running when this sweep died wait: they are asked before new ones, under their
        own numbers, and where `n_trials` is reached they wait on."""
        for one in self._left_running():
            with suppress(UpdateFinishedTrialError):  # taken over meanwhile
                set_waiting(self.study, one)

    def _left_running(self) -> list[FrozenTrial]:
        return self._running()

    def _running(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


class SharedStudy(ExclusiveStudy):
    """A study at which other sweepers work too.

    Args:
        owner: what tells this sweeper's trials from others'.
        beat: seconds between two signs of life.
    """

    # a trial that is lost runs again under another number: its rows would count a seed twice
    writes_rows_early = False

    def __init__(self, study: Study, n_trials: int, owner: str, beat: int) -> None:
        super().__init__(study, n_trials)
        self._owner, self._beat = owner, beat
        self._alive = set[int]()  # ids of the trials in training here
        self._ended_here = 0
        self._end = threading.Event()
        self._pulse = threading.Thread(target=self._give_signs, name="harmonic-heartbeat", daemon=True)
        self._checked_others = time.monotonic()
        self._seen = dict[int, float]()  # when a trial of another was first waited for

    def __enter__(self) -> SharedStudy:
        self._put_back()
        self._pulse.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._pulse.join(timeout=1)  # it may wait for a server that does not answer

    @property
    def started(self) -> int:
        return sum(count_finished_and_running(self.study))

    def ask(self) -> Trial | None:
        if self.started >= self.n_trials:
            return None
        trial = self.study.ask()
        self._adopt(trial)
        trial.set_user_attr(OWNER, self._owner)
        if self.started <= self.n_trials:
            return trial
        # others asked at the same moment: it waits for whoever asks next, or for a greater n_trials
        self._alive.discard(trial_id(trial))
        set_waiting(self.study, trial)
        return None

    def is_ours(self, trial: Trial) -> bool:
        return stored_trial(self.study, trial).state is TrialState.RUNNING

    def trial_ended(self, trial: Trial) -> None:
        self._alive.discard(trial_id(trial))
        self._ended_here += 1

    def check_others(self) -> None:
        if time.monotonic() - self._checked_others >= self._beat:
            self._checked_others = time.monotonic()
            fail_stale_trials(self.study)
            self.finished_elsewhere = count_finished(self.study) - self._ended_here

    def wait_for_others(self) -> bool:
        self.finished_elsewhere = count_finished(self.study) - self._ended_here
        if self.finished_elsewhere + self._ended_here >= self.n_trials:
            return False
        now = time.monotonic()
        for one in self._running():
            since = self._seen.setdefault(trial_id(one), now)
            if since and now - since > SILENT_BEATS * self._beat:
                # its sweeper may have died before the first sign of life, without which it is never stale
                record_heartbeat(self.study, trial_id(one))
                self._seen[trial_id(one)] = 0
        time.sleep(WAIT_S)
        signals.check()
        self.check_others()
        return True

    def _left_running(self) -> list[FrozenTrial]:
        mine = [one for one in self._running() if one.user_attrs.get(OWNER) == self._owner]
        for one in mine:
            record_heartbeat(self.study, trial_id(one))  # else it would be stale as soon as it is asked
        return mine

    def _adopt(self, trial: Trial) -> None:
        record_heartbeat(self.study, trial_id(trial))
        self._alive.add(trial_id(trial))

    def _give_signs(self) -> None:
        while not self._end.wait(self._beat):
            for one in list(self._alive):
                with suppress(StorageInternalError):  # the search meets it at its next question, and says so
                    record_heartbeat(self.study, one)
