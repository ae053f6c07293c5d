"""Who trains the segments of a search: harmonic's executor, segment by segment, or any Hydra launcher, in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

from harmonic.config.sweep_compose import Snapshot
from harmonic.errors import PlaceTaken
from harmonic.execution.executors import workers_or_cores
from harmonic.execution.grid import checked
from harmonic.execution.pool import Pool
from harmonic.execution.run_writer import JobCallbacks, RunWriter
from harmonic.results import record, tables
from harmonic.results.outcome import Outcome, failure
from harmonic.results.record import Place
from harmonic.search.open_trial import Replicate, Segment


class Runner(Protocol):
    """Trains segments. The search puts in as many as there is room for, and takes out what has finished."""

    @property
    def capacity(self) -> int: ...

    @property
    def pending(self) -> int: ...

    @property
    def running(self) -> int: ...

    def replicates(self, number: int, overrides: Sequence[str], /) -> list[Replicate]:
        """The runs of the trial with this number, one a seed.

        Raises:
            PlaceTaken: the folder of one is another run's.
            ConfigError: a value breaks its rule.
        """
        ...

    def submit(self, segment: Segment) -> None: ...

    def collect(self) -> Sequence[tuple[Segment, Outcome]]: ...

    def write(self, replicate: Replicate) -> None:
        """Write what a run leaves that has ended."""
        ...

    def flush(self) -> None:
        """See that all that was entered is in the table."""
        ...

    def __enter__(self) -> Runner: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave nothing running."""
        ...


class StreamingRunner(Runner):
    """Runs on an executor, each taken as it ends.

    Args:
        snapshot: composes the jobs.
        build: makes the executor.
        seeds: of the replicates; empty: the config's own.
        keeps_rows: whether a run that is in the table already need not be trained again.
        here: whether the executor trains on this machine.
        callbacks: of the runs.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        build: Callable[[], Executor],
        seeds: Sequence[int],
        keeps_rows: bool,
        here: bool,
        callbacks: JobCallbacks,
    ) -> None:
        self._snapshot, self._seeds, self._keeps_rows, self._here = snapshot, seeds, keeps_rows, here
        self._writer = RunWriter(snapshot.home / tables.FOLDER, callbacks)
        self._rows = tables.by_folder(tables.read_rows(self._writer.table))
        self._trials: dict[str, int | None] = {name: rows[-1]["trial"] for name, rows in self._rows.items()}
        self._build = build

    def __enter__(self) -> StreamingRunner:
        self._pool = Pool[Segment](self._build, width=1 if self._writer.callbacks.one_by_one else None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._pool.__exit__(kind, error, trace)
        finally:
            self._writer.flush()

    @property
    def capacity(self) -> int:
        return self._pool.capacity

    @property
    def pending(self) -> int:
        return self._pool.pending

    @property
    def running(self) -> int:
        return self._pool.running

    def replicates(self, number: int, overrides: Sequence[str]) -> list[Replicate]:
        home = self._snapshot.home
        made = []
        for seed, texts in by_seed(overrides, self._seeds):
            # a folder of its own for each seed, where there are several
            one = self._snapshot.job(number, texts, "" if len(self._seeds) < 2 else str(seed))
            run = checked(one, Place(one.folder, home, home.name, number), self._here)
            if (other := self._trials.setdefault(run.place.name, number)) != number:
                rule = "a folder of its own for each trial"
                raise PlaceTaken.broken(
                    "hydra.sweep.subdir", rule, f"{run.place.name} for the trials {other} and {number}"
                )
            run.row = record.find(run.config, run.place, self._rows.get(run.place.name, ()))
            replicate = Replicate(seed, texts, run)
            if run.row is not None and self._keeps_rows:
                replicate.outcome = Outcome(run.row, {})
            made.append(replicate)
        return made

    def submit(self, segment: Segment) -> None:
        run = segment.replicate.run
        assert run is not None
        self._pool.submit(segment, run.config, segment.replicate.outcome, segment.until, self._writer.begin(run))

    def collect(self) -> Sequence[tuple[Segment, Outcome]]:
        return self._pool.collect()

    def write(self, replicate: Replicate) -> None:
        assert replicate.run is not None
        assert replicate.outcome is not None
        if replicate.run.row is None:
            self._writer.write(replicate.run, replicate.outcome)

    def flush(self) -> None:
        self._writer.flush()


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
        self._waiting: list[Segment] = []

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

    def replicates(self, _number: int, overrides: Sequence[str]) -> list[Replicate]:
        return [Replicate(seed, texts) for seed, texts in by_seed(overrides, self._seeds)]

    def submit(self, segment: Segment) -> None:
        self._waiting.append(segment)

    def collect(self) -> Sequence[tuple[Segment, Outcome]]:
        waiting, self._waiting = sorted(self._waiting, key=self._job), []
        finished = list[tuple[Segment, Outcome]]()
        while waiting:  # a launcher numbers the jobs of a batch one after the other
            first = self._job(waiting[0])
            batch = [segment for index, segment in enumerate(waiting) if self._job(segment) == first + index]
            returns = self._launcher.launch([list(segment.replicate.overrides) for segment in batch], first)
            finished += [(segment, self._outcome(one)) for segment, one in zip(batch, returns, strict=True)]
            waiting = waiting[len(batch) :]
        return finished

    def write(self, replicate: Replicate) -> None:
        """The job has written its own."""

    def flush(self) -> None:
        """Nothing waits."""

    def _job(self, segment: Segment) -> int:
        """The number of a job: its trial's where there is one seed a trial."""
        open_trial = segment.open_trial
        return open_trial.number * len(open_trial.replicates) + list(open_trial.replicates).index(segment.replicate)

    def _outcome(self, returned: JobReturn) -> Outcome:
        value = returned._return_value
        if returned.status is not JobStatus.COMPLETED:
            error = value if isinstance(value, Exception) else RuntimeError(f"the job ended as {returned.status}")
            return failure(error)
        values = list(value) if isinstance(value, list | tuple) else [value]
        try:
            numbers: dict[str, Any] = dict(zip(self._objectives, map(float, values), strict=True))
        except (TypeError, ValueError):
            count = len(self._objectives)
            return failure(TypeError(f"a job must return {count} number(s) for the search; got {value!r}"))
        status = "complete" if all(number == number for number in numbers.values()) else "diverged"
        return Outcome({"status": status, **numbers}, {})


def by_seed(overrides: Sequence[str], seeds: Sequence[int]) -> list[tuple[int | None, list[str]]]:
    """Each seed with the overrides of its run."""
    if not seeds:
        return [(None, list(overrides))]
    return [(seed, [*overrides, f"seed={seed}"]) for seed in seeds]
