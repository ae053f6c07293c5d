"""The pool, by its laws: whatever finishes first and whatever dies, each segment comes back once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonic.config.schema import Config
from harmonic.execution import pool as pool_module
from harmonic.execution.executors import WorkerDied, WorkersLost
from harmonic.execution.pool import AHEAD, Pool
from harmonic.results.outcome import Outcome
from helpers import config

BASE = config()
SOUND, RAISES, KILLS, DIES = "sound", "raises", "kills all", "kills its worker"


def one_with(seed: int) -> Config:
    """A config that its seed tells from others."""
    return replace(BASE, seed=seed)


class FakeExecutor(Executor):
    """Keeps what it is given until it is told what became of it."""

    def __init__(self, workers: int) -> None:
        self.workers, self.calls, self.ended, self.broken = workers, dict[Future[Outcome], Config](), 0, False

    def submit(self, _fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        if self.broken:
            raise BrokenExecutor("broken")
        call = Future[Outcome]()
        call.set_running_or_notify_cancel()
        self.calls[call] = args[0]
        return call

    def shutdown(self, *_: Any, **__: Any) -> None:
        self.ended += 1

    @property
    def open(self) -> list[Future[Outcome]]:
        return [call for call in self.calls if not call.done()]

    def settle(self, call: Future[Outcome], fate: str) -> None:
        """Let a segment end as its fate has it."""
        if fate == SOUND:
            call.set_result(Outcome({"status": "complete", "seed": self.calls[call].seed}, {}))
        elif fate == RAISES:
            call.set_exception(ValueError("raised"))
        elif fate == DIES:
            call.set_exception(WorkerDied("its worker died"))
        else:
            self.broken = True
            for one in self.open:
                one.set_exception(BrokenExecutor("a worker died"))


class Executors:
    """Builds one after the other."""

    def __init__(self, workers: int) -> None:
        self._workers, self.built = workers, list[FakeExecutor]()

    def __call__(self) -> FakeExecutor:
        self.built.append(FakeExecutor(self._workers))
        return self.built[-1]

    @property
    def present(self) -> FakeExecutor:
        return self.built[-1]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "POLL_S", 0)


FATES = st.lists(st.sampled_from([SOUND, SOUND, SOUND, RAISES, KILLS, DIES]), min_size=1, max_size=14)


@given(FATES, st.integers(1, 4), st.none() | st.integers(1, 3), st.data())
def test_each_segment_comes_back_once_whatever_dies(
    fates: list[str], workers: int, width: int | None, data: st.DataObject
) -> None:
    """And what kills costs the others nothing: all that is sound comes back as it was trained."""
    executors, waiting, back = Executors(workers), list(enumerate(fates)), list[tuple[int, Outcome]]()
    rounds = 0
    with Pool[int](executors, width) as pool:
        while waiting or pool.pending:
            while waiting and pool.capacity > 0:
                key, _ = waiting.pop(0)
                pool.submit(key, one_with(key))
            rounds += 1
            assert rounds <= 6 * len(fates), "it comes to an end"
            assert 0 < pool.pending <= (width or (workers + AHEAD if workers > 1 else 1))
            assert pool.running <= workers
            if calls := executors.present.open:
                suspects = [key for key, count in Counter(one.seed for each in executors.built
                            for one in each.calls.values()).items() if count > 1]  # fmt: skip
                tried_again = [call for call in calls if executors.present.calls[call].seed in suspects]
                assert not tried_again or len(calls) == 1, "what is tried once more is tried alone"
                call = data.draw(st.sampled_from(calls))
                executors.present.settle(call, fates[executors.present.calls[call].seed])
            back += pool.collect()
    assert sorted(key for key, _ in back) == list(range(len(fates)))
    for key, outcome in back:
        assert outcome.columns["status"] == ("complete" if fates[key] == SOUND else "failed")
        assert outcome.columns.get("seed", key) == key
    assert [one.ended for one in executors.built] == [1] * len(executors.built), "each is ended, once"
    assert len(executors.built) == 1 + sum(one.broken for one in executors.built)


@given(st.integers(1, 4), st.integers(0, 3))
def test_that_nobody_can_train_is_told_when_all_that_finished_is_collected(workers: int, finished: int) -> None:
    executors = Executors(workers)
    with Pool[int](executors) as pool:
        keys = range(max(2, min(pool.capacity, 1 + finished)) if workers > 1 else 1)
        for key in keys:
            pool.submit(key, one_with(key))
        first, *others = executors.present.open
        first.set_exception(WorkersLost("nobody is there"))
        for call in others:
            executors.present.settle(call, SOUND)
        back = list(pool.collect()) if others else []
        assert sorted(key for key, _ in back) == list(keys)[1:]
        with pytest.raises(WorkersLost, match="nobody is there"):
            pool.collect()


def test_an_executor_that_broke_before_it_was_given_anything_is_built_anew() -> None:
    executors = Executors(2)
    with Pool[int](executors) as pool:
        executors.present.broken = True
        pool.submit(0, one_with(0))
        assert pool.collect() == []
        pool.collect()
        executors.present.settle(executors.present.open[0], SOUND)
        ((key, outcome),) = pool.collect()
    assert (key, outcome.columns["status"], len(executors.built)) == (0, "complete", 2)


def test_what_is_open_when_the_pool_is_left_is_cancelled() -> None:
    executors = Executors(1)

    class Waiting(FakeExecutor):
        def submit(self, _fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
            call = Future[Outcome]()
            self.calls[call] = args[0]
            return call

    executors.built.append(Waiting(1))
    with Pool[int](lambda: executors.present) as pool:
        pool.submit(0, one_with(0))
    assert all(call.cancelled() for call in executors.present.calls)
    assert len(executors.present.calls) == 1
