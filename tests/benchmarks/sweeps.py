"""What a sweep costs beside its training, and how that grows with its runs: `make bench`.

Whole command lines in a folder in memory where there is one (/dev/shm), so that the disk stays out of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

import harmonic

SCRIPT = Path(sys.executable).with_name("harmonic")
MEMORY = Path("/dev/shm")


def sweep(folder: str, runs: int, steps: int) -> tuple[float, float]:
    """Wall time in seconds and peak memory in MB of a sweep over seeds of the shallow net with Adam."""
    command = [str(SCRIPT), "-m", "+experiment=post_adam", f"training.steps={steps}", f"seed=range(0,{runs})"]
    started, peak = time.perf_counter(), 0
    out = f"hydra.sweep.dir={folder}/{runs}-{steps}"
    with subprocess.Popen([*command, out], cwd=folder, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            try:
                peak = max(peak, psutil.Process(process.pid).memory_info().rss)
            except psutil.NoSuchProcess:
                break
            time.sleep(0.05)
    assert process.returncode == 0
    return time.perf_counter() - started, peak / 2**20


def seconds_to_load(folder: str) -> float:
    """`load_runs` and `load_curves` together."""
    started = time.perf_counter()
    harmonic.load_runs(folder)
    harmonic.load_curves(folder)
    return time.perf_counter() - started


def main() -> None:
    console = Console()
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        start = sorted(sweep(folder, 1, steps)[0] for steps in (1, 2, 3))[1]
        table = Table("runs", "steps", "wall, s", "a run beyond the first, ms", "peak memory, MB", "load, s",
                      title=f"sweeps on {os.cpu_count()} cores; one run alone: {start:.1f} s")  # fmt: skip
        for runs, steps in ((10, 1), (100, 1), (1000, 1), (10_000, 1), (1000, 1000)):
            wall, peak = sweep(folder, runs, steps)
            each = 1e3 * (wall - start) / (runs - 1)
            loads = sorted(seconds_to_load(f"{folder}/{runs}-{steps}") for _ in range(3))
            table.add_row(f"{runs:,}", f"{steps:,}", f"{wall:.1f}", f"{each:.1f}", f"{peak:.0f}", f"{loads[1]:.2f}")
        console.print(table)


if __name__ == "__main__":
    main()
