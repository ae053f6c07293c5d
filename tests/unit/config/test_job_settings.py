"""What Hydra sets around a job is set in sweeps too: what a run leaves, hears and logs is as with Hydra's launcher."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import helpers
from harmonic import load_runs
from helpers import CommandLine, files

SMALL = ("training.steps=3", "data.points=40", "~model=null", "+model={_target_:helpers.Watched}")
ANOTHER_LOG = """
version: 1
formatters: {f: {format: "%(levelname)s %(name)s: %(message)s"}}
handlers: {h: {class: logging.FileHandler, formatter: f, filename: "${hydra.runtime.output_dir}/other.txt"}}
root: {level: INFO, handlers: [h]}
loggers: {watched: {level: DEBUG}}
disable_existing_loggers: false
"""
SETTINGS = {
    "nothing": (),
    "environment": ("+hydra.job.env_set.HARMONIC_TEST_SCALE='0.5'",),
    "environment of a job": ("+hydra.job.env_set.HARMONIC_TEST_SCALE='${hydra.job.num}'",),
    "environment in the config": (
        "+hydra.job.env_set.HARMONIC_TEST_SCALE='0.25'",
        "region.mass='${oc.decode:${oc.env:HARMONIC_TEST_SCALE}}'",
    ),
    "environment copied": ("hydra.job.env_copy=[HOME]",),
    "no config": ("hydra.output_subdir=null",),
    "config elsewhere": ("hydra.output_subdir=of/hydra",),
    "folder": ("hydra.job.chdir=true",),
    "name": ("hydra.job.name=mine",),
    "Hydra's log": ("hydra/job_logging=default",),
    "no log": ("hydra/job_logging=disabled",),
    "another log": ("-cd", "conf", "hydra/job_logging=another"),
    "verbose": ("hydra.verbose=watched",),
    "callbacks": ("+hydra.callbacks.follower={_target_: helpers.Follower}",),
    "callbacks of ends": ("+hydra.callbacks.follower={_target_: helpers.Ended}",),
    "all": (
        "+hydra.job.env_set.HARMONIC_TEST_SCALE='0.5'",
        "hydra.job.chdir=true",
        "hydra.output_subdir=elsewhere",
        "hydra/job_logging=default",
        "+hydra.callbacks.follower={_target_: helpers.Follower}",
    ),
}
IN_PROCESSES = ("environment", "folder", "another log", "callbacks of ends", "all")
PROCESSES = ("hydra/launcher/executor=processes", "hydra.launcher.executor.workers=2")
SEARCH = ("hydra/sweeper=harmonic", "hydra.sweeper.n_trials=2", "seed=choice(3,4)",
          "hydra.sweeper.sampler={_target_: optuna.samplers.GridSampler, seed: 1}")  # fmt: skip


def observed(folder: Path, calls: list[dict[str, Any]], whole_logs: bool) -> dict[str, Any]:
    """What a sweep of two jobs left in their folders, and what callbacks heard."""
    runs = load_runs(folder).sort_values("seed")
    jobs = [Path(name) for name in runs["dir"]]
    logs = [
        [line for line in shorn(path.read_text()) if whole_logs or "watched" in line]
        for job in jobs
        for path in sorted(job.glob("*.log")) + sorted(job.glob("*.txt"))
    ]
    return {
        "values": runs[["seed", "status", "valid_rmse", "region.mass"]].to_numpy().tolist(),
        "files": [files(job) for job in jobs],
        "configs": [yaml.safe_load(path.read_text()) for job in jobs for path in sorted(job.rglob("config.yaml"))],
        "logs": sorted(logs),
        "calls": sorted(calls, key=lambda call: call["config"]["seed"]),
    }


def shorn(log: str) -> list[str]:
    """The lines of a log without times and without the name of the sweep's folder."""
    plain = re.sub(r"^\[[-0-9 :,.]+\]", "", log, flags=re.MULTILINE)
    return re.sub(r"\| .*?/?([0-9]+)$", r"| \1", plain, flags=re.MULTILINE).splitlines()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_of_hydras_does_in_sweeps_what_it_does_for_hydras_launcher(
    harmonic_command: CommandLine, name: str
) -> None:
    setting = SETTINGS[name]
    logs = harmonic_command.folder / "conf/hydra/job_logging"
    logs.mkdir(parents=True)
    (logs / "another.yaml").write_text(ANOTHER_LOG)
    # where the log is harmonic's own it has the losses too
    whole = any("/job_logging" in one or "callbacks" in one or "verbose" in one for one in setting)
    sweeps = {"plain": ("seed=3,4", "hydra/launcher=basic"), "grid": ("seed=3,4",), "search": SEARCH}
    if name in IN_PROCESSES:
        sweeps["processes"] = ("seed=3,4", *PROCESSES)
    found = {}
    for kind, sweep in sweeps.items():
        helpers.CALLS.clear()
        logging.getLogger("watched").setLevel(logging.NOTSET)  # as in a process of its own
        done = harmonic_command("-m", *setting, *SMALL, *sweep, f"hydra.sweep.dir={kind}")
        assert (done.code, done.err) == (0, ""), kind
        found[kind] = observed(harmonic_command.folder / kind, [*helpers.CALLS], whole)
    for kind in list(sweeps)[1:]:
        for part, expected in found["plain"].items():
            assert found[kind][part] == expected, (kind, part)


