"""The runner of other launchers and other applications: whole runs, in batches, by one of Hydra's launchers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

from harmonic._compat.hydra import return_value
from harmonic.execution.executors import workers_or_cores
from harmonic.results.outcome import Outcome, failure
from harmonic.search.open_trial import Replicate
from harmonic.search.runners import Runner, by_seed
from harmonic.training.status import Status


class BatchRunner(Runner):
    """Whole runs, launched by one of Hydra's launchers: a batch at a time, each waiting for its slowest.

    Args:
        launcher: Hydra's, set up for the sweep.
        home: the sweep's folder.
        seeds: of the replicates.
        size: runs in a batch; None: one a core.
        objectives: names of what a job returns.
    """

    def __init__(
        self, launcher: Launcher, home: Path, seeds: Sequence[int], size: int | None, objectives: Sequence[str]
    ) -> None:
        self._launcher, self._home, self._seeds, self._objectives = launcher, home, seeds, objectives
        self._size = size or workers_or_cores(None)
        self._waiting: list[Replicate] = []

    def __enter__(self) -> BatchRunner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting = []

    @property
    def capacity(self) -> int:
        return self._size - len(self._waiting)

    @property
    def pending(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> int:
        return len(self._waiting)

    def replicates(self, number: int, overrides: Sequence[str]) -> list[Replicate]:
        jobs = by_seed(overrides, self._seeds)
        return [Replicate(texts, number * len(jobs) + index) for index, (_, texts) in enumerate(jobs)]

    def submit(self, replicate: Replicate, _until: int | None) -> None:
        self._waiting.append(replicate)

    def collect(self) -> Sequence[tuple[Replicate, Outcome]]:
        waiting, self._waiting = sorted(self._waiting, key=lambda one: one.job), []
        finished = list[tuple[Replicate, Outcome]]()
        while waiting:  # a launcher numbers the jobs of a batch one after the other
            first = waiting[0].job
            batch = [one for index, one in enumerate(waiting) if one.job == first + index]
            returns = self._launcher.launch([list(one.overrides) for one in batch], first)
            finished += [(one, self._outcome(returned)) for one, returned in zip(batch, returns, strict=True)]
            waiting = waiting[len(batch) :]
        return finished

    def write(self, replicate: Replicate) -> None:
        """The job has written its own."""

    def flush(self) -> None:
        """Nothing waits."""

    def _outcome(self, returned: JobReturn) -> Outcome:
        value = return_value(returned)
        if returned.status is not JobStatus.COMPLETED:
            error = value if isinstance(value, Exception) else RuntimeError(f"the job ended as {returned.status}")
            return failure(error)
        values = list(value) if isinstance(value, list | tuple) else [value]
        try:
            numbers: dict[str, Any] = dict(zip(self._objectives, map(float, values), strict=True))
        except (TypeError, ValueError):
            count = len(self._objectives)
            return failure(TypeError(f"a job must return {count} number(s) for the search; got {value!r}"))
        whole = all(number == number for number in numbers.values())
        return Outcome({"status": str(Status.COMPLETE if whole else Status.DIVERGED), **numbers}, {})
