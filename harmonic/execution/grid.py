"""Runs the jobs of a sweep on an executor: check all, train side by side, write each as it finishes.

The executor trains; this process alone composes and writes. A worker gets a config and gives back an
`Outcome`, so it needs no shared folder.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path

from harmonic.config.job import Job
from harmonic.config.schema import parse_plain
from harmonic.errors import ConfigError
from harmonic.execution.executors import WorkersLost
from harmonic.execution.pool import Pool
from harmonic.execution.progress import SweepProgress
from harmonic.execution.run_writer import JobCallbacks, Run, RunWriter, verify_rows
from harmonic.results import tables
from harmonic.results.record import Place
from harmonic.training.check import check_buildable


class Interrupted(KeyboardInterrupt):
    """The sweep was stopped by hand; its message says what is kept."""


def prepare_runs(jobs: Sequence[Job], home: Path, here: bool = True) -> list[Run]:
    """The runs of a sweep, every config checked before the first is trained.

    Args:
        here: whether they will be trained on this machine.

    Raises:
        ConfigError: one of the jobs, which is named, cannot be had as configured, or two want one folder.
    """
    runs = [check_job(one, Place(one.folder, home, home.name, one.number), here) for one in jobs]
    shared = [folder for folder, count in Counter(run.place.folder for run in runs).items() if count > 1]
    if shared:
        raise ConfigError.broken("hydra.sweep.subdir", "another folder for each run", str(shared[0]))
    return runs


def check_job(one: Job, place: Place, here: bool = True) -> Run:
    """A job with its config checked, as the start of its run does.

    Args:
        here: whether it will be trained on this machine.

    Raises:
        ConfigError: a value breaks its rule, or something cannot be built as configured.
    """
    try:
        config = parse_plain(one.config)
        check_buildable(config, here, one.settings.env)
        return Run(one, config, place)
    except ConfigError as error:
        raise ConfigError(f"{error} (in job {one.number}: {' '.join(one.overrides)})") from error


def train_runs(
    runs: Sequence[Run],
    build: Callable[[], Executor],
    progress: SweepProgress,
    rows: dict[str, str] | None = None,
    callbacks: JobCallbacks | None = None,
) -> None:
    """Train all runs that have no row yet, and write each as it finishes.

    Args:
        build: makes the executor; called again where its workers died.
        callbacks: of the runs; None: there are none.
        rows: folders by id of the runs that earlier batches of the sweep have left; those of this one are added.

    Raises:
        ConfigError: the folder of one is a link. Nothing was trained.
        RowsMissing: rows of the sweep were removed while it went on.
        Interrupted: on SIGINT; what is finished is written, nothing goes on running.
        WorkersLost: there is nobody any more who could train; what is finished is written.
    """
    missing = [run for run in runs if run.row is None]
    rows = {} if rows is None else rows
    rows |= _named(runs)
    progress.begin(len(runs), len(runs) - len(missing))
    if not missing:
        return
    for run in missing:
        run.place.check_links(run.job.settings.output_subdir)
    writer = RunWriter(missing[0].place.table, callbacks or JobCallbacks())
    try:
        with progress:
            _train_missing(missing, build, writer, progress)
            rows |= _named(missing)
            verify_rows(writer.table, rows)
    except (KeyboardInterrupt, WorkersLost) as error:
        made = _named(runs)
        kept = f"{len(made) - len(tables.absent(writer.table, made))} of {len(runs)} runs are in the table"
        if isinstance(error, WorkersLost):
            raise WorkersLost(f"{error}; {kept}") from error
        raise Interrupted(f"interrupted: {kept}") from None


def _train_missing(
    missing: Sequence[Run], build: Callable[[], Executor], writer: RunWriter, progress: SweepProgress
) -> None:
    """Train runs side by side, oldest first, and write what each gives."""
    waiting = deque(missing)
    try:
        with Pool[Run](build, width=1 if writer.callbacks.one_by_one else None) as pool:
            while waiting or pool.pending:
                while waiting and pool.capacity > 0:
                    run = waiting.popleft()
                    pool.submit(run, run.config, context=writer.begin(run))
                progress.running(pool.running)
                for run, outcome in pool.collect():
                    writer.write(run, outcome)
                    progress.finished(str(outcome.columns["status"]))
                writer.flush_due()
    finally:
        writer.flush()


def _named(runs: Sequence[Run]) -> dict[str, str]:
    """The folders of those runs that have a row, by the run's id."""
    return {str(run.row["run"]): run.place.name for run in runs if run.row is not None}
