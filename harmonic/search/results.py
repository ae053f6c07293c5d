"""What a search found, on disk: `optimization_results.yaml`, and marks in the table for the front and lost runs."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from harmonic.config.compose import repeat as overrides_that_repeat
from harmonic.config.job import Job
from harmonic.errors import ConfigError
from harmonic.results import tables
from harmonic.results.files import write_atomically
from harmonic.search.trial_attributes import FINISHED, OWNER, attributes_of, lost_trials, parameter_values

FILE = "optimization_results.yaml"


def best_trials(study: Study) -> list[FrozenTrial]:
    """The best trial, or the Pareto front of several objectives; empty where none is complete."""
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        return []
    return [study.best_trial] if len(study.directions) == 1 else study.best_trials


def write_results(
    study: Study, home: Path, objectives: Sequence[str], repeat: Callable[[FrozenTrial], str | None]
) -> list[dict[str, Any]]:
    """Write the results file and mark the front in the table; the best trials, as the file has them.

    Args:
        repeat: gives the command that repeats a trial; None: there is none.

    The file holds what Hydra's official Optuna sweeper writes there (`best_params` and `best_value`, or
    `solutions`), and with each trial its spread over seeds, its folder and the command that repeats it.
    """
    solutions = [_solution(one, home, repeat(one)) for one in best_trials(study)]
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


def trials_by_run(study: Study, owner: str | None) -> dict[str, FrozenTrial]:
    """The trials of this sweep that have ended, by the id of each run of theirs.

    Args:
        owner: what tells its trials from others' in a storage that sweepers share; None: all are its own.
    """
    ended = study.get_trials(deepcopy=False, states=FINISHED)
    mine = (one for one in ended if owner is None or one.user_attrs.get(OWNER) == owner)
    return {run: one for one in mine for run in attributes_of(one).get("runs", ())}


def trials_without_rows(study: Study, table: Path, owner: str | None) -> list[FrozenTrial]:
    """The trials of this sweep that have ended and of whose runs one at least is not in the table."""
    trials = trials_by_run(study, owner)
    return list({trials[run].number: trials[run] for run in tables.absent(table, trials)}.values())


def mark_lost(study: Study, table: Path) -> None:
    """Mark in the table the runs of trials that were lost, if a sweep stood still with their rows written."""
    numbers = {one.number for one in lost_trials(study)}
    if runs := [row["run"] for row in (tables.read_rows(table) if numbers else ()) if row["trial"] in numbers]:
        tables.write_lost(table, runs)


def mark_front(study: Study, table: Path) -> None:
    """Mark in the table which runs are of the Pareto front."""
    front = {one.number for one in study.best_trials}
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    runs = {run: one.number in front for one in complete for run in attributes_of(one).get("runs", [])}
    tables.write_front(table, runs)


def _solution(one: FrozenTrial, home: Path, repeat: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"params": parameter_values(one), "values": list(one.values), "trial": one.number}
    attributes = attributes_of(one)
    if spread := attributes.get("spread"):
        found["spread"] = list(spread)
    if "dir" in attributes and (home / attributes["dir"]).is_dir():  # another sweeper's may lie elsewhere
        found["dir"] = str(home / attributes["dir"])
    if repeat:
        found["repeat"] = repeat
    return found


def repeat_command(job: Job, seeds: Sequence[int]) -> str | None:
    """The command line that trains a trial's runs once more; None, and a warning, where none can be written."""
    choices = yaml.safe_load(job.hydra_yaml)["hydra"]["runtime"]["choices"]
    try:
        overrides = overrides_that_repeat(job.config, choices)
    except ConfigError as error:
        warnings.warn(f"no command repeats trial {job.number}: {error}", stacklevel=2)
        return None
    if seeds:
        overrides = [text for text in overrides if not text.startswith("seed=")]
        overrides = [*(["-m"] if len(seeds) > 1 else []), *overrides, f"seed={','.join(map(str, sorted(seeds)))}"]
    return shlex.join(["harmonic", *overrides])
