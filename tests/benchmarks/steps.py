"""Time per training step beside the post's bare loop, in one process: `make bench`.

Segments of the three alternate, so that a noisy machine troubles all alike; medians are printed. Torch is
held to one thread.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from harmonic.config.compose import compose
from harmonic.post import EXPERIMENTS
from harmonic.training.engines import State
from harmonic.training.trainer import Trainer

sys.path.insert(0, str(Path(__file__).parents[1]))
import bare

REPEATS, STEPS, RUNS = 15, 200, 64


class Segments:
    """A run that is advanced again and again from the same state."""

    def __init__(self, *overrides: str) -> None:
        self.trial = Trainer(compose(overrides))
        self.state: State = self.trial.advance(self.trial.start(), 10)[0]

    def seconds_per_step(self, steps: int = STEPS) -> float:
        """Wall time of one step of `Trial.advance`, its set-up included."""
        started = time.perf_counter()
        self.trial.advance(self.state, steps)
        return (time.perf_counter() - started) / steps


def against_the_bare_loop() -> Table:
    table = Table("experiment", "bare loop, us", "torch, us", "ratio", "native, us", "times faster", title="one step")
    for experiment in EXPERIMENTS:
        by_torch, native = (Segments(f"+experiment={experiment}", f"training.engine={e}") for e in ("torch", "native"))
        rounds = [
            (bare.seconds_per_step(experiment, STEPS), by_torch.seconds_per_step(), native.seconds_per_step())
            for _ in range(REPEATS)
        ]
        loop, ours, fast = (1e6 * statistics.median(column) for column in zip(*rounds, strict=True))
        ratio = statistics.median(b / a for a, b, _ in rounds)
        faster = statistics.median(a / c for a, _, c in rounds)
        table.add_row(experiment, f"{loop:.0f}", f"{ours:.0f}", f"{ratio:.2f}", f"{fast:.0f}", f"{faster:.1f}")
    return table


def on_two_threads() -> Table:
    """64 runs of 1000 steps, on one thread and on two."""
    table = Table("experiment", "1 thread, s", "2 threads, s", "times faster", title=f"{RUNS} runs, engine native")
    for experiment in EXPERIMENTS:
        run = Segments(f"+experiment={experiment}", "training.engine=native")
        seconds = []
        for _ in range(3):
            pair = []
            for threads in (1, 2):
                started = time.perf_counter()
                with ThreadPoolExecutor(threads) as pool:
                    list(pool.map(run.seconds_per_step, [1000] * RUNS))
                pair.append(time.perf_counter() - started)
            seconds.append(pair)
        one, two = (statistics.median(column) for column in zip(*seconds, strict=True))
        table.add_row(experiment, f"{one:.2f}", f"{two:.2f}", f"{statistics.median(a / b for a, b in seconds):.2f}")
    return table


def best(call: Callable[[], object]) -> float:
    """Seconds of the fastest of many calls."""
    times = []
    for _ in range(200):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def against_the_floor() -> Table:
    """The least that a step can take on one core: its flop at the rate of a large matrix product, and an exp a
    hidden value at torch's rate."""
    points, width, side = 1000, 50, 512
    left, right, values = torch.rand(side, side), torch.rand(side, side), torch.rand(points * width)
    out, target = torch.empty(side, side), torch.empty(points * width)
    flop_s = best(lambda: torch.mm(left, right, out=out)) / (2 * side**3)
    exp_s = best(lambda: torch.exp(values, out=target))
    title = f"the machine's floor, one core: {1e-9 / flop_s:.0f} GFLOP/s, {1e6 * exp_s:.0f} us for 50,000 exp"
    table = Table("experiment", "floor, us", "native, us", "floor / native", title=title)
    for experiment, depth in (("post_adam", 1), ("post_deep", 2)):
        flop = 14 * points * width + 6 * points * width**2 * (depth - 1)
        floor = flop * flop_s + depth * exp_s
        run = Segments(f"+experiment={experiment}", "training.engine=native")
        step = statistics.median(run.seconds_per_step() for _ in range(REPEATS))
        table.add_row(experiment, f"{1e6 * floor:.0f}", f"{1e6 * step:.0f}", f"{floor / step:.0%}")
    return table


def main() -> None:
    torch.set_num_threads(1)
    console = Console()
    console.print(against_the_bare_loop())
    console.print(against_the_floor())
    console.print(on_two_threads())


if __name__ == "__main__":
    main()
