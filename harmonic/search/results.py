"""What a search found: `optimization_results.yaml`, the Pareto front in the table, a few lines to read."""

from __future__ import annotations

import shlex
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from harmonic.config.compose import repeat
from harmonic.config.job import Job
from harmonic.errors import ConfigError
from harmonic.execution.progress import close, say, shown
from harmonic.results import tables
from harmonic.results.tables import write_atomically
from harmonic.search.study import FINISHED, OWNER, kept, lost, parameters

FILE = "optimization_results.yaml"
NAMED = 5  # trials named of those that failed alike
PRINTED = 10  # trials printed of a Pareto front


def best_trials(study: Study) -> list[FrozenTrial]:
    """The best trial, or the Pareto front of several objectives; empty where none is complete."""
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        return []
    return [study.best_trial] if len(study.directions) == 1 else study.best_trials


def write(
    study: Study, home: Path, objectives: Sequence[str], again: Callable[[FrozenTrial], str | None]
) -> list[dict[str, Any]]:
    """Write the results file and mark the front in the table; the best trials, as the file has them.

    Args:
        again: the command that repeats a trial; None: there is none.

    The file holds what Hydra's official Optuna sweeper writes there (`best_params` and `best_value`, or
    `solutions`), and with each trial its spread over seeds, its folder and the command that repeats it.
    """
    solutions = [_solution(one, home, again(one)) for one in best_trials(study)]
    results: dict[str, Any] = {"name": "optuna", "study": study.study_name, "objective": list(objectives)}
    if len(study.directions) > 1:
        results["solutions"] = solutions
        mark_front(study, home / tables.FOLDER)
    elif solutions:
        found = dict(solutions[0])
        results |= {"best_params": found.pop("params"), "best_value": found.pop("values")[0]}
        results |= {f"best_{key}": value for key, value in found.items()}
    states = [one.state.name.lower() for one in study.get_trials(deepcopy=False)]
    results["trials"] = {state: states.count(state) for state in sorted(set(states))}
    text = yaml.safe_dump(results, sort_keys=False, allow_unicode=True, width=1000)
    write_atomically(home / FILE, text.encode())
    return solutions


def named(study: Study, owner: str | None) -> dict[str, FrozenTrial]:
    """The trials of this sweep that have ended, by the id of each run of theirs.

    Args:
        owner: what tells its trials from others' in a storage that sweepers share; None: all are its own.
    """
    ended = study.get_trials(deepcopy=False, states=FINISHED)
    mine = (one for one in ended if owner is None or one.user_attrs.get(OWNER) == owner)
    return {run: one for one in mine for run in kept(one).get("runs", ())}


def rowless(study: Study, table: Path, owner: str | None) -> list[FrozenTrial]:
    """The trials of this sweep that have ended and of whose runs one at least is not in the table."""
    trials = named(study, owner)
    return list({trials[run].number: trials[run] for run in tables.absent(table, trials)}.values())


def mark_lost(study: Study, table: Path) -> None:
    """Tell the table which of its runs are of trials that were lost, if a sweep stood still with their rows written."""
    numbers = {one.number for one in lost(study)}
    if runs := [row["run"] for row in (tables.read_rows(table) if numbers else ()) if row["trial"] in numbers]:
        tables.write_lost(table, runs)


def mark_front(study: Study, table: Path) -> None:
    """Tell the table which runs are of the Pareto front."""
    front = {one.number for one in study.best_trials}
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    tables.write_front(table, {run: one.number in front for one in complete for run in kept(one).get("runs", [])})


def _solution(one: FrozenTrial, home: Path, again: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"params": parameters(one), "values": list(one.values), "trial": one.number}
    if spread := kept(one).get("spread"):
        found["spread"] = list(spread)
    if "dir" in kept(one) and (home / kept(one)["dir"]).is_dir():  # another sweeper's may lie elsewhere
        found["dir"] = str(home / kept(one)["dir"])
    if again:
        found["repeat"] = again
    return found


def command(job: Job, seeds: Sequence[int]) -> str | None:
    """The command line that trains a trial's runs once more; None, and a warning, where none can be written."""
    choices = yaml.safe_load(job.hydra_yaml)["hydra"]["runtime"]["choices"]
    try:
        overrides = repeat(job.config, choices)
    except ConfigError as error:
        warnings.warn(f"no command repeats trial {job.number}: {error}", stacklevel=2)
        return None
    if seeds:
        overrides = [text for text in overrides if not text.startswith("seed=")]
        overrides = [*(["-m"] if len(seeds) > 1 else []), *overrides, f"seed={','.join(map(str, sorted(seeds)))}"]
    return shlex.join(["harmonic", *overrides])


def tell(
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
        spreads = one.get("spread") or [None] * len(objectives)
        values = [
            f"{name} {value:.4g}" + (f" ± {spread:.2g}" if spread is not None else "")
            for name, value, spread in zip(objectives, one["values"], spreads, strict=True)
        ]
        params = " ".join(f"{key}={value}" for key, value in one["params"].items())
        say(console, f"{', '.join(values)} | trial {one['trial']}: {params}")
    if len(solutions) > PRINTED:
        say(console, f"... and {len(solutions) - PRINTED} more in {FILE}")
    if len(solutions) == 1 and solutions[0].get("repeat"):
        say(console, f"again: {solutions[0]['repeat']}")
    for cause, numbers in causes(study).items():
        named = ", ".join(map(str, numbers[:NAMED])) + (", ..." if len(numbers) > NAMED else "")
        say(console, f"{len(numbers)} {cause} (trials {named})")
    if trains:
        ended = study.get_trials(deepcopy=False, states=FINISHED)
        close(console, home, Counter(kept(one)["status"] for one in ended if "status" in kept(one)), "trials")
    else:
        say(console, f"results in {shown(home)}")


def causes(study: Study) -> dict[str, list[int]]:
    """The numbers of the trials that have no value, by cause."""
    numbers = dict[str, list[int]]()
    gone = {one.number for one in lost(study)}
    for one in study.get_trials(deepcopy=False, states=(TrialState.FAIL,)):
        if one.number in gone:
            numbers.setdefault("lost with their sweeper, and replaced by others", []).append(one.number)
            continue
        status, error = kept(one).get("status", "failed"), kept(one).get("error", "no value")
        cause = (
            "diverged" if status == "diverged" else f"{'failed' if status == 'failed' else 'without a value'}: {error}"
        )
        numbers.setdefault(cause, []).append(one.number)
    return numbers
