"""A run, from overrides to a row of the table: read this file first.

    overrides -> config -> trainer -> training, step by step -> errors by region -> row -> figures

The command (`cli/`) has Hydra compose a config from the overrides and checks it (`config/`). `data/` draws the sample
and knows its regions, `training/` trains, `results/` writes the row and reads it back, `figures/` draws. A grid
(`execution/`) and a search (`search/`) tell it many times side by side: they have `train_one` called wherever their
workers are, and write what it gives.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from harmonic.config.job_settings import UNCHANGED, RunContext
from harmonic.config.schema import Config
from harmonic.errors import ConfigError, RunFailed
from harmonic.results import environment, record, tables
from harmonic.results.outcome import Outcome, failure
from harmonic.results.record import Place
from harmonic.training.trainer import Callback, build, built_apart, no_callback, train

log = logging.getLogger(__name__)


def execute(config: Config, place: Place, callback: Callback = no_callback) -> Mapping[str, Any]:
    """Train the run of a config, write all that it leaves into its place, and draw its figures; its row.

    A run of a sweep that is there already, and of the same config, is not trained again.

    Raises:
        ConfigError: something cannot be built as configured, another run lies in this place, or it is a link.
        RunFailed: training raised an exception. The row is written, with status `failed`.
    """
    if (row := record.find(config, place, record.rows_of(place))) is not None:
        return {**row, "dir": str(place.folder)}
    place.check_links()
    outcome = train_one(config, callback)
    if outcome.trace is not None:
        log.info(outcome.trace)  # for the file; the terminal gets one line
    # nobody holds a lock on the folder of a single run: another may have been given it too
    if (row := record.find(config, place, record.rows_of(place))) is not None:
        return {**row, "dir": str(place.folder)}
    entry = record.record(config, place, outcome)
    record.write_model(config, place, outcome, entry.row["run"])
    environment.write(place.table, environment.current())
    tables.write_runs(place.table, place.stem + entry.row["run"], [entry])
    if outcome.trace is not None:
        raise RunFailed(f"the run failed with {outcome.columns['error']}; its row is in '{place.table}'")
    if config.figures:
        from harmonic.figures.files import draw  # matplotlib and pandas: training does not wait for them

        draw(config, place.folder)
    return {**entry.row, "dir": str(place.folder)}


def train_one(
    config: Config,
    callback: Callback = no_callback,
    resume_from: Outcome | None = None,
    until: int | None = None,
    context: RunContext = UNCHANGED,
) -> Outcome:
    """Train one run, to its end or until a step: plain values in and out, in any thread, process or machine.

    Args:
        callback: called with the losses as they come.
        resume_from: what an earlier call gave, to go on with.
        until: the step at which to pause; None: the last.
        context: what to set meanwhile.

    Returns:
        What training gave. An exception in it is an outcome too, `failed`.

    Raises:
        ConfigError: something cannot be built as configured.
    """
    earlier = resume_from.records if resume_from else ()
    with built_apart(bool(context.env)), context() as records:
        trainer = build(config)
        started = resume_from.columns["started"] if resume_from else datetime.now(UTC)
        identity = {"engine": trainer.engine.name, "started": started}
        try:
            result = train(trainer, callback, resume_from.result if resume_from else None, until)
            outcome = Outcome.of(result, identity, environment.current())
        except ConfigError:
            raise
        except Exception as error:
            outcome = replace(failure(error, identity), environment=environment.current())
    return replace(outcome, records=[*earlier, *records])
