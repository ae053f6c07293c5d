"""Who trains the replicates of a search: what each runner does, and the one that has harmonic's executor do it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from types import TracebackType
from typing import Protocol

from harmonic.config.sweep_compose import Snapshot
from harmonic.errors import PlaceTaken
from harmonic.execution.grid import check_job
from harmonic.execution.pool import Pool
from harmonic.execution.run_writer import JobCallbacks, RunWriter
from harmonic.results import record, tables
from harmonic.results.outcome import Outcome
from harmonic.results.record import Place
from harmonic.search.open_trial import Replicate


class Runner(Protocol):
    """Trains replicates. The search submits as many as there is capacity for, and collects what has finished."""

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

    def submit(self, replicate: Replicate, until: int | None, /) -> None:
        """Have a replicate trained from where it stands until a step; None: until its end."""
        ...

    def collect(self) -> Sequence[tuple[Replicate, Outcome]]:
        """What has finished meanwhile; it may wait a moment for it."""
        ...

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


def by_seed(overrides: Sequence[str], seeds: Sequence[int]) -> list[tuple[int | None, list[str]]]:
    """Each seed with the overrides of its run."""
    if not seeds:
        return [(None, list(overrides))]
    return [(seed, [*overrides, f"seed={seed}"]) for seed in seeds]


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
        self._pool = Pool[Replicate](self._build, width=1 if self._writer.callbacks.one_by_one else None)
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
        return [self._replicate(number, seed, texts) for seed, texts in by_seed(overrides, self._seeds)]

    def _replicate(self, number: int, seed: int | None, overrides: Sequence[str]) -> Replicate:
        home = self._snapshot.home
        # a folder of its own for each seed, where there are several
        job = self._snapshot.job(number, overrides, "" if len(self._seeds) < 2 else str(seed))
        run = check_job(job, Place(job.folder, home, home.name, number), self._here)
        if (other := self._trials.setdefault(run.place.name, number)) != number:
            rule = "a folder of its own for each trial"
            raise PlaceTaken.broken("hydra.sweep.subdir", rule, f"{run.place.name} for the trials {other} and {number}")
        run.row = record.find(run.config, run.place, self._rows.get(run.place.name, ()))
        replicate = Replicate(overrides, number, run)
        if run.row is not None and self._keeps_rows:
            replicate.outcome = Outcome(run.row, {})
        return replicate

    def submit(self, replicate: Replicate, until: int | None) -> None:
        run = replicate.run
        assert run is not None
        self._pool.submit(replicate, run.config, replicate.outcome, until, self._writer.begin(run))

    def collect(self) -> Sequence[tuple[Replicate, Outcome]]:
        return self._pool.collect()

    def write(self, replicate: Replicate) -> None:
        assert replicate.run is not None
        assert replicate.outcome is not None
        if replicate.run.row is None:
            self._writer.write(replicate.run, replicate.outcome)

    def flush(self) -> None:
        self._writer.flush()
