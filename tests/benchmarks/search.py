"""What the search costs and what it brings: `python tests/benchmarks/search.py [speed] [pruning] [samplers]`.

speed     256 trials of width_lr against the same search with Hydra's basic launcher and the torch engine
pruning   steps trained and best value, with and without Hyperband, over seeds of the sampler
samplers  best of 64 trials over seeds: two workers against one, TPE against random
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import harmonic
from harmonic.cli import application
from harmonic.config.compose import compose
from harmonic.search.study import load_study
from harmonic.training.trainer import Trainer, train

SCRIPT = Path(sys.executable).with_name("harmonic")
MEMORY = Path("/dev/shm")
TRIALS, SAMPLE = 256, 32  # trials of the search; of the slow one, whose time is scaled up
console = Console(width=120)


def run(folder: Path, *overrides: str) -> float:
    """Seconds that a search takes from the command line."""
    started = time.perf_counter()
    command = [str(SCRIPT), *overrides, f"hydra.sweep.dir={folder}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder.parent)
    return time.perf_counter() - started


def here(folder: Path, *overrides: str) -> None:
    """A search in this process, which need not start again for each of many."""
    sys.argv = ["harmonic", *overrides, f"hydra.sweep.dir={folder}"]
    with redirect_stdout(io.StringIO()), chdir(folder.parent):
        application.main()


def seconds_in_search(folder: Path) -> float:
    """From the first ask to the last tell."""
    trials = load_study(folder).trials
    ends = [one.datetime_complete for one in trials if one.datetime_complete]
    begins = [one.datetime_start for one in trials if one.datetime_start]
    return (max(ends) - min(begins)).total_seconds()


def seconds_in_training(folder: Path) -> float:
    """The same trials, trained by as many threads as there are cores, and nothing else."""
    base = compose(["optimizer=adam", "training.steps=1000"])
    configs = [
        replace(base, model={**base.model, "width": one.params["model.width"]},
                optimizer={**base.optimizer, "lr": one.params["optimizer.lr"]})
        for one in load_study(folder).trials
    ]  # fmt: skip
    started = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda config: train(Trainer(config)), configs))
    return time.perf_counter() - started


def speed(home: Path) -> None:
    run(home / "warm", "-cn", "smoke")
    ours = run(home / "ours", "-cn", "width_lr", f"hydra.sweeper.n_trials={TRIALS}")
    search, training = seconds_in_search(home / "ours"), seconds_in_training(home / "ours")
    slow = ("-cn", "width_lr", "hydra/launcher=basic", "training.engine=torch", f"hydra.sweeper.n_trials={SAMPLE}")
    theirs, in_search = run(home / "theirs", *slow), seconds_in_search(home / "theirs")
    scaled = theirs - in_search + in_search * TRIALS / SAMPLE
    table = Table("what", "s", title=f"{TRIALS} trials of width_lr on {os.cpu_count()} cores")
    table.add_row("harmonic, wall", f"{ours:.1f}")
    table.add_row("  from the first ask to the last tell", f"{search:.1f}")
    table.add_row("  start-up and end", f"{ours - search:.1f}")
    table.add_row("training of the same trials alone", f"{training:.1f}")
    table.add_row("  search / training alone", f"{search / training:.2f} x")
    table.add_row(f"basic launcher, torch engine, scaled from {SAMPLE} trials", f"{scaled:.1f}")
    table.add_row("  against harmonic", f"{scaled / ours:.1f} x")
    console.print(table)


def spread(values: Sequence[float]) -> str:
    """Mean and its standard error."""
    return f"{np.mean(values):.4g} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.2g}"


def pruning(home: Path) -> None:
    table = Table(
        "pruner", "steps trained", "best valid_rmse", title="60 trials of pruned.yaml, 10 seeds of the sampler"
    )
    for pruner in ("NopPruner", "HyperbandPruner"):
        steps, best = list[float](), list[float]()
        for seed in range(10):
            folder = home / f"{pruner}-{seed}"
            how = (f"hydra.sweeper.pruner._target_=optuna.pruners.{pruner}", f"hydra.sweeper.sampler.seed={seed}")
            here(folder, "-cn", "pruned", "training.steps=1000", "hydra.sweeper.n_trials=60", *how)
            steps.append(float(harmonic.load_runs(folder)["steps"].sum()))
            best.append(load_study(folder).best_value)
        table.add_row(pruner, spread(steps), spread(best))
    console.print(table)


def samplers(home: Path) -> None:
    ways = {
        "TPE, two workers": ("hydra.launcher.executor.workers=2",),
        "TPE, one worker": ("hydra.launcher.executor.workers=1",),
        "random": ("hydra.sweeper.sampler._target_=optuna.samplers.RandomSampler",),
    }
    best: dict[str, list[float]] = {name: [] for name in ways}
    for seed in range(20):
        for name, overrides in ways.items():
            folder = home / f"{name}-{seed}".replace(" ", "").replace(",", "")
            here(folder, "-cn", "width_lr", "training.steps=300", f"hydra.sweeper.sampler.seed={seed}", *overrides)
            best[name].append(load_study(folder).best_value)
    table = Table("sampler", "best valid_rmse", "less two workers'", title="best of 64 trials, 20 seeds, 300 steps")
    for name, values in best.items():
        table.add_row(name, spread(values), spread(np.subtract(values, best["TPE, two workers"]).tolist()))
    console.print(table)


def main() -> None:
    parts = {part.__name__: part for part in (speed, pruning, samplers)}
    for name in sys.argv[1:] or ["speed"]:
        with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
            parts[name](Path(folder))


if __name__ == "__main__":
    main()
