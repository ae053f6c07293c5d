"""Time per training step beside the post's bare loop, in one process: `make bench`.

Segments of the two alternate, so that a noisy machine troubles both alike; medians are printed.
Torch is held to one thread on either side.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from harmonic.compose import compose
from harmonic.post import EXPERIMENTS
from harmonic.trial import Trial

sys.path.insert(0, str(Path(__file__).parents[1]))
import bare

REPEATS, STEPS = 15, 200


def seconds_per_step(trial: Trial) -> float:
    """Wall time of one step of `Trial.advance`, its set-up included."""
    state, _ = trial.advance(trial.start(), 10)
    started = time.perf_counter()
    trial.advance(state, STEPS)
    return (time.perf_counter() - started) / STEPS


def main() -> None:
    torch.set_num_threads(1)
    table = Table("experiment", "bare loop, us", "harmonic, us", "ratio", title="one training step, engine torch")
    for experiment in EXPERIMENTS:
        trial = Trial(compose([f"+experiment={experiment}", "training.engine=torch"]))
        pairs = [(bare.seconds_per_step(experiment, STEPS), seconds_per_step(trial)) for _ in range(REPEATS)]
        theirs, ours = (1e6 * statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(our / their for their, our in pairs)
        table.add_row(experiment, f"{theirs:.0f}", f"{ours:.0f}", f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
