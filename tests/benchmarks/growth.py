"""How the time of a step grows with width and with points, for both engines: `make bench`.

Torch has one thread, as in a sweep, and then all cores, as a single run may use them.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence

import torch
from rich.console import Console
from rich.table import Table
from steps import Segments

BUDGET_S = 0.4  # of a measurement


def milliseconds(run: Segments) -> float:
    """Median time of a step."""
    once = run.seconds_per_step(1)
    steps = max(1, min(200, int(BUDGET_S / 5 / once)))
    return statistics.median(1e3 * run.seconds_per_step(steps) for _ in range(5))


def growth(model: str, key: str, values: Sequence[int]) -> Table:
    cores = os.cpu_count() or 1
    headings = ("native, ms", "torch, ms", f"torch on {cores} threads, ms", "torch / native")
    table = Table(key, *headings, title=f"one step of Adam, {model}", caption="the rest as in the post")
    for value in values:
        times = []
        for engine, threads in (("native", 1), ("torch", 1), ("torch", cores)):
            torch.set_num_threads(threads)
            run = Segments(f"model={model}", "optimizer=adam", f"{key}={value}", f"training.engine={engine}")
            times.append(milliseconds(run))
        table.add_row(f"{value:,}", *(f"{each:.3g}" for each in times), f"{times[1] / times[0]:.1f}")
    return table


def main() -> None:
    console = Console()
    for model in ("shallow", "deep"):
        console.print(growth(model, "model.width", [8, 16, 32, 64, 128, 256, 512]))
        console.print(growth(model, "data.points", [100, 1000, 10_000, 100_000]))


if __name__ == "__main__":
    main()
