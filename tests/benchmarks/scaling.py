"""How far a sweep goes, and what gives first: `python tests/benchmarks/scaling.py [part ...]`.

samplers  what drawing a trial costs after 100, 1000 and 10,000 others, by sampler
storages  what a trial costs in a journal, in SQLite and in PostgreSQL, after 100, 1000 and 4000 others
sweepers  trials a second that 1 to 8 sweepers tell one PostgreSQL, and what each costs there and here
hundred   a hundred sweepers at one PostgreSQL, each with a trial every five seconds
leading   what the process that leads a sweep spends on a run: threads, processes, Dask
travel    bytes that go to a Dask worker and come back for a run
"""

from __future__ import annotations

import functools
import io
import logging
import multiprocessing
import os
import pickle
import random
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, contextmanager, redirect_stdout, suppress
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import TrialState, create_trial
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent))
import postgresql
from dask_cluster import dask_cluster
from harmonic.cli import application
from harmonic.config.compose import compose
from harmonic.run import train_one
from harmonic.search._cma import GuardedCmaEsSampler
from harmonic.search.reproducible_sampler import ReproducibleSampler
from harmonic.search.sharing import ExclusiveStudy, SharedStudy
from harmonic.search.storage import open_storage
from harmonic.search.trial_attributes import ATTRIBUTES, count_finished

SPACE: dict[str, BaseDistribution] = {
    "model.width": IntDistribution(8, 128),
    "optimizer.lr": FloatDistribution(1e-4, 1e-1, log=True),
}
BUDGET_S = 4.0  # for one figure, three draws at least
FAR_S = 10.0  # a sampler that takes this long is not asked after more trials
HUNDRED, PROCESSES, HUNDRED_TRIALS, PACE_S = 100, 4, 1000, 5.0  # many sweepers, and how they are had here
SECONDS = 8.0  # for which sweepers share a database
console = Console(width=120)


def fill(study: Study, count: int) -> None:
    """Have so many random trials in a study."""
    source = optuna.create_study(sampler=RandomSampler(seed=0))
    trials = []
    for number in range(count):
        drawn = source.ask(SPACE)
        trials.append(
            create_trial(
                params=drawn.params, distributions=SPACE, value=float(number * 7919 % 1009),
                user_attrs={ATTRIBUTES: {"status": "complete"}},
            )
        )  # fmt: skip
    study.add_trials(trials)


def cycle(study_access: ExclusiveStudy) -> None:
    """One trial of a search, without its training."""
    trial = study_access.ask()
    assert trial is not None
    for name, distribution in SPACE.items():
        trial._suggest(name, distribution)
    trial.set_user_attr(ATTRIBUTES, {"status": "complete", "runs": ["0123456789ab"] * 2, "dir": str(trial.number)})
    study_access.study.tell(trial, trial.params["optimizer.lr"], state=TrialState.COMPLETE)
    study_access.trial_ended(trial)


def milliseconds(act: Callable[[], None]) -> float:
    """The median of several times, in a given budget of seconds."""
    taken = list[float]()
    while len(taken) < 3 or sum(taken) < BUDGET_S:
        began = time.perf_counter()
        act()
        taken.append(time.perf_counter() - began)
        if len(taken) > 1 and taken[-1] > FAR_S:
            break
    return 1e3 * statistics.median(taken)


def samplers(_home: Path) -> None:
    counts, kinds = (100, 1000, 10_000), optuna.samplers
    table = Table("sampler", *(f"after {count:,} trials, ms" for count in counts), title="drawing a trial, in memory")
    for kind in (kinds.RandomSampler, kinds.QMCSampler, kinds.TPESampler, kinds.NSGAIISampler, GuardedCmaEsSampler,
                 kinds.GPSampler):  # fmt: skip
        cells = list[str]()
        for count in counts:
            if cells and (cells[-1] == "-" or float(cells[-1]) > 1e3 * FAR_S / 10):
                cells.append("-")
                continue
            study = optuna.create_study(sampler=ReproducibleSampler(functools.partial(_seeded, kind), 0))
            fill(study, count)
            cells.append(f"{milliseconds(functools.partial(cycle, ExclusiveStudy(study, 10**9))):.1f}")
        table.add_row(kind.__name__.removeprefix("Guarded"), *cells)
    console.print(table)


