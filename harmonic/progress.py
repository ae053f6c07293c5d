"""What the terminal shows of a run: step and loss as the post prints them, a bar, one summary line."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from harmonic.tables import STATUSES

log = logging.getLogger(__name__)

PRINT_EVERY = 100  # steps, as in the post


class RunProgress:
    """Prints the losses of one run as they come, above a bar where there is a terminal.

    Args:
        steps: updates that the run will make.
        console: where to.
    """

    def __init__(self, steps: int, console: Console) -> None:
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=steps)

    def __enter__(self) -> RunProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, step: int, losses: NDArray[np.float64]) -> None:
        """Show the losses of the steps from `step` on."""
        for t in range(step, step + len(losses)):
            if t % PRINT_EVERY == 0:
                say(self._bar.console, f"{t} {losses[t - step]:.6g}")
        self._bar.update(self._task, completed=step + len(losses))


class SweepProgress:
    """Shows how far a sweep is: a bar on a terminal, elsewhere a line every few seconds.

    Args:
        console: where to.
        every: seconds between two lines where there is no terminal.
        unit: what is counted.
    """

    def __init__(self, console: Console | None = None, every: float = 5.0, unit: str = "runs") -> None:
        self.console = console or Console()
        self._every = every
        self._unit = unit
        self._note = ""
        self._counts = dict.fromkeys(STATUSES, 0)
        self._running = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit + ", {task.fields[tally]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=None, tally="")

    def begin(self, total: int, kept: int) -> None:
        """The number of runs of the sweep, and of those that are in its table already."""
        self._total, self._kept, self._done = total, kept, 0
        self._bar.update(self._task, total=total, completed=kept)
        if kept:
            say(self.console, f"{kept} of {total} {self._unit} are in the table already")

    def kept(self, count: int) -> None:
        """So many are in the table that were not made here."""
        self._kept = count
        self._bar.update(self._task, completed=self._kept + self._done)

    def lost(self, count: int) -> None:
        """So many of those that were finished are in the table no more."""
        self.kept(self._kept - count)

    def __enter__(self) -> SweepProgress:
        self._started = self._said = time.monotonic()
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._running = 0
        if kind is None:
            say(self.console, self._line())

    def running(self, count: int) -> None:
        """So many runs are being trained."""
        self._running = count

    def finished(self, status: str, note: str = "") -> None:
        """Another one has ended so. note: what else there is to say."""
        self._note = note or self._note
        self._done += 1
        self._counts[status] += 1
        self._bar.update(self._task, completed=self._kept + self._done, tally=self._tally())
        now = time.monotonic()
        if not self.console.is_terminal and now - self._said >= self._every:
            self._said = now
            say(self.console, self._line())

    def _tally(self) -> str:
        rate = self._done / max(time.monotonic() - self._started, 1e-9)
        counts = {"running": self._running, **self._counts}
        others = [f"{count} {status}" for status, count in counts.items() if count and status != "complete"]
        return ", ".join([*others, f"{rate:.3g} {self._unit}/s", *([self._note] if self._note else [])])

    def _line(self) -> str:
        left = (time.monotonic() - self._started) / max(self._done, 1) * (self._total - self._kept - self._done)
        ending = f", {left:.0f} s left" if left else ""
        return f"{self._kept + self._done} of {self._total} {self._unit}, {self._tally()}{ending}"


def say(console: Console, line: str) -> None:
    """One plain line on the console, neither wrapped nor coloured, and the same in the log."""
    console.print(line, soft_wrap=True, highlight=False, markup=False)
    log.info(line)


def summary(row: Mapping[str, Any]) -> str:
    """One line on a finished run: its errors, or why it has none, and where it was written."""
    folder = shown(Path(row["dir"]))
    if row["status"] in ("diverged", "failed"):
        return f"{row['status']}: {row['error']} | {folder}"
    if row["status"] == "pruned":
        return f"pruned at step {row['steps']} | {folder}"
    return (
        f"final loss {row['final_loss']:.6g} | dense RMSE {row['dense_rmse']:.3g} | "
        f"sparse RMSE {row['sparse_rmse']:.3g} | gap {row['gap']:.3g} | {folder}"
    )


def shown(folder: Path) -> Path:
    """A folder as a reader wants it: relative to where they stand, if it lies there."""
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
