"""The search loop by its laws, in any order in which runs may finish: nothing is trained, and time is simulated."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.study import Study
from optuna.trial import TrialState

from harmonic.errors import RunFailed
from harmonic.search.trial_attributes import ATTRIBUTES, attributes_of
from searching import STEPS, Decided, FakeRunner, new_study, searched

ORDERS = st.builds(Random, st.integers(0, 2**32))
WORKERS, SEEDS = st.integers(1, 5), st.integers(1, 3)
MEDIAN, WILCOXON = ({"_target_": f"optuna.pruners.{kind}Pruner"} for kind in ("Median", "Wilcoxon"))
ENOUGH = RuntimeError("this run has had enough")


def value(number: int, seed: int, _attempt: int = 0) -> float:
    """Some value of a run, another for each."""
    return math.sin(1 + 7 * number + 3 * seed)


def mean(number: int, seeds: Sequence[int], steps: int = STEPS) -> float:
    return math.fsum(value(number, seed) + steps for seed in seeds) / len(seeds)


def states(study: Study) -> list[TrialState]:
    assert [one.number for one in study.trials] == list(range(len(study.trials)))
    return [one.state for one in study.trials]


@given(ORDERS, WORKERS, SEEDS, st.integers(1, 12), st.one_of(st.none(), st.integers(1, 4)))
def test_every_trial_is_trained_and_told_once(
    order: Random, workers: int, seeds: int, n_trials: int, n_jobs: int | None
) -> None:
    """Under one number each; its value is the mean over its seeds, and its rows are on disk before it is told."""
    done = searched(FakeRunner(value, order, workers, seeds), n_trials=n_trials, n_jobs=n_jobs)
    assert states(done.study) == [TrialState.COMPLETE] * n_trials
    assert done.asked == list(range(n_trials))
    runs = [(number, seed) for number in range(n_trials) for seed in range(seeds)]
    assert sorted((number, seed) for number, seed, _ in done.submitted) == runs
    assert done.written == dict.fromkeys(runs, "complete")
    assert sorted(number for number, _ in done.told) == list(range(n_trials))
    for number, on_disk in done.told:
        assert {(number, seed) for seed in range(seeds)} <= on_disk
    for one in done.study.trials:
        assert one.value == pytest.approx(mean(one.number, range(seeds)), rel=1e-15)
        assert attributes_of(one)["replicates"] == seeds
    assert done.progress.statuses == ["complete"] * n_trials
    assert done.search.ended is None


@given(ORDERS, WORKERS, SEEDS, st.one_of(st.none(), st.integers(1, 4)))
def test_a_trial_is_asked_only_when_a_worker_would_idle(
    order: Random, workers: int, seeds: int, n_jobs: int | None
) -> None:
    """And where no more are in flight than may be; what is trained is of the oldest trial that has a seed to train."""
    done = searched(FakeRunner(value, order, workers, seeds), n_trials=9, n_jobs=n_jobs)
    asked, told, submitted = set[int](), set[int](), Counter[int]()
    for kind, number, *_ in done.runner.events:
        if kind == "ask":
            assert all(submitted[older] == seeds for older in asked), "an older trial has a seed to train"
            asked.add(number)
            assert len(asked - told) <= min(workers, n_jobs or workers)
        elif kind == "submit":
            submitted[number] += 1
            assert all(submitted[older] == seeds for older in asked if older < number)
        elif kind == "tell":
            told.add(number)
    assert told == set(range(9))


@given(ORDERS, WORKERS, st.integers(0, 3), st.dictionaries(st.integers(0, 5), st.integers(1, 5)))
def test_a_run_that_raises_is_tried_again_as_often_as_may_be(
    order: Random, workers: int, max_retries: int, raises: Mapping[int, int]
) -> None:
    """Its trial fails where it raises once more; the others are as they were."""

    def gives(number: int, seed: int, attempt: int) -> float | Exception:
        return ENOUGH if attempt < raises.get(number, 0) else value(number, seed)

    done = searched(FakeRunner(gives, order, workers), n_trials=6, max_retries=max_retries, max_failure_rate=1)
    attempts = Counter(number for number, _, _ in done.submitted)
    for one in done.study.trials:
        failures = raises.get(one.number, 0)
        failed = failures > max_retries
        assert attempts[one.number] == 1 + min(failures, max_retries)
        assert one.state is (TrialState.FAIL if failed else TrialState.COMPLETE)
        assert one.value == (None if failed else pytest.approx(mean(one.number, [0])))
        assert done.written[one.number, 0] == attributes_of(one)["status"] == ("failed" if failed else "complete")
        assert attributes_of(one).get("error") == ("RuntimeError: this run has had enough" if failed else None)
    assert len(done.study.trials) == 6


@given(ORDERS, WORKERS, st.sampled_from([0.0, 0.2, 0.34, 0.9, 1.0]), st.sets(st.integers(0, 9)))
def test_a_search_ends_when_more_trials_fail_than_may(
    order: Random, workers: int, rate: float, failing: set[int]
) -> None:
    """And never before, where their errors differ."""

    def gives(number: int, seed: int, _attempt: int) -> float | Exception:
        return RuntimeError(f"trial {number} has had enough") if number in failing else value(number, seed)

    runner, study = FakeRunner(gives, order, workers), new_study()
    if len(failing) <= rate * 10:
        assert len(searched(runner, study, n_trials=10, max_failure_rate=rate).told) == 10
        return
    with pytest.raises(RunFailed) as ended:
        searched(runner, study, n_trials=10, max_failure_rate=rate)
    count = int(rate * 10) + 1
    said = f"max_failure_rate lets {rate:g} of the 10 trials fail; {count} have, the last with RuntimeError: trial "
    assert said in str(ended.value)
    assert states(study).count(TrialState.FAIL) == count


@given(ORDERS, WORKERS, st.integers(0, 2))
def test_first_trials_that_fail_alike_end_the_search(order: Random, workers: int, max_retries: int) -> None:
    runner, study = FakeRunner(lambda *_: ENOUGH, order, workers), new_study()
    with pytest.raises(RunFailed, match="its first 3 trials failed alike with RuntimeError: this run has had enough"):
        searched(runner, study, n_trials=50, max_failure_rate=0.9, max_retries=max_retries)
    assert states(study).count(TrialState.FAIL) == 3
    assert len(study.trials) <= 2 + workers


@given(ORDERS, WORKERS, st.integers(0, 2))
def test_a_max_failure_rate_of_one_ends_nothing(order: Random, workers: int, max_retries: int) -> None:
    runner = FakeRunner(lambda *_: ENOUGH, order, workers)
    done = searched(runner, n_trials=7, max_failure_rate=1, max_retries=max_retries)
    assert states(done.study) == [TrialState.FAIL] * 7
    assert done.progress.statuses == ["failed"] * 7
    assert done.written == {(number, 0): "failed" for number in range(7)}


@given(
    ORDERS, WORKERS, st.lists(st.floats(0, 1), min_size=16, max_size=16), st.sampled_from(["minimize", "maximize"]),
    st.none() | st.floats(0, 20), st.none() | st.floats(0, 1), st.none() | st.integers(1, 6),
)  # fmt: skip
def test_no_trial_is_asked_once_an_end_is_reached(
    order: Random, workers: int, values: Sequence[float],
    direction: Literal["minimize", "maximize"],
    timeout: float | None, target: float | None, patience: int | None,
) -> None:  # fmt: skip
    """And all are until then; what is in flight is trained to its end."""
    runner = FakeRunner(lambda number, *_: values[number] - STEPS, order, workers, seconds=1)
    keys: dict[str, Any] = {"n_trials": 16, "direction": direction, "timeout": timeout, "patience": patience}
    done = searched(runner, new_study(direction=direction), target=target, **keys)
    sign, told = (1 if direction == "minimize" else -1), list[float]()

    def reached(now: float) -> set[str]:
        ranked = [sign * one for one in told]
        since = len(told) - (ranked.index(min(ranked)) + 1 if ranked else 0)
        return {
            *(["timeout"] if timeout is not None and now >= timeout else []),
            *(["target"] if target is not None and ranked and min(ranked) <= sign * target else []),
            *(["improvement"] if patience is not None and since >= patience else []),
        }

    for kind, number, *now in runner.events:
        if kind == "ask":
            assert not reached(now[0])
        elif kind == "tell":
            told.append(done.study.trials[number].values[0])
    assert states(done.study) == [TrialState.COMPLETE] * len(told)
    assert (done.search.ended is not None) >= (len(told) < 16)
    if done.search.ended is not None:
        assert {"timeout", "target", "improvement"}.intersection(done.search.ended.split())


@given(st.lists(st.floats(0, 1), min_size=30, max_size=30), st.integers(1, 6))
def test_patience_counts_from_the_best(values: Sequence[float], patience: int) -> None:
    done = searched(FakeRunner(lambda number, *_: values[number]), n_trials=30, patience=patience)
    assert len(done.study.trials) == min(30, done.study.best_trial.number + patience + 1)
    if len(done.study.trials) < 30:
        assert done.search.ended == f"{patience} trials have brought no improvement"


def test_the_ends_are_said() -> None:
    for key, at, why, trials in (
        ("timeout", 0, "the timeout of 0 s has passed", 0),
        ("timeout", 3, "the timeout of 3 s has passed", 3),
        ("target", 100, "the target 100 is reached", 1),
    ):
        end: dict[str, Any] = {key: at}
        done = searched(FakeRunner(value, seconds=1), n_trials=200, **end)
        assert (done.search.ended, len(done.study.trials)) == (why, trials)


@given(ORDERS, WORKERS, SEEDS, st.sets(st.tuples(st.integers(0, 7), st.sampled_from([10, 20, 30, STEPS]))))
def test_a_pruner_is_told_every_rung_and_ends_a_trial_there(
    order: Random, workers: int, seeds: int, decisions: set[tuple[int, int]]
) -> None:
    """All seeds come to a rung before one goes on from it; the mean there is what the pruner is told."""
    study = new_study(Decided(lambda number, step: (number, step) in decisions))
    done = searched(FakeRunner(value, order, workers, seeds), study, n_trials=8, pruner=MEDIAN, rungs=10)
    for one in study.trials:
        pruned_at = next((step for step in (10, 20, 30) if (one.number, step) in decisions), None)
        reached = [step for step in (10, 20, 30, STEPS) if step <= (pruned_at or STEPS)]
        assert one.state is (TrialState.COMPLETE if pruned_at is None else TrialState.PRUNED)
        assert one.intermediate_values == {
            step: pytest.approx(mean(one.number, range(seeds), step), rel=1e-15) for step in reached
        }
        ends = [STEPS if until is None else until for number, _, until in done.submitted if number == one.number]
        assert ends == sorted(ends) == sorted(reached * seeds)
        status = "complete" if pruned_at is None else "pruned"
        assert [done.written[one.number, seed] for seed in range(seeds)] == [status] * seeds
    assert len(study.trials) == 8


@given(ORDERS, WORKERS, st.integers(0, 3), st.integers(0, 2))
def test_a_seed_that_diverges_ends_its_trial_at_the_rung(order: Random, workers: int, number: int, seed: int) -> None:
    runner = FakeRunner(lambda n, s, _: math.inf if (n, s) == (number, seed) else value(n, s), order, workers, 3)
    done = searched(runner, n_trials=4, pruner=MEDIAN, rungs=10)
    diverged = done.study.trials[number]
    assert (diverged.state, attributes_of(diverged)["status"]) == (TrialState.FAIL, "diverged")
    assert {until for one, _, until in done.submitted if one == number} == {10}
    statuses = {one: status for (trial, one), status in done.written.items() if trial == number}
    assert statuses == {one: "diverged" if one == seed else "pruned" for one in range(3)}


@given(ORDERS, WORKERS, st.sets(st.tuples(st.integers(0, 5), st.integers(0, 3))))
def test_a_pruner_of_seeds_sees_one_after_the_other(
    order: Random, workers: int, decisions: set[tuple[int, int]]
) -> None:
    study = new_study(Decided(lambda number, step: (number, step) in decisions))
    runner = FakeRunner(value, order, workers, seeds=4)
    done = searched(runner, study, n_trials=6, pruner=WILCOXON, seeds=[0, 1, 2, 3])
    for one in study.trials:
        last = next((seed for seed in range(3) if (one.number, seed) in decisions), 3)
        assert one.state is (TrialState.COMPLETE if last == 3 else TrialState.PRUNED)
        assert [seed for number, seed, _ in done.submitted if number == one.number] == list(range(last + 1))
        assert one.intermediate_values == {
            seed: pytest.approx(value(one.number, seed) + STEPS, rel=1e-15) for seed in range(last + 1)
        }
    assert len(study.trials) == 6


@given(ORDERS, WORKERS, SEEDS, st.lists(st.integers(0, 20), max_size=4))
def test_a_search_that_dies_at_any_moment_goes_on_as_it_would_have_gone(
    order: Random, workers: int, seeds: int, deaths: Sequence[int]
) -> None:
    """What was running is trained once more, under its number and with its values."""
    whole = searched(FakeRunner(value, None, workers, seeds), n_trials=8).study
    study = new_study()
    for steps in deaths:
        searched(FakeRunner(value, order, workers, seeds), study, steps, n_trials=8)
    ended = {one.number for one in study.trials if one.state is TrialState.COMPLETE}
    last = searched(FakeRunner(value, order, workers, seeds), study, n_trials=8)
    assert {number for number, _ in last.told} == set(range(8)) - ended
    assert [(one.params, one.values, one.state) for one in study.trials] == [
        (one.params, one.values, one.state) for one in whole.trials
    ]


@given(ORDERS, WORKERS, st.integers(1, 4), st.sampled_from([{"n_trials": 3}, {"n_trials": 5}, {"timeout": 0},
                                                            {"target": 100}]))  # fmt: skip
def test_what_was_left_running_waits_where_no_more_is_wanted(
    order: Random, workers: int, left: int, end: Mapping[str, Any]
) -> None:
    """It is asked before new ones, under its own number."""
    study = new_study()
    searched(FakeRunner(value, order, workers), study, n_trials=5)
    for _ in range(left):
        study.ask()
    done = searched(FakeRunner(value, order, workers), study, **{"n_trials": 20, **end})
    assert not done.submitted
    assert states(study) == [TrialState.COMPLETE] * 5 + [TrialState.WAITING] * left
    searched(FakeRunner(value, order, workers), study, n_trials=6)
    assert states(study) == [TrialState.COMPLETE] * 6 + [TrialState.WAITING] * (left - 1)
    searched(FakeRunner(value, order, workers), study, n_trials=10)
    assert states(study) == [TrialState.COMPLETE] * 10


@given(ORDERS, WORKERS, st.sets(st.integers(0, 5), min_size=1))
def test_trials_whose_rows_are_lost_are_trained_again_before_others(
    order: Random, workers: int, lost: set[int]
) -> None:
    first, study = searched(FakeRunner(value, order, workers), n_trials=6).study, new_study()
    for one in first.trials:  # with rows, as a runner that writes some gives them
        one.user_attrs = {ATTRIBUTES: {**attributes_of(one), "runs": [f"run {one.number}"]}}
        study.add_trial(one)
    before = study.trials
    to_retrain = [study.trials[number] for number in sorted(lost)]
    done = searched(FakeRunner(value, order, workers), study, to_retrain=to_retrain, n_trials=7)
    assert done.asked == [*sorted(lost), 6]
    assert set(done.written) == {(number, 0) for number in (*lost, 6)}
    assert [one.values for one in study.trials[:6]] == [one.values for one in before]
