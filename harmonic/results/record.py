"""A run on disk: its place, its row, and whether it is there already.

What a run leaves in its folder::

    .hydra/              the config as composed, and the overrides that gave it
    harmonic.log
    model.safetensors    the trained parameters
    data.png fit.png curve.png
    table/               its rows; for the runs of a sweep, in the sweep's folder
"""

from __future__ import annotations

import dataclasses
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harmonic import __version__
from harmonic.config.schema import Config
from harmonic.errors import ConfigError, PlaceTaken
from harmonic.results import columns, files, model_file, tables
from harmonic.results.outcome import Outcome
from harmonic.training.status import Status

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
        if (shown := files.printable(self.folder)) != str(self.folder):
            raise ConfigError(f"a run's folder must have a name in UTF-8; got '{shown}'")
        if not files.within(self.folder, self.home):
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
                    f"a run is written to a folder of its sweep's own; got '{files.printable(path)}', which is a link "
                    f"to '{files.printable(os.readlink(path))}': remove it, or choose another hydra.sweep.dir"  # noqa: PTH115
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


def record(config: Config, place: Place, outcome: Outcome, run: str | None = None) -> columns.Record:
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
    return columns.Record(row, run_leaves(config), {"run": [run] * len(outcome.curve["step"]), **outcome.curve})


def run_leaves(config: Config) -> dict[str, Any]:
    """What of a config goes into the table, by dotted key: all but what it does not change."""
    flat = columns.leaves(dataclasses.asdict(config))
    flat.pop("figures")
    return flat


def write_model(config: Config, place: Place, outcome: Outcome, run: str) -> None:
    """Write the parameters of a run, and whose they are, into its folder; of one that diverged or failed are none."""
    if outcome.parameters is not None:
        model_file.save(place.folder / model_file.PARAMETERS_FILE, config.model, outcome.parameters, run)


def find(config: Config, place: Place, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The row of this run, if it need not be made again; None: it is not there, or failed.

    Args:
        rows: those that name the run's folder, as `tables.read_rows` gives them; there are several where a run was
            made again, or sweeps were copied into one folder.

    Raises:
        PlaceTaken: other runs lie in its place, and not this one.
    """
    ours, other = _said(run_leaves(config)), None
    for row in reversed(rows):
        theirs = _said(columns.config_of(row))
        difference = _difference(theirs, ours)
        if difference is None:
            return row if row["status"] != Status.FAILED else None
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
        if value is not None or (key.partition(".")[0] in ARGUMENTS and key not in columns.SEEDS)
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


def rows_of(place: Place) -> list[dict[str, Any]]:
    """The rows that name this place."""
    rows = tables.read_rows(place.table, place.stem) if place.table.is_dir() else []
    return [row for row in rows if row["dir"] == place.name]


def objective(config: Config, row: Mapping[str, Any]) -> float | list[float]:
    """The value of the config's objective in a row, or the list of them; NaN where there is none."""
    names = [config.objective] if isinstance(config.objective, str) else config.objective
    values = [float("nan") if row.get(name) is None else float(row[name]) for name in names]
    return values[0] if isinstance(config.objective, str) else values
