"""The best of a search, from seeds that no trial used.

The best of many trials is best partly by luck: by the draws of its seeds. What it is worth is seen
on others. Its runs lie in `fresh/<trial>/<seed>` of the sweep's folder, with a table of their own:
they are no trials, and a mean over the sweep's rows should not hold them.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from optuna.trial import FrozenTrial
from rich.console import Console

from harmonic.config.sweep_compose import Snapshot
from harmonic.execution.console import say
from harmonic.execution.grid import check_job, train_runs
from harmonic.execution.progress import SweepProgress
from harmonic.execution.run_writer import JobCallbacks, Run, RunWriter
from harmonic.results.record import Place
from harmonic.results.tables import FOLDER
from harmonic.search.runners import by_seed
from harmonic.search.space import Space
from harmonic.training.status import Status

SUBFOLDER = "fresh"
COLUMNS = ("valid_rmse", "dense_rmse", "sparse_rmse")


def train_fresh_seeds(
    best: FrozenTrial,
    seeds: Sequence[int],
    space: Space,
    snapshot: Snapshot,
    build: Callable[[], Executor],
    here: bool,
    callbacks: JobCallbacks,
) -> list[Run]:
    """Train a trial's configuration from fresh seeds; those that are there already are not trained again.

    Args:
        build: makes the executor.
        here: whether that trains on this machine.
        callbacks: of the runs.

    Raises:
        Interrupted: on SIGINT; what is finished is written.
    """
    home = snapshot.home / SUBFOLDER
    runs = []
    for seed, overrides in by_seed(space.overrides(best.params), seeds):
        one = snapshot.job(best.number, overrides)
        folder = home / str(best.number) / str(seed)
        place = Place(folder, home, f"{snapshot.home.name}/{SUBFOLDER}", best.number)
        runs.append(check_job(one, place, here))
    RunWriter(home / FOLDER).adopt(runs)
    train_runs(runs, build, SweepProgress(), callbacks=callbacks)
    return runs


def print_fresh_seeds(console: Console, runs: Sequence[Run]) -> None:
    """Print what the configuration is worth on these seeds."""
    rows = [run.row for run in runs if run.row is not None]
    complete = [row for row in rows if row["status"] == Status.COMPLETE]
    others = Counter(str(row["status"]) for row in rows if row["status"] != Status.COMPLETE)
    ended = "".join(f"; {count} {status}" for status, count in sorted(others.items()))
    if complete:
        medians = ", ".join(f"{name} {statistics.median(row[name] for row in complete):.4g}" for name in COLUMNS)
        say(console, f"the best from {len(runs)} fresh seeds: {medians} (medians{ended})")
    else:
        say(console, f"the best from {len(runs)} fresh seeds: none was completed{ended}")
