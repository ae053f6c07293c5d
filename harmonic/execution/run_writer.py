"""What a sweep writes of each finished run: its folder at once, its rows many to a part.

Only the process that leads a sweep writes. A run's folder holds what Hydra's users look for there:
`.hydra/config.yaml`, `hydra.yaml`, `overrides.yaml` and the log, or what `hydra.output_subdir` and the like say.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from harmonic.config.job import Job
from harmonic.config.job_settings import RunContext
from harmonic.config.schema import Config
from harmonic.config.yaml_text import dump
from harmonic.errors import RowsMissing
from harmonic.execution.console import run_summary
from harmonic.execution.progress import PRINT_EVERY
from harmonic.results import environment, record, tables
from harmonic.results.columns import Record
from harmonic.results.outcome import Outcome
from harmonic.results.record import Place

_FORMAT = logging.Formatter("[%(asctime)s][%(name)s][%(levelname)s] %(message)s")  # of hydra/job_logging=harmonic
FLUSH_S = 0.5  # seconds for which finished runs may wait to be written together
FLUSH_RUNS = 500
NAMED = 8  # runs named of those that are missing


@dataclass
class Run:
    """One run on its way: its job, checked config and place; then its row, and what it raised. id: that it had
    before its row was lost."""

    job: Job
    config: Config
    place: Place
    row: Mapping[str, Any] | None = None
    error: BaseException | None = None
    id: str | None = None
    begun: bool = False


class JobCallbacks:
    """Who hears of the begin and the end of runs: here nobody does.

    one_by_one: why one run at a time is to be trained; None: they go side by side.
    """

    one_by_one: str | None = None

    def context(self, run: Run) -> RunContext:
        """What a worker sets around the training of a run."""
        return run.job.settings.context(run.place.folder)

    def begin(self, run: Run) -> None:
        """A run is about to be trained."""

    def follows(self, _run: Run, /) -> bool:
        """Whether a run's end is to be told."""
        return False

    def end(self, run: Run, outcome: Outcome) -> None:
        """A run has ended, and its row is in the table: write its log."""


@dataclass
class RunWriter:
    """Writes finished runs into the sweep's table, many to a part."""

    table: Path
    callbacks: JobCallbacks = field(default_factory=JobCallbacks)
    pending: list[Record] = field(default_factory=list)
    environments: dict[tuple[str, ...], Mapping[str, str]] = field(default_factory=dict)  # that runs were trained in
    _last: float = field(default_factory=time.monotonic)

    def adopt(self, runs: Iterable[Run]) -> None:
        """Give the runs that are in the table already their rows.

        Raises:
            ConfigError: another run lies in the place of one of them.
        """
        if self.table.is_dir():
            rows = tables.by_folder(tables.read_rows(self.table))
            for run in runs:
                run.row = record.find(run.config, run.place, rows.get(run.place.name, ()))

    def begin(self, run: Run) -> RunContext:
        """Tell the callbacks that a run is about to be trained, once; what a worker sets around it."""
        if not run.begun:
            run.begun = True
            self.callbacks.begin(run)
        return self.callbacks.context(run)

    def write(self, run: Run, outcome: Outcome) -> None:
        """Write all that a finished run leaves in its folder, and its rows with those of others.

        Raises:
            ConfigError: its folder is a link.
        """
        subdir = run.job.settings.output_subdir
        run.place.check_links(subdir)
        hydra = run.place.folder / (subdir or "")
        hydra.mkdir(parents=True, exist_ok=True)
        if subdir is not None:
            _write(f"{hydra}/config.yaml", run.job.yaml)
            _write(f"{hydra}/hydra.yaml", run.job.hydra_yaml)
            _write(f"{hydra}/overrides.yaml", dump(list(run.job.overrides)))
        entry = record.record(run.config, run.place, outcome, run.id)
        record.write_model(run.config, run.place, outcome, entry.row["run"])
        run.row = entry.row
        self.pending.append(entry)
        if outcome.environment is not None:
            self.environments[tuple(outcome.environment.values())] = outcome.environment
        followed = self.callbacks.follows(run)
        if not followed:
            _write_log(run, outcome)
        if outcome.trace is not None:
            run.error = RuntimeError(outcome.columns["error"])
        if run.config.figures:
            from harmonic.figures.files import draw  # matplotlib and pandas: most sweeps draw nothing

            self.flush()
            with run.job.settings.context(run.place.folder, collects=False)():
                draw(run.config, run.place.folder)
        if followed:
            self.flush()
            self.callbacks.end(run, outcome)
        self.flush_due()

    def flush_due(self) -> None:
        """Write what is pending, unless more is likely to come soon."""
        if len(self.pending) >= FLUSH_RUNS or time.monotonic() - self._last >= FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write what is pending."""
        if self.pending:
            for one in self.environments.values():
                environment.write(self.table, one)
            tables.write_runs(self.table, f"{self.pending[0].row['run']}", self.pending)
        self.pending, self._last = [], time.monotonic()


def verify_rows(table: Path, runs: Mapping[str, str]) -> None:
    """See that the rows of a sweep are where they were written; somebody may have removed them meanwhile.

    Args:
        runs: what each is called in the sweep, by its id.

    Raises:
        RowsMissing: some are not there.
    """
    if missing := [runs[run] for run in tables.absent(table, runs)]:
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise RowsMissing(
            f"'{table}' must hold all {len(runs)} runs that were trained; it holds {len(runs) - len(missing)}, for "
            f"what is in it was removed or damaged meanwhile: {', '.join(missing[:NAMED])}{more} are missing; the same "
            "command with the same hydra.sweep.dir trains them again"
        )


def _write_log(run: Run, outcome: Outcome) -> None:
    now = datetime.now().isoformat(sep=" ", timespec="milliseconds")
    losses = outcome.curve["loss"]
    lines = [f"{step} {losses[step]:.6g}" for step in range(0, len(losses), PRINT_EVERY)]
    assert run.row is not None
    lines.append(outcome.trace or run_summary({**run.row, "dir": str(run.place.folder)}))
    text = "".join([f"{_FORMAT.format(record)}\n" for record in outcome.records])
    text += "".join(f"[{now}][{__name__}][INFO] {line}\n" for line in lines)
    _write(f"{run.place.folder}/{run.job.settings.name}.log", text)


def _write(path: str, text: str) -> None:
    # pathlib takes twice as long, for 4 files a run; a file that is a link would be written through
    with open(path, "w", encoding="utf-8", errors="backslashreplace", opener=_not_through_links) as file:
        file.write(text)


def _not_through_links(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)
