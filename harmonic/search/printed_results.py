"""What a search found, in a few lines to read: the best trials, and what failed, by cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import TrialState
from rich.console import Console

from harmonic.execution.console import print_end, say, shown_folder
from harmonic.search.results import FILE
from harmonic.search.trial_attributes import FINISHED, attributes_of, lost_trials
from harmonic.training.status import Status

NAMED = 5  # trials named of those that failed alike
PRINTED = 10  # trials printed of a Pareto front


def print_results(
    study: Study, home: Path, objectives: Sequence[str], solutions: Sequence[dict[str, Any]], trains: bool
) -> None:
    """Print what was found, and what failed, by cause.

    Args:
        trains: whether the task is harmonic's own, and leaves a table.
    """
    console = Console()
    if not solutions:
        say(console, "no trial was completed")
    if len(study.directions) > 1:
        say(console, f"Pareto front: {len(solutions)} trials ({' and '.join(objectives)})")
    for one in solutions[:PRINTED]:
        say(console, _solution_line(one, objectives))
    if len(solutions) > PRINTED:
        say(console, f"... and {len(solutions) - PRINTED} more in {FILE}")
    if len(solutions) == 1 and solutions[0].get("repeat"):
        say(console, f"again: {solutions[0]['repeat']}")
    for cause, numbers in failure_causes(study).items():
        named = ", ".join(map(str, numbers[:NAMED])) + (", ..." if len(numbers) > NAMED else "")
        say(console, f"{len(numbers)} {cause} (trials {named})")
    if trains:
        ended = study.get_trials(deepcopy=False, states=FINISHED)
        statuses = [attributes_of(one).get("status") for one in ended]
        print_end(console, home, Counter(status for status in statuses if status is not None), "trials")
    else:
        say(console, f"results in {shown_folder(home)}")


def _solution_line(solution: Mapping[str, Any], objectives: Sequence[str]) -> str:
    """A best trial: its values with their spreads, its number and its parameters."""
    spreads = solution.get("spread") or [None] * len(objectives)
    values = [
        f"{name} {value:.4g}" + (f" ± {spread:.2g}" if spread is not None else "")
        for name, value, spread in zip(objectives, solution["values"], spreads, strict=True)
    ]
    params = " ".join(f"{key}={value}" for key, value in solution["params"].items())
    return f"{', '.join(values)} | trial {solution['trial']}: {params}"


def failure_causes(study: Study) -> dict[str, list[int]]:
    """The numbers of the trials that have no value, by cause."""
    numbers = dict[str, list[int]]()
    gone = {one.number for one in lost_trials(study)}
    for one in study.get_trials(deepcopy=False, states=(TrialState.FAIL,)):
        if one.number in gone:
            numbers.setdefault("lost with their sweeper, and replaced by others", []).append(one.number)
            continue
        status, error = attributes_of(one).get("status", "failed"), attributes_of(one).get("error", "no value")
        how = "failed" if status == Status.FAILED else "without a value"
        cause = "diverged" if status == Status.DIVERGED else f"{how}: {error}"
        numbers.setdefault(cause, []).append(one.number)
    return numbers