def _seeded(kind: type[BaseSampler], seed: int | None) -> BaseSampler:
    sampler: BaseSampler = kind(seed=seed)  # type: ignore[call-arg]
    return sampler


@contextmanager
def storage_of(kind: str, home: Path) -> Iterator[tuple[BaseStorage, str | None]]:
    """A storage as a search opens it, and its URL."""
    if kind == "journal":
        yield open_storage(None, home), None
    elif kind == "SQLite":
        url = f"sqlite:///{home}/study.db"
        yield open_storage(url, home, heartbeat=10), url
    else:
        with postgresql.server() as server:
            yield open_storage(server.url, home, heartbeat=10), server.url


def storages(home: Path) -> None:
    counts = (100, 1000, 4000)
    table = Table("storage", *(f"after {count:,} trials, ms" for count in counts), title="a trial of random draws")
    for kind in ("journal", "SQLite", "PostgreSQL"):
        cells = list[str]()
        with storage_of(kind, home) as (storage, url):
            study = optuna.create_study(storage=storage, sampler=RandomSampler(seed=0))
            for count in counts:
                fill(study, count - len(study.get_trials(deepcopy=False)))
                study_access = SharedStudy(study, 10**9, "benchmark", 10) if url else ExclusiveStudy(study, 10**9)
                with study_access:
                    cells.append(f"{milliseconds(functools.partial(cycle, study_access)):.1f}")
        table.add_row(kind, *cells)
    console.print(table)


def _sweeper(url: str, number: int, together: Barrier, results: Any) -> None:
    """A sweeper that trains nothing, for some seconds."""
    warnings.simplefilter("ignore")
    study = optuna.load_study(study_name="shared", storage=open_storage(url, Path(), heartbeat=10),
                              sampler=RandomSampler(seed=number))  # fmt: skip
    with SharedStudy(study, 10**9, f"sweeper {number}", 10) as study_access:
        cycle(study_access)
        together.wait()
        began, cpu, count = time.monotonic(), time.process_time(), 0
        while time.monotonic() - began < SECONDS:
            cycle(study_access)
            study_access.check_others()
            count += 1
        results.put((count, time.process_time() - cpu))


def _cpu_of_server() -> float:
    """Seconds of all its processes, those that have ended among them."""
    total = 0.0
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess):
            if process.name().startswith("postgres"):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


def sweepers(_home: Path) -> None:
    table = Table("sweepers", "trials/s", "server's CPU a trial, ms", "sweeper's CPU a trial, ms",
                  title=f"PostgreSQL on {os.cpu_count()} cores, shared with the sweepers; no training")  # fmt: skip
    spawn = multiprocessing.get_context("spawn")
    for count in (1, 2, 4, 8):
        with postgresql.server() as server:
            optuna.create_study(study_name="shared", storage=open_storage(server.url, Path(), heartbeat=10))
            together, results = spawn.Barrier(count + 1), spawn.Queue()
            started = [spawn.Process(target=_sweeper, args=(server.url, number, together, results))
                       for number in range(count)]  # fmt: skip
            for one in started:
                one.start()
            together.wait()
            before = _cpu_of_server()
            found = [results.get() for _ in started]
            after = _cpu_of_server()
            for one in started:
                one.join()
        trials, cpu = (sum(column) for column in zip(*found, strict=True))
        table.add_row(str(count), f"{trials / SECONDS:.0f}", f"{1e3 * (after - before) / trials:.1f}",
                      f"{1e3 * cpu / trials:.1f}")  # fmt: skip
    console.print(table)


