"""One run from its config to its folder: train, then write rows, parameters and figures.

What a run leaves in its folder::

    .hydra/              the config as composed, and the overrides that gave it
    harmonic.log
    model.safetensors    the trained parameters
    data.png fit.png curve.png
    table/               its rows; for the runs of a sweep, in the sweep's folder

`train_one` needs nothing but the config and gives plain values, so it may run in any thread,
process or machine; whoever asked for it writes what it gives.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import secrets
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from harmonic import __version__
from harmonic.config.job_settings import UNCHANGED, Around
from harmonic.config.schema import Config
from harmonic.errors import ConfigError, PlaceTaken, RunFailed
from harmonic.results import environment, tables
from harmonic.training import models
from harmonic.training.trainer import Listener, Result, Trial, forget, train, unheard

log = logging.getLogger(__name__)

ARGUMENTS = ("data", "model", "optimizer")  # sections that hold the arguments of a class
RESERVED = (tables.FOLDER, "multirun.yaml")  # what a sweep writes into its folder


@dataclass(frozen=True)
class Place:
    """Where a run lives. folder: its own; home: the folder of its table (itself, or its sweep's).

    Raises:
        ConfigError: the run's folder lies outside of its sweep's, or where the sweep has files of its own, or its name
            is not UTF-8.
    """

    folder: Path
    home: Path
    sweep: str | None = None
    trial: int | None = None

    def __post_init__(self) -> None:
        if (shown := tables.printable(self.folder)) != str(self.folder):
            raise ConfigError(f"a run's folder must have a name in UTF-8; got '{shown}'")
        if not tables.within(self.folder, self.home):
            raise ConfigError.broken(
                "hydra.sweep.subdir", f"a folder inside the sweep's, '{self.home}'", str(self.folder)
            )
        if any(part.startswith(".") or part in RESERVED for part in self.folder.relative_to(self.home).parts):
            rule = f"a folder no part of whose name begins with a dot or is {' or '.join(RESERVED)}"
            raise ConfigError.broken("hydra.sweep.subdir", rule, self.name)

    def check_links(self, subdir: str | None = ".hydra") -> None:
        """See that nothing in the way from the sweep's folder to what is written is a link: it may lead anywhere.

        Args:
            subdir: where the config is saved in the run's folder; None: nowhere.

        Raises:
            ConfigError: something is.
        """
        path = str(self.home)
        for name in (*self.folder.relative_to(self.home).parts, *Path(subdir or "").parts):
            path = f"{path}/{name}"
            if os.path.islink(path):  # noqa: PTH114 - pathlib takes ten times as long, at every run
                raise ConfigError(
                    f"a run is written to a folder of its sweep's own; got '{tables.printable(path)}', which is a link "
                    f"to '{tables.printable(os.readlink(path))}': remove it, or choose another hydra.sweep.dir"  # noqa: PTH115
                )

    @property
    def table(self) -> Path:
        return self.home / tables.FOLDER

    @property
    def name(self) -> str:
        """The folder as the table names it."""
        return str(self.folder.relative_to(self.home))

    @property
    def stem(self) -> str:
        """How the names of the parts begin that hold this run alone."""
        return "" if self.trial is None else f"{self.trial:06d}-"


@dataclass(frozen=True)
class Outcome:
    """What training gave. columns: of the table; curve: columns of CURVE but `run`;
    parameters: of the network as it stands; trace: the traceback of a failed run;
    result: what to go on with, where the run is but paused; records: what was logged in training;
    environment: that trained it last, None: not known."""

    columns: Mapping[str, Any]
    curve: Mapping[str, Any]
    parameters: Mapping[str, Any] | None = None
    trace: str | None = None
    result: Result | None = None
    records: Sequence[logging.LogRecord] = ()
    environment: Mapping[str, str] | None = None


def train_one(
    config: Config,
    listen: Listener = unheard,
    begun: Outcome | None = None,
    until: int | None = None,
    around: Around = UNCHANGED,
) -> Outcome:
    """Train one run, to its end or until a step. An exception in training is an outcome, `failed`.

    Args:
        listen: called with the losses as they come.
        begun: what an earlier call gave, to go on with.
        around: what to set meanwhile.

    Raises:
        ConfigError: something cannot be built as configured.
    """
    if around.env:
        forget()  # what was built in another environment
    with around() as records:
        outcome = _train(config, listen, begun, until)
    return replace(outcome, records=[*(begun.records if begun else ()), *records])


def _train(config: Config, listen: Listener, begun: Outcome | None, until: int | None) -> Outcome:
    trial = Trial(config)
    identity = {"engine": trial.engine.name, "started": begun.columns["started"] if begun else datetime.now(UTC)}
    try:
        result = train(trial, listen, begun.result if begun else None, until)
    except ConfigError:
        raise
    except Exception as error:
        return dataclasses.replace(failure(error, identity), environment=environment.current())
    parameters = None if result.status == "diverged" else result.state.parameters
    paused = result if result.status == "paused" else None
    columns = identity | _columns(result)
    return Outcome(columns, _curve(result), parameters, result=paused, environment=environment.current())


def failure(error: BaseException, identity: Mapping[str, Any] | None = None) -> Outcome:
    """The outcome of a run that raised."""
    identity = identity or {"started": datetime.now(UTC)}
    nothing: dict[str, Any] = {name: [] for name in tables.CURVE if name != "run"}
    columns = {**identity, "status": "failed", "error": reason(error)}
    return Outcome(columns, nothing, trace="".join(traceback.format_exception(error)))


def reason(error: BaseException) -> str:
    """An exception in one line, as the table has it."""
    line = " ".join(f"{type(error).__name__}: {error}".split())
    return line.encode(errors="backslashreplace").decode()


def record(config: Config, place: Place, outcome: Outcome, run: str | None = None) -> tables.Record:
    """The run as it goes into the table; run: its id, None: a new one."""
    run = run or secrets.token_hex(6)
    row = {
        "run": run,
        "sweep": place.sweep,
        "trial": place.trial,
        "seed": config.seed,
        "version": __version__,
        "machine": outcome.environment["machine"] if outcome.environment else None,
        "dir": place.name,
        **outcome.columns,
    }
    return tables.Record(row, leaves(config), {"run": [run] * len(outcome.curve["step"]), **outcome.curve})


def leaves(config: Config) -> dict[str, Any]:
    """What of a config goes into the table, by dotted key: all but what it does not change."""
    flat = tables.leaves(dataclasses.asdict(config))
    flat.pop("figures")
    return flat


def write_model(config: Config, place: Place, outcome: Outcome, run: str) -> None:
    """Write the parameters of a run, and whose they are, into its folder; of one that diverged or failed are none."""
    if outcome.parameters is not None:
        models.save(place.folder / models.PARAMETERS_FILE, config.model, outcome.parameters, run)


def finished(config: Config, place: Place, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The row of this run, if it need not be made again; None: it is not there, or failed.

    Args:
        rows: those that name the run's folder, as `tables.read_rows` gives them; there are several where a run was
            made again, or sweeps were copied into one folder.

    Raises:
        PlaceTaken: other runs lie in its place, and not this one.
    """
    ours, other = _said(leaves(config)), None
    for row in reversed(rows):
        theirs = _said(tables.config_of(row))
        difference = _difference(theirs, ours)
        if difference is None:
            return row if row["status"] != "failed" else None
        other = other or difference
    if other is not None:
        rule = f"'{place.folder}' must be free or hold the same run"
        raise PlaceTaken(f"{rule}; the one in it has {other}: choose another hydra.sweep.dir")
    return None


def _said(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The leaves of a config that say something: null does so as the argument of a class, and not as a seed."""
    return {
        key: value
        for key, value in flat.items()
        if value is not None or (key.partition(".")[0] in ARGUMENTS and key not in tables.SEEDS)
    }


def _difference(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str | None:
    """The first leaf in which two configs differ, in type as in value, and what each has; None: there is none."""
    for key in sorted(theirs.keys() | ours.keys()):
        both = key in theirs and key in ours
        if not both or not _same(theirs[key], ours[key]):
            write = repr if both and str(theirs[key]) == str(ours[key]) else str
            told = [f"{key}={write(one[key])}" if key in one else f"no {key}" for one in (theirs, ours)]
            return f"{told[0]}, this one {told[1]}"
    return None


def _same(a: object, b: object) -> bool:
    return type(a) is type(b) and (a == b or (a != a and b != b))


def execute(config: Config, place: Place, listen: Listener) -> Mapping[str, Any]:
    """Train one run and write all that it leaves; its row.

    A run of a sweep that is there already, and of the same config, is not trained again.

    Raises:
        ConfigError: something cannot be built as configured, another run lies in this place, or it is a link.
        RunFailed: training raised an exception. The row is written, with status `failed`.
    """
    if (row := finished(config, place, _earlier(place))) is not None:
        return {**row, "dir": str(place.folder)}
    place.check_links()
    outcome = train_one(config, listen)
    if outcome.trace is not None:
        log.info(outcome.trace)  # for the file; the terminal gets one line
    # nobody holds a lock on the folder of a single run: another may have been given it too
    if (row := finished(config, place, _earlier(place))) is not None:
        return {**row, "dir": str(place.folder)}
    entry = record(config, place, outcome)
    write_model(config, place, outcome, entry.row["run"])
    environment.write(place.table, environment.current())
    tables.write_runs(place.table, place.stem + entry.row["run"], [entry])
    if outcome.trace is not None:
        raise RunFailed(f"the run failed with {outcome.columns['error']}; its row is in '{place.table}'")
    if config.figures:
        draw(config, place)
    return {**entry.row, "dir": str(place.folder)}


def _earlier(place: Place) -> list[dict[str, Any]]:
    """The rows that name this place."""
    rows = tables.read_rows(place.table, place.stem) if place.table.is_dir() else []
    return [row for row in rows if row["dir"] == place.name]


def objective(config: Config, row: Mapping[str, Any]) -> float | list[float]:
    """The value of the config's objective in a row, or the list of them; NaN where there is none."""
    names = [config.objective] if isinstance(config.objective, str) else config.objective
    values = [float("nan") if row.get(name) is None else float(row[name]) for name in names]
    return values[0] if isinstance(config.objective, str) else values


def _columns(result: Result) -> dict[str, Any]:
    columns = {
        "status": result.status,
        "steps": result.state.step,
        "train_s": result.train_s,
        "error": result.error,
    }
    if (errors := result.errors) is not None:
        columns |= dataclasses.asdict(errors) | {"final_loss": errors.loss, "gap": errors.gap}
        del columns["loss"]
    return columns


def _curve(result: Result) -> dict[str, Any]:
    losses = result.curve.losses
    dense, sparse = np.full(len(losses), np.nan), np.full(len(losses), np.nan)
    for step, errors in result.curve.errors.items():
        if step < len(losses):
            dense[step], sparse[step] = errors.dense_rmse, errors.sparse_rmse
    return {"step": np.arange(len(losses)), "loss": losses, "dense_rmse": dense, "sparse_rmse": sparse}


def draw(config: Config, place: Place) -> None:
    """Write the figures of a run into its folder, from what is on disk."""
    from harmonic import figures
    from harmonic.results import load

    trial, curve = Trial(config), load.load_curves(place.folder)
    points, grid, level = figures.sample_frame(trial.sample), figures.grid_frame(trial.regions), trial.regions.level
    figures.save(figures.data(points, grid, level), place.folder / "data.png")
    figures.save(figures.curve(curve), place.folder / "curve.png")
    if (place.folder / models.PARAMETERS_FILE).is_file():
        fitted = figures.with_prediction(grid, models.load_model(place.folder, trust=True))  # it was trained here
        figures.save(figures.fit(points, fitted, level), place.folder / "fit.png")
