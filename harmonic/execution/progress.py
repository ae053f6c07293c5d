"""How far a run or a sweep is: losses as the post prints them, a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from harmonic.execution.console import say
from harmonic.results.columns import STATUSES
from harmonic.training.status import Status

PRINT_EVERY = 100  # steps, as in the post
BAR = 20  # columns of a bar


class RunProgress:
    """Prints the losses of one run as they come, above a bar where there is a terminal.

    Args:
        steps: updates that the run will make.
        console: where to.
    """

    def __init__(self, steps: int, console: Console) -> None:
        self._steps = steps
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(BAR),
            TextColumn("{task.fields[done]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        # without a total the bar pulses: until the first losses come, kernels may have to be loaded or compiled
        self._task = self._bar.add_task("preparing", total=None, done="")

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
        done = step + len(losses)
        self._bar.update(
            self._task,
            total=self._steps,
            completed=done,
            description="training" if done < self._steps else "writing",
            done=f"{done}/{self._steps} steps",
        )


class _Bar(Progress):
    """A bar with a line of its own below it, cut where the terminal is narrower."""

    note = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.note:
            yield Text(self.note, no_wrap=True, overflow="ellipsis")


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
        self._running = self._wanted = self._kept = self._done = 0
        # what must be seen stands first: a narrow terminal cuts the last column alone
        self._bar = _Bar(
            TextColumn("{task.fields[count]} " + unit),
            BarColumn(BAR),
            TimeRemainingColumn(),
            TextColumn("{task.fields[tally]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            console=self.console,
            disable=not self.console.is_terminal,
            transient=True,  # the last line says it once more
            expand=True,
        )
        self._task = self._bar.add_task("", total=None, count="", tally="")

    def begin(self, total: int, kept: int) -> None:
        """The number of runs of the sweep, and of those that are in its table already."""
        self._wanted, self._kept, self._done = total, kept, 0
        self._show()
        if kept:
            say(self.console, f"{kept} of {self._total} {self._unit} are in the table already")

    def kept(self, count: int) -> None:
        """So many are in the table that were not made here."""
        self._kept = count
        self._show()

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
            say(self.console, f"{self._count}, {self._tally()}")

    def running(self, count: int) -> None:
        """So many runs are being trained."""
        self._running = count
        self._show()

    def finished(self, status: str, note: str = "") -> None:
        """Another one has ended so. note: what else there is to say."""
        self._note = note or self._note
        self._done += 1
        self._counts[status] += 1
        self._show()
        now = time.monotonic()
        if not self.console.is_terminal and now - self._said >= self._every:
            self._said = now
            left = (now - self._started) / self._done * (self._total - self._kept - self._done)
            ending = [self._note] * bool(self._note) + [f"{left:.0f} s left"] * bool(left)
            say(self.console, ", ".join([self._count, self._tally(), *ending]))

    @property
    def _total(self) -> int:
        """Of all runs; sweepers that share a study may together make more than each wants."""
        return max(self._wanted, self._kept + self._done)

    @property
    def _count(self) -> str:
        return f"{self._kept + self._done} of {self._total} {self._unit}"

    def _show(self) -> None:
        """Bring the bar up to date."""
        if not self._bar.disable:
            done, total = self._kept + self._done, self._total
            self._bar.note = self._note
            self._bar.update(self._task, total=total, completed=done, count=f"{done}/{total}", tally=self._tally())

    def _tally(self) -> str:
        rate = self._done / max(time.monotonic() - self._started, 1e-9) if self._done else 0
        counts = {"running": self._running, **self._counts}
        others = [f"{count} {status}" for status, count in counts.items() if count and status != Status.COMPLETE]
        return ", ".join([*others, f"{rate:.3g} {self._unit}/s"])