def _paced(url: str, first: int, results: Any) -> None:
    """Several sweepers, each a thread with connections of its own, that take some seconds for each trial."""
    warnings.simplefilter("ignore")

    def sweep(number: int) -> int:
        study = optuna.load_study(study_name="shared", storage=open_storage(url, Path(), heartbeat=10),
                                  sampler=RandomSampler(seed=number))  # fmt: skip
        told = 0
        with SharedStudy(study, HUNDRED_TRIALS, f"sweeper {number}", 10) as study_access:
            time.sleep(random.Random(number).uniform(0, PACE_S))
            while (trial := study_access.ask()) is not None:
                for name, distribution in SPACE.items():
                    trial._suggest(name, distribution)
                time.sleep(PACE_S)
                trial.set_user_attr(ATTRIBUTES, {"status": "complete"})
                study.tell(trial, trial.params["optimizer.lr"])
                study_access.trial_ended(trial)
                study_access.check_others()
                told += 1
        return told

    with ThreadPoolExecutor(HUNDRED // PROCESSES) as threads:
        results.put(list(threads.map(sweep, range(first, first + HUNDRED // PROCESSES))))


def hundred(_home: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    with postgresql.server("-c max_connections=250") as server:
        study = optuna.create_study(study_name="shared", storage=open_storage(server.url, Path(), heartbeat=10))
        results, began = spawn.Queue(), time.monotonic()
        started = [spawn.Process(target=_paced, args=(server.url, first, results))
                   for first in range(0, HUNDRED, HUNDRED // PROCESSES)]  # fmt: skip
        for one in started:
            one.start()
        told = [count for _ in started for count in results.get()]
        took, server_s = time.monotonic() - began, _cpu_of_server()
        for one in started:
            one.join()
        states = {one.state for one in study.get_trials(deepcopy=False)}
        assert sum(told) == count_finished(study) == HUNDRED_TRIALS
        assert states <= {TrialState.COMPLETE, TrialState.WAITING}, states
    console.print(f"{HUNDRED} sweepers, {PACE_S:g} s a trial: {HUNDRED_TRIALS} trials in {took:.0f} s, each told once, "
                  f"{min(told)} to {max(told)} by a sweeper; server's CPU {1e3 * server_s / HUNDRED_TRIALS:.1f} ms "
                  f"a trial")  # fmt: skip


def here(folder: Path, runs: int, steps: int, *arguments: str) -> tuple[float, float]:
    """Wall and CPU seconds of this process for a sweep of so many runs."""
    sys.argv = ["harmonic", "-m", "+experiment=post_adam", f"training.steps={steps}", f"seed=range(0,{runs})",
                f"hydra.sweep.dir={folder}", *arguments]  # fmt: skip
    wall, cpu = time.perf_counter(), time.process_time()
    with redirect_stdout(io.StringIO()), chdir(folder.parent):
        application.main()
    return time.perf_counter() - wall, time.process_time() - cpu


def leading(home: Path) -> None:
    table = Table("executor", "steps", "wall", "leader's CPU", "scheduler's CPU", title="ms a run, with 2 workers")
    with dask_cluster(home) as cluster:
        scheduler = psutil.Process(cluster.processes[0].pid)
        for name, steps, arguments in (
            ("threads", 1, ()),
            ("processes", 1, ("hydra/launcher/executor=processes",)),
            ("Dask", 1, cluster.arguments),
            ("processes", 1000, ("hydra/launcher/executor=processes",)),
            ("Dask", 1000, cluster.arguments),
        ):
            few, many = (50, 1050) if steps == 1 else (50, 350)
            here(home / f"{name}-{steps}-warm", 4, steps, *arguments)
            wall, cpu = here(home / f"{name}-{steps}-few", few, steps, *arguments)
            before = sum(scheduler.cpu_times()[:2])
            walls, cpus = here(home / f"{name}-{steps}-many", many, steps, *arguments)
            there = sum(scheduler.cpu_times()[:2]) - before
            each = [1e3 * (walls - wall) / (many - few), 1e3 * (cpus - cpu) / (many - few), 1e3 * there / many]
            cells = [f"{value:.1f}" for value in each]
            table.add_row(name, str(steps), *(cells if name == "Dask" else cells[:2]))
    console.print(table)


def travel(_home: Path) -> None:
    table = Table("run", "there, kB", "back, kB", title="what travels to a Dask worker and back")
    for steps in (100, 1000, 10_000):
        config = compose(["optimizer=adam", f"training.steps={steps}"])
        whole = train_one(config)
        half = train_one(config, until=steps // 2)
        for name, begun, back in (("whole", None, whole), ("second half", half, whole)):
            sizes = (len(pickle.dumps(one)) / 1e3 for one in ((config, begun), back))
            table.add_row(f"{name} of {steps:,} steps", *(f"{size:.1f}" for size in sizes))
    console.print(table)


def main(names: Sequence[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("distributed").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    parts = {part.__name__: part for part in (samplers, storages, sweepers, hundred, leading, travel)}
    for name in names or parts:
        with tempfile.TemporaryDirectory() as folder:
            parts[name](Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
