"""What the terminal shows of a run: step and loss as the post prints them, a bar, one summary line."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

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


def say(console: Console, line: str) -> None:
    """One plain line on the console, neither wrapped nor coloured, and the same in the log."""
    console.print(line, soft_wrap=True, highlight=False, markup=False)
    log.info(line)


def summary(row: Mapping[str, Any]) -> str:
    """One line on a finished run: its errors, or why it has none, and where it was written."""
    folder = Path(row["dir"])
    if folder.is_relative_to(Path.cwd()):
        folder = folder.relative_to(Path.cwd())
    if row["status"] != "complete":
        return f"{row['status']}: {row['error']} | {folder}"
    return (
        f"final loss {row['final_loss']:.6g} | dense RMSE {row['dense_rmse']:.3g} | "
        f"sparse RMSE {row['sparse_rmse']:.3g} | gap {row['gap']:.3g} | {folder}"
    )
