"""Segments of runs on an executor: submitted, collected as they finish, none lost when a worker dies.

A segment is one call of `run.train_one`: a whole run, or a segment of one. An executor whose workers have
died is built anew. What they held is tried once more, each by itself: so the segment that kills is found,
and costs the others nothing but time.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from harmonic import run
from harmonic.config.job_settings import UNCHANGED, RunContext
from harmonic.config.schema import Config
from harmonic.execution import executors, signals
from harmonic.execution.executors import Stopped, WorkerDied, WorkersLost
from harmonic.results.outcome import Outcome, failure
from harmonic.training.trainer import Callback, no_callback

BREAKAGES = 2  # segments in whose company a worker died this often have failed
AHEAD = 2  # segments that lie ready, for a short one may end before the next is made
POLL_S = 0.1  # longest wait before the caller hears that nothing has finished

Key = TypeVar("Key")


def train_one(
    config: Config, callback: Callback, resume_from: Outcome | None, until: int | None, context: RunContext
) -> Outcome:
    """`run.train_one`, wherever the executor has it run."""
    executors.begin_segment()
    return run.train_one(config, callback, resume_from, until, context)


@dataclass
class _Segment(Generic[Key]):
    key: Key
    config: Config
    resume_from: Outcome | None
    until: int | None
    context: RunContext
    breakages: int = 0


class Pool(Generic[Key]):
    """The executor and what it is doing.

    Args:
        build: makes the executor; called again where its workers died.
        width: segments that it may hold; by default as many as it has workers, and two more where
            there are several, so that none of them waits for the next segment.
    """

    def __init__(self, build: Callable[[], Executor], width: int | None = None) -> None:
        self._build = build
        self._begin()
        self._in_flight: dict[Future[Outcome], _Segment[Key]] = {}
        self._quarantine = deque[_Segment[Key]]()  # to be tried once more
        self._stop = threading.Event()
        self._width = width

    def __enter__(self) -> Pool[Key]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave nothing running."""
        self._end()

    @property
    def workers(self) -> int:
        """Pieces that can be trained at once; those of a cluster come and go."""
        return executors.workers_of(self._executor)

    @property
    def pending(self) -> int:
        """Pieces put in and not yet taken out."""
        return len(self._in_flight) + len(self._quarantine)

    @property
    def capacity(self) -> int:
        """Pieces that may be put in now."""
        quarantined = any(segment.breakages for segment in self._in_flight.values())
        if self._quarantine or quarantined:
            return 0
        return (self._width or (self.workers + AHEAD if self.workers > 1 else 1)) - len(self._in_flight)

    @property
    def running(self) -> int:
        """Pieces in training at present."""
        return min(sum(not future.done() for future in self._in_flight), self.workers)

    def submit(
        self,
        key: Key,
        config: Config,
        resume_from: Outcome | None = None,
        until: int | None = None,
        context: RunContext = UNCHANGED,
    ) -> None:
        """Have a run trained, to its end or until a step; `key` comes back with its outcome."""
        self._start(_Segment(key, config, resume_from, until, context))

    def collect(self) -> Sequence[tuple[Key, Outcome]]:
        """What has finished meanwhile, waiting a moment for it; exceptions are outcomes, `failed`.

        Raises:
            KeyboardInterrupt: a signal has come.
            WorkersLost: there is nobody any more who could train; told when all that had finished is taken.
        """
        signals.check()
        if self._quarantine and not self._in_flight:
            self._start(self._quarantine.popleft())
        done, _ = wait(self._in_flight, timeout=POLL_S, return_when=FIRST_COMPLETED)
        finished = list[tuple[Key, Outcome]]()
        breakage: BrokenExecutor | None = None
        lost: WorkersLost | None = None
        for future in [future for future in self._in_flight if future in done]:  # in the order they were put in
            error = future.exception()
            if isinstance(error, BrokenExecutor):
                breakage = error
            elif isinstance(error, WorkersLost):
                lost = error
            elif isinstance(error, WorkerDied) and self._in_flight[future].breakages + 1 < BREAKAGES:
                self._quarantine.append(self._in_flight.pop(future))
                self._quarantine[-1].breakages += 1
            else:
                segment = self._in_flight.pop(future)
                finished.append((segment.key, future.result() if error is None else failure(error)))
        if lost is not None and not finished:
            raise lost
        return finished if breakage is None else finished + self._rebuild(breakage)

    def _start(self, segment: _Segment[Key]) -> None:
        try:
            call = self._executor.submit(
                train_one, segment.config, self._callback, segment.resume_from, segment.until, segment.context
            )
        except BrokenExecutor as error:  # it broke since the last look; the segment itself did not fly
            call = Future()
            call.set_exception(error)
            segment.breakages -= 1
        self._in_flight[call] = segment

    @property
    def _callback(self) -> Callback:
        """What ends training where it can be ended: in this process, and where the executor has means of its own."""
        if isinstance(self._executor, ThreadPoolExecutor):
            return self._end_if_stopped
        callback: Callback = getattr(self._executor, "listener", no_callback)
        return callback

    def _end_if_stopped(self, _step: int, _losses: NDArray[np.float64]) -> None:
        if self._stop.is_set():
            raise Stopped

    def _rebuild(self, error: BrokenExecutor) -> list[tuple[Key, Outcome]]:
        """Another executor for what the broken one held; the segments that are given up."""
        self._end()
        given_up = []
        for segment in self._in_flight.values():
            segment.breakages += 1
            if segment.breakages >= BREAKAGES:
                given_up.append((segment.key, failure(error)))
            else:
                self._quarantine.append(segment)
        self._in_flight = {}
        self._begin()
        return given_up

    def _begin(self) -> None:
        self._older = multiprocessing.active_children()
        self._executor = self._build()

    def _end(self) -> None:
        if isinstance(self._executor, ThreadPoolExecutor):
            self._stop.set()
        executors.end(self._executor, list(self._in_flight), self._older)
        self._stop.clear()
