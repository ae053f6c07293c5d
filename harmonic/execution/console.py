"""Lines on the terminal, and the same in the log: what a run came to, and where a sweep's results are."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from harmonic.training.status import Status

log = logging.getLogger(__name__)

MANY = 0.1  # share of runs that diverge, above which something can be done better


def say(console: Console, line: str) -> None:
    """One plain line on the console, neither wrapped nor coloured, and the same in the log."""
    console.print(line, soft_wrap=True, highlight=False, markup=False)
    log.info(line)


def print_end(console: Console, home: Path, statuses: Mapping[str, int], unit: str) -> None:
    """Say at the end of a sweep where its results are, and what to do where many of its runs have none.

    Args:
        statuses: how many ended in each.
        unit: what is counted.
    """
    total, diverged, failed = sum(statuses.values()), statuses.get(Status.DIVERGED, 0), statuses.get(Status.FAILED, 0)
    if diverged > MANY * total:
        say(console, f"{diverged} of {total} {unit} diverged: try a lower optimizer.lr, or optimizer=adam")
    if failed:
        say(console, f"{failed} of {total} {unit} failed: see the column `error`, and harmonic.log in their folders")
    folder = shown_folder(home)
    say(console, f"results in {folder}: harmonic.load_runs({json.dumps(str(folder), ensure_ascii=False)})")


def run_summary(row: Mapping[str, Any]) -> str:
    """One line on a finished run: its errors, or why it has none, and where it was written."""
    folder = shown_folder(Path(row["dir"]))
    if row["status"] in (Status.DIVERGED, Status.FAILED):
        return f"{row['status']}: {row['error']} | {folder}"
    if row["status"] == Status.PRUNED:
        return f"pruned at step {row['steps']} | {folder}"
    return (
        f"final loss {row['final_loss']:.6g} | dense RMSE {row['dense_rmse']:.3g} | "
        f"sparse RMSE {row['sparse_rmse']:.3g} | gap {row['gap']:.3g} | {folder}"
    )


def shown_folder(folder: Path) -> Path:
    """A folder as a reader wants it: relative to where they stand, if it lies there."""
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