def test_runs_that_share_what_hydra_sets_go_one_by_one_and_that_is_said(harmonic_command: CommandLine) -> None:
    def said(*setting: str) -> list[str]:
        done = harmonic_command("-m", *SMALL, "seed=0,1", *setting)
        return [line for line in done.out.splitlines() if line.startswith("one run at a time: ")]

    assert said() == said("hydra.output_subdir=null", "hydra.job.name=mine") == []
    assert "hydra.job.env_set" in said(*SETTINGS["environment"])[0]
    assert "on_job_start" in said(*SETTINGS["callbacks"])[0]


def test_a_callback_of_starts_is_refused_where_seeds_are_trained_in_turns(harmonic_command: CommandLine) -> None:
    refused = harmonic_command(
        "-m", *SMALL, "hydra/sweeper=harmonic", "region.mass=choice(0.8,0.9)", "hydra.sweeper.seeds=[0,1]",
        "hydra.sweeper.pruner={_target_: optuna.pruners.MedianPruner}", "hydra.sweeper.rungs=1", *SETTINGS["callbacks"],
    )  # fmt: skip
    assert refused.code == 2
    assert "one run at a time must be trained (hydra.callbacks have on_job_start" in refused.err
    assert not list(harmonic_command.folder.iterdir())


def test_a_run_from_a_fresh_seed_has_its_log_in_its_own_folder(harmonic_command: CommandLine) -> None:
    search = ("hydra/sweeper=harmonic", "region.mass=choice(0.8,0.9)", "hydra.sweeper.n_trials=1")
    fresh = ("hydra.sweeper.fresh_seeds=[5,6]", "hydra.sweep.dir=sweep", "hydra/job_logging=default")
    assert harmonic_command("-m", *SMALL, *search, *fresh).code == 0
    logs = sorted(harmonic_command.folder.rglob("*.log"))
    assert [str(path.parent.relative_to(harmonic_command.folder / "sweep")) for path in logs] == [
        "0", "fresh/0/5", "fresh/0/6",
    ]  # fmt: skip
    assert all(path.read_text().count("final loss") == 1 for path in logs)


LAW = "+data={_target_: helpers.Surrounded, points: 40, scale: 3.0, noise: 0.1, seed: null}"


@pytest.mark.parametrize("name", ["environment", "environment in the config"])
def test_a_single_run_has_the_environment_that_a_sweeps_run_has(
    harmonic_command: CommandLine, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is checked before it begins, and the same law without it afterwards."""
    tiny = ("training.steps=3", "figures=false", "~data", LAW)
    for folder, arguments in (
        ("run", (*tiny, *SETTINGS[name], "hydra.run.dir=run")),
        ("without", (*tiny, "hydra.run.dir=without")),
        ("grid", ("-m", *tiny, *SETTINGS[name], "hydra.sweep.dir=grid")),
    ):
        done = harmonic_command(*arguments)
        assert (done.code, done.err) == (0, ""), folder
    run, grid, without = (load_runs(harmonic_command.folder / one).iloc[0] for one in ("run", "grid", "without"))
    for column in ("final_loss", "valid_rmse", "dense_rmse", "region.mass"):
        assert run[column] == grid[column]
    assert run["final_loss"] != without["final_loss"]
    monkeypatch.setenv("HARMONIC_TEST_SCALE", "1")
    assert harmonic_command(*tiny, "hydra.run.dir=again").code == 0
    assert load_runs(harmonic_command.folder / "again")["final_loss"].item() == without["final_loss"]
