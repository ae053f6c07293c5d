"""Tables of runs that nobody trained: what is made of a table needs no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from uuid import uuid4

from harmonic.config.compose import compose
from harmonic.config.schema import Config
from harmonic.results import tables
from harmonic.results.columns import Record, leaves


def record(overrides: Sequence[str] = (), status: str = "complete", **row: object) -> Record:
    """What a run leaves in a table; nothing is trained. Its errors follow from its width and seed."""
    config = _composed(tuple(overrides))
    data_seed = config.seed if config.data["seed"] is None else config.data["seed"]
    error = 0.1 + 0.01 * _width(config) + 0.001 * data_seed if status == "complete" else None
    values = dict.fromkeys(("final_loss", "valid_rmse", "dense_rmse", "sparse_rmse", "gap"), error) | {
        "run": uuid4().hex, "seed": config.seed, "status": status, "engine": "native", "steps": 2, "train_s": 0.1,
        "started": datetime(2026, 1, 1, tzinfo=UTC), "version": "0.0.0",
        "error": None if status == "complete" else "the loss before step 3 is not finite",
    } | row  # fmt: skip
    curve = {"run": [values["run"]] * 3, "step": range(3), "loss": [9.0, 4.0, 2.0 + (error or 0.0)]}
    curve |= {name: [None] * 3 for name in ("dense_rmse", "sparse_rmse")}
    return Record(values, leaves(asdict(config)), curve)


@cache
def _composed(overrides: tuple[str, ...]) -> Config:
    return compose(list(overrides))


def _width(config: Config) -> float:
    width = config.model.get("width", 0)
    return float(width[0] if isinstance(width, list) else width)


def sweep(home: Path, records: Sequence[Record]) -> Path:
    """A sweep's folder with these rows in its table."""
    rows = [
        replace(one, row={"sweep": home.name, "trial": number, "dir": str(number), **one.row})
        for number, one in enumerate(records)
    ]
    tables.write_runs(home / tables.FOLDER, "0", rows)
    for one in rows:
        (home / str(one.row["dir"])).mkdir(exist_ok=True)
    return home
