"""From the command to its first training step, and the memory of a run: `make bench`.

The first step is timed until its loss is on the screen, beside the two imports that nobody who
uses torch and Hydra can avoid. Both alternate; medians are printed.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

REPEATS = 7
SCRIPT = Path(sys.executable).with_name("harmonic")


def seconds_to_import() -> float:
    """Wall time of a Python that imports torch and Hydra."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch, hydra"], check=True)
    return time.perf_counter() - started


def seconds_to_first_step(folder: str) -> float:
    """Wall time until the loss of step 0 is printed, one step after it was computed."""
    command = [str(SCRIPT), "training.steps=1", "figures=false"]
    started = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as run:
        assert run.stdout is not None
        line = run.stdout.readline()
        seconds = time.perf_counter() - started
        run.stdout.read()
    assert line.startswith(b"0 "), line
    return seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        pairs = [(seconds_to_import(), seconds_to_first_step(folder)) for _ in range(REPEATS)]
        subprocess.run([SCRIPT, "+experiment=post_deep"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    imports, first = (statistics.median(column) for column in zip(*pairs, strict=True))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    table = Table("what", "measured", title="starting up")
    table.add_row("import torch, hydra", f"{imports:.2f} s")
    table.add_row("command to first step", f"{first:.2f} s")
    table.add_row("ratio", f"{statistics.median(b / a for a, b in pairs):.2f}")
    table.add_row("peak memory of a run with figures", f"{peak:.0f} MB")
    Console().print(table)


if __name__ == "__main__":
    main()
