"""Runs the jobs of a sweep on an executor: submit, collect as they finish, write, show progress.

The executor trains; this process alone composes and writes. A worker gets a config and gives back an
`Outcome`, so it needs no shared folder.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonic import job, tables
from harmonic.errors import ConfigError
from harmonic.job import Outcome, Place
from harmonic.progress import SweepProgress
from harmonic.schema import Config, parse_plain
from harmonic.snapshot import Job, dump

FLUSH_S = 0.5  # seconds for which finished runs may wait to be written together
FLUSH_RUNS = 500
BREAKAGES = 2  # a run in whose company a worker died is tried once more, by itself


class Interrupted(KeyboardInterrupt):
    """The sweep was stopped by hand; its message says how many runs are in the table."""


class _Stopped(BaseException):
    """Raised inside a training thread to end it; not an `Exception`, so that no run takes it for its own."""


@dataclass
class Run:
    """One job on its way: its checked config and place, then its row."""

    job: Job
    config: Config
    place: Place
    row: Mapping[str, Any] | None = None
    error: BaseException | None = None
    breakages: int = 0


@dataclass
class Ledger:
    """Writes finished runs into the sweep's table, many to a part."""

    table: Path
    pending: list[tables.Record] = field(default_factory=list)
    written: int = 0
    _last: float = field(default_factory=time.monotonic)

    def add(self, entry: tables.Record) -> None:
        self.pending.append(entry)
        if len(self.pending) >= FLUSH_RUNS or time.monotonic() - self._last >= FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write what is pending."""
        if self.pending:
            tables.write_runs(self.table, f"{self.pending[0].row['run']}", self.pending)
            self.written += len(self.pending)
        self.pending, self._last = [], time.monotonic()


def prepare(jobs: Sequence[Job], home: Path) -> list[Run]:
    """The runs of a sweep, every config checked before the first is trained.

    Raises:
        ConfigError: a value breaks its rule in one of the jobs, which is named.
    """
    runs = []
    for one in jobs:
        try:
            config = parse_plain(one.config)
            runs.append(Run(one, config, Place(one.folder, home, home.name, one.number)))
        except ConfigError as error:
            raise ConfigError(f"{error} (in job {one.number}: {' '.join(one.overrides)})") from error
    _take_over(runs, home / tables.FOLDER)
    return runs


def _take_over(runs: Sequence[Run], table: Path) -> None:
    """Give the runs that are in the table already their rows."""
    if table.is_dir():
        rows = {row["trial"]: row for row in tables.read_rows(table)}
        for run in runs:
            row = rows.get(run.job.number)
            if row is not None and job.finished(run.config, run.place, row):
                run.row = row


def launch(runs: Sequence[Run], build: Callable[[], Executor], progress: SweepProgress) -> None:
    """Train all runs that have no row yet, and write each as it finishes.

    Args:
        build: makes the executor; called again where its workers died.

    Raises:
        Interrupted: on SIGINT; what is finished is written, nothing goes on running.
    """
    missing = [run for run in runs if run.row is None]
    progress.begin(len(runs), len(runs) - len(missing))
    if not missing:
        return
    ledger, stop = Ledger(missing[0].place.table), threading.Event()
    try:
        with progress:
            for run, outcome in _outcomes(missing, build, stop, progress.running):
                _finish(run, outcome, ledger)
                progress.finished(str(outcome.columns["status"]))
    except KeyboardInterrupt:
        ledger.flush()
        kept = len(runs) - len(missing) + ledger.written
        raise Interrupted(f"interrupted: {kept} of {len(runs)} runs are in the table") from None
    finally:
        ledger.flush()


def _outcomes(
    missing: Sequence[Run], build: Callable[[], Executor], stop: threading.Event, watch: Callable[[int], None]
) -> Iterator[tuple[Run, Outcome]]:
    """Runs with their outcomes, in the order in which they finish. watch: told how many run at present."""
    waiting, alone = list(reversed(missing)), list[Run]()
    while waiting or alone:
        executor = build()
        window = getattr(executor, "_max_workers", 2) * (2 if isinstance(executor, ThreadPoolExecutor) else 1)
        flying: dict[Future[Outcome], Run] = {}
        try:
            while waiting or alone or flying:
                while waiting and len(flying) < window and not alone:
                    _submit(executor, waiting.pop(), flying, stop)
                if alone and not flying:
                    _submit(executor, alone.pop(), flying, stop)
                done, _ = wait(flying, timeout=0.1, return_when=FIRST_COMPLETED)
                watch(sum(future.running() for future in flying))
                for future in done:
                    run = flying.pop(future)
                    error = future.exception()
                    if isinstance(error, BrokenExecutor):
                        flying[future] = run
                        raise error
                    yield run, future.result() if error is None else job.failure(error)
        except BrokenExecutor as error:
            for run in flying.values():
                run.breakages += 1
                if run.breakages >= BREAKAGES:
                    yield run, job.failure(error)
                else:
                    alone.append(run)
        finally:
            _end(executor, stop)


def _submit(executor: Executor, run: Run, flying: dict[Future[Outcome], Run], stop: threading.Event) -> None:
    if isinstance(executor, ThreadPoolExecutor):

        def listen(_step: int, _losses: NDArray[np.float64]) -> None:
            if stop.is_set():
                raise _Stopped

        flying[executor.submit(job.train_one, run.config, listen)] = run
    else:
        flying[executor.submit(job.train_one, run.config)] = run


def _end(executor: Executor, stop: threading.Event) -> None:
    """Leave nothing running."""
    if isinstance(executor, ThreadPoolExecutor):
        stop.set()
        executor.shutdown(wait=True, cancel_futures=True)
        stop.clear()
    elif hasattr(executor, "_executor_manager_thread"):  # loky's, which can end its workers at once
        executor.shutdown(wait=True, kill_workers=True)  # type: ignore[call-arg]
    else:
        executor.shutdown(wait=False, cancel_futures=True)


def _finish(run: Run, outcome: Outcome, ledger: Ledger) -> None:
    """Write all that a run leaves in its folder, and enter it into the ledger."""
    hydra = run.place.folder / ".hydra"
    hydra.mkdir(parents=True, exist_ok=True)
    _write(f"{hydra}/config.yaml", run.job.yaml)
    _write(f"{hydra}/hydra.yaml", run.job.hydra_yaml)
    _write(f"{hydra}/overrides.yaml", dump(list(run.job.overrides)))
    job.write_model(run.config, run.place, outcome)
    entry = job.record(run.config, run.place, outcome)
    run.row = entry.row
    ledger.add(entry)
    _write_log(run, outcome)
    if outcome.trace is not None:
        run.error = RuntimeError(outcome.columns["error"])
    if run.config.figures:
        ledger.flush()
        job.draw(run.config, run.place)


def _write_log(run: Run, outcome: Outcome) -> None:
    from harmonic.progress import PRINT_EVERY, summary

    now = datetime.now().isoformat(sep=" ", timespec="milliseconds")
    losses = outcome.curve["loss"]
    lines = [f"{step} {losses[step]:.6g}" for step in range(0, len(losses), PRINT_EVERY)]
    assert run.row is not None
    lines.append(outcome.trace or summary({**run.row, "dir": str(run.place.folder)}))
    text = "".join(f"[{now}][{__name__}][INFO] {line}\n" for line in lines)
    _write(f"{run.place.folder}/harmonic.log", text)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes twice as long, for 4 files a run
        file.write(text)
