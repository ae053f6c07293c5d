"""A search without training: a runner that gives what a test says, in any order, and a clock that a test moves."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, cast

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.study import Study
from optuna.trial import FrozenTrial

from harmonic.execution.progress import SweepProgress
from harmonic.results.outcome import Outcome, failure
from harmonic.search.loop import Search
from harmonic.search.open_trial import Replicate
from harmonic.search.reproducible_sampler import ReproducibleSampler
from harmonic.search.runners import Runner
from harmonic.search.settings import Settings
from harmonic.search.sharing import ExclusiveStudy
from harmonic.search.space import Space
from harmonic.search.spec import SearchSpec
from harmonic.search.stages import Stage, plan_stages
from studies import KEYS, LOADER, applied

SPACE = Space({}, ["m.a=interval(0.0,1.0)", "m.b=interval(0,9)"], LOADER, applied)
STEPS = 40  # of every run

Gives = Callable[[int, int, int], float | Exception]  # value by trial, seed and attempt, or what it raises


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeRunner(Runner):
    """Trains nothing, and gives what it is told to.

    Args:
        gives: the value of a run, by trial, seed and attempt.
        order: what has finished when the search looks; by default everything.
        workers: replicates at once.
        seeds: of a trial.
        seconds: that pass at each look.
    """

    gives: Gives
    order: Random | None = None
    workers: int = 1
    seeds: int = 1
    seconds: float = 0
    clock: Clock = field(default_factory=Clock)
    events: list[tuple[Any, ...]] = field(default_factory=list)
    flushed: set[tuple[int, int]] = field(default_factory=set)
    running_now: list[tuple[Replicate, int | None]] = field(default_factory=list)
    _written: set[tuple[int, int]] = field(default_factory=set)

    @property
    def capacity(self) -> int:
        return self.workers - len(self.running_now)

    @property
    def pending(self) -> int:
        return len(self.running_now)

    @property
    def running(self) -> int:
        return len(self.running_now)

    def replicates(self, number: int, overrides: Sequence[str]) -> list[Replicate]:
        self.events.append(("ask", number, self.clock.now))
        return [Replicate(list(overrides), number * self.seeds + seed) for seed in range(self.seeds)]

    def submit(self, replicate: Replicate, until: int | None) -> None:
        assert self.capacity > 0, "there is no room"
        self.events.append(("submit", *divmod(replicate.job, self.seeds), until))
        self.running_now.append((replicate, until))

    def collect(self) -> Sequence[tuple[Replicate, Outcome]]:
        self.clock.now += self.seconds
        done = list(self.running_now)
        if self.order is not None:
            self.order.shuffle(done)
            done = done[: self.order.randint(0, len(done))]
        self.running_now = [one for one in self.running_now if one not in done]
        return [(replicate, self._outcome(replicate, until)) for replicate, until in done]

    def _outcome(self, replicate: Replicate, until: int | None) -> Outcome:
        number, seed = divmod(replicate.job, self.seeds)
        value = self.gives(number, seed, replicate.retries)
        if isinstance(value, Exception):
            return failure(value)
        step = STEPS if until is None else until
        status = "diverged" if value == float("inf") else "complete" if until is None else "paused"
        return Outcome({"status": status, "value": value + step, "steps": step}, {})

    def write(self, replicate: Replicate) -> None:
        key = divmod(replicate.job, self.seeds)
        if key not in self._written:
            self.events.append(("write", *key, replicate.status))
        self._written.add(key)

    def flush(self) -> None:
        self.flushed |= self._written

    def __enter__(self) -> FakeRunner:
        return self

    def __exit__(self, *_: object) -> None:
        self.running_now = []


class Progress:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.statuses, self.notes = list[str](), list[str]()

    def kept(self, _count: int) -> None: ...

    def running(self, _count: int) -> None: ...

    def finished(self, status: str, note: str) -> None:
        self.statuses.append(status)
        self.notes.append(note)


class Spec(SearchSpec):
    """A search whose trials have no config: all take STEPS steps."""

    def stages(self, replicates: Sequence[Replicate]) -> list[Stage]:
        rung = self.settings.rungs if self.prunes_steps else None
        return plan_stages(STEPS, rung, len(replicates), self.prunes_seeds)


def spec(**keys: Any) -> Spec:
    """A search with these keys of the sweeper."""
    return Spec(Settings.parse({**KEYS, **keys}), SPACE, ["value"], [{}])


class Decided(BasePruner):
    """Prunes as a test says, by trial and step."""

    def __init__(self, prunes: Callable[[int, int], bool]) -> None:
        self.prunes = prunes

    def prune(self, study: Study, trial: FrozenTrial) -> bool:  # noqa: ARG002
        return self.prunes(trial.number, trial.last_step or 0)


class Records(BaseJournalBackend):
    """A journal in memory. Optuna's own storage in memory does not find trials that wait once more."""

    def __init__(self) -> None:
        self._records = list[dict[str, Any]]()

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self._records += logs

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        yield from self._records[log_number_from:]


def new_study(pruner: BasePruner | None = None, direction: Literal["minimize", "maximize"] = "minimize") -> Study:
    """A study, whose draws follow from the trials' numbers."""
    sampler = ReproducibleSampler(lambda seed: RandomSampler(seed=seed), 0)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        storage = JournalStorage(Records())
    return optuna.create_study(storage=storage, sampler=sampler, pruner=pruner, study_name="s", direction=direction)


@dataclass
class Searched:
    """A search that has come to its end: what it was made of and what it did."""

    search: Search
    study: Study
    runner: FakeRunner
    progress: Progress
    told: Sequence[tuple[int, set[tuple[int, int]]]]  # trials in the order of their tells, with the rows on disk

    @property
    def asked(self) -> list[int]:
        return [event[1] for event in self.runner.events if event[0] == "ask"]

    @property
    def submitted(self) -> list[tuple[int, int, int | None]]:
        return [event[1:] for event in self.runner.events if event[0] == "submit"]

    @property
    def written(self) -> Mapping[tuple[int, int], str]:
        return {event[1:3]: event[3] for event in self.runner.events if event[0] == "write"}


def searched(
    runner: FakeRunner,
    study: Study | None = None,
    steps: int | None = None,
    to_retrain: Iterable[FrozenTrial] = (),
    **keys: Any,
) -> Searched:
    """Search in a study to the end, or for so many steps of the loop, as of a sweep that dies."""
    study, progress, told = study or new_study(), Progress(), list[tuple[int, set[tuple[int, int]]]]()
    tell = Study.tell

    def recorded(trial: Any, *values: Any, **how: Any) -> FrozenTrial:
        told.append((trial.number, set(runner.flushed)))
        runner.events.append(("tell", trial.number))
        return tell(study, trial, *values, **how)

    study.tell = recorded  # type: ignore[method-assign]
    wanted = spec(**keys)
    with ExclusiveStudy(study, wanted.settings.n_trials) as access, runner:
        search = Search(wanted, access, runner, cast(SweepProgress, progress), to_retrain, runner.clock)
        done = Searched(search, study, runner, progress, told)
        if steps is None:
            search.run()
        else:
            for _ in range(steps):
                if not search.step():
                    break
    return done
