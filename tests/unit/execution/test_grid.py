"""A sweep on executors: the same runs whatever trains them, and nothing lost when one of them goes wrong."""

from __future__ import annotations

import io
import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
import yaml
from rich.console import Console

from harmonic import data, load_model, load_runs
from harmonic.errors import ConfigError
from harmonic.execution.progress import SweepProgress
from harmonic.search.study import load_study
from harmonic.training import models, optimizers
from harmonic.training.check import check_buildable
from helpers import CommandLine, Counted, config, files, results
from process import Command, left_running

SMALL = ("training.steps=150", "data.points=40")
GRID = ("-m", "model=shallow,deep", "model.width=3,8", "seed=range(0,2)", *SMALL)
PROCESSES = ("hydra/launcher/executor=processes", "hydra.launcher.executor.workers=2")
DASK = ("hydra/launcher/executor=dask", "hydra.launcher.executor.workers=2")
TESTS = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.mark.parametrize(
    "executor",
    [("hydra.launcher.executor.workers=1",), ("hydra.launcher.executor.workers=5",), PROCESSES],
    ids=["one thread", "five threads", "processes"],
)
def test_a_sweep_is_the_same_on_any_executor(harmonic_command: CommandLine, executor: tuple[str, ...]) -> None:
    folder = harmonic_command.folder
    assert harmonic_command(*GRID, "hydra.sweep.dir=plain", "hydra/launcher=basic").code == 0
    assert harmonic_command(*GRID, "hydra.sweep.dir=ours", *executor).code == 0
    for theirs, ours in zip(results(folder / "plain"), results(folder / "ours"), strict=True):
        pd.testing.assert_frame_equal(theirs, ours, check_exact=True)
    for name in ("0", "5"):
        pairs = [load_model(folder / sweep / name).state_dict() for sweep in ("plain", "ours")]
        assert all(bool((pairs[0][key] == pairs[1][key]).all()) for key in pairs[0])


def test_a_job_leaves_what_hydras_own_launcher_leaves(harmonic_command: CommandLine) -> None:
    """But for its log, which `launch` writes, and the sections that name the launcher and the folder."""
    folder = harmonic_command.folder
    harmonic_command(*GRID, "hydra.sweep.dir=plain", "hydra/launcher=basic")
    harmonic_command(*GRID, "hydra.sweep.dir=ours")
    for number in range(8):
        theirs, ours = folder / "plain" / str(number), folder / "ours" / str(number)
        assert files(theirs) == files(ours)
        for name in ("config.yaml", "overrides.yaml"):
            assert yaml.safe_load((theirs / ".hydra" / name).read_text()) == yaml.safe_load(
                (ours / ".hydra" / name).read_text()
            )
        hydra = [yaml.safe_load((each / ".hydra/hydra.yaml").read_text())["hydra"] for each in (theirs, ours)]
        for section in ("job", "mode", "callbacks", "job_logging", "sweeper"):
            assert hydra[0][section] == hydra[1][section], section
        assert hydra[1]["runtime"]["output_dir"] == str(ours)
        assert "final loss" in (ours / "harmonic.log").read_text()


def test_rows_and_jobs_name_each_other(harmonic_command: CommandLine) -> None:
    harmonic_command("-m", "model.width=5,3,9", "seed=4,2", *SMALL, "hydra.sweep.dir=sweep")
    runs = load_runs(harmonic_command.folder / "sweep")
    assert runs["trial"].tolist() == list(range(6))
    assert list(zip(runs["model.width"], runs["seed"], strict=True)) == [(5, 4), (5, 2), (3, 4), (3, 2), (9, 4), (9, 2)]
    assert [Path(name).name for name in runs["dir"]] == [str(number) for number in range(6)]
    assert set(runs["sweep"]) == {"sweep"}


def test_one_wrong_job_refuses_the_sweep(harmonic_command: CommandLine) -> None:
    refused = harmonic_command("-m", "model.width=3,0,5", *SMALL, "hydra.sweep.dir=sweep")
    assert refused.code == 2
    assert "model.width" in refused.err
    assert "(in job 1: model.width=0" in refused.err
    assert not list(harmonic_command.folder.rglob("*.parquet"))


FOUND_BY_BUILDING = {
    "an argument": ("+optimizer.note=a",),
    "a name": ("optimizer._target_=torch.optim.SDG",),
    "a value": ("+optimizer.weight_decay=-1",),
    "another value": ("optimizer=adam", "+optimizer.betas=[0.9,1.5]"),
    "a model's argument": ("~model", "+model={_target_: helpers.Dropping, width: -1}"),
    "a model's shape": ("~model", "+model={_target_: torch.nn.Linear, in_features: 3, out_features: 1}"),
    "a device": ("training.device=cuda:9",),
    "an engine": ("training.engine=native", "optimizer._target_=torch.optim.Rprop"),
    "a law": ("data._target_=helpers.Unwilling", "data.points=46"),
}
SWEEPS = {
    "grid": ("seed=0,1",),
    "batches": ("seed=0,1", "hydra.sweeper.max_batch_size=1"),
    "Hydra's launcher": ("seed=0,1", "hydra/launcher=basic"),
    "search": ("hydra/sweeper=harmonic", "seed=choice(0,1)"),
    "search in batches": ("hydra/sweeper=harmonic", "seed=choice(0,1)", "hydra/launcher=basic"),
}


@pytest.mark.parametrize("wrong", FOUND_BY_BUILDING.values(), ids=FOUND_BY_BUILDING.keys())
def test_what_only_building_finds_refuses_a_sweep_as_it_does_a_run(
    harmonic_command: CommandLine, wrong: tuple[str, ...]
) -> None:
    single = harmonic_command(*SMALL, *wrong)
    assert (single.code, len(single.err.splitlines())) == (2, 1)
    for name, sweep in SWEEPS.items():
        refused = harmonic_command("-m", *sweep, *SMALL, *wrong, "hydra.sweep.dir=sweep")
        assert (refused.code, len(refused.err.splitlines())) == (2, 1), name
        assert refused.err.startswith(single.err.strip()), name
        assert not list(harmonic_command.folder.iterdir()), name


def test_one_wrong_batch_refuses_the_sweep(harmonic_command: CommandLine) -> None:
    refused = harmonic_command("-m", "+optimizer.weight_decay=0,0.1,-1", *SMALL, "hydra.sweeper.max_batch_size=1")
    assert refused.code == 2
    assert "(in job 2: +optimizer.weight_decay=-1" in refused.err
    assert not list(harmonic_command.folder.iterdir())


def test_a_drawn_value_that_cannot_be_built_fails_its_trial_alone(harmonic_command: CommandLine) -> None:
    """The ends of the space are sound; what lies between is found when it is drawn."""
    done = harmonic_command(
        "-m", "~model", "+model={_target_: helpers.Even}", "+model.width=range(2,5)", *SMALL, "hydra.sweep.dir=sweep",
        "hydra/sweeper=harmonic", "hydra.sweeper.sampler._target_=optuna.samplers.GridSampler",
        "hydra.sweeper.n_trials=3", "hydra.sweeper.max_failure_rate=0.5",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    trials = load_study(harmonic_command.folder / "sweep").get_trials()
    assert {one.params["model.width"]: one.state.name for one in trials} == {2: "COMPLETE", 3: "FAIL", 4: "COMPLETE"}
    (failed,) = [one for one in trials if one.state.name == "FAIL"]
    assert "ValueError: 3 is odd" in str(failed.user_attrs)
    assert sorted(load_runs(harmonic_command.folder / "sweep")["model.width"]) == [2, 4]


def test_what_is_sound_is_built_once_to_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many runs share a section: what a sweep costs grows with its different sections."""
    built = {"models": 0, "optimizers": 0, "data": 0}

    def counting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def count(*arguments: Any) -> Any:
            built[name] += 1
            return function(*arguments)

        return count

    monkeypatch.setattr(models, "build", counting("models", models.build))
    monkeypatch.setattr(optimizers, "build", counting("optimizers", optimizers.build))
    monkeypatch.setattr(data, "sample", counting("data", data.sample))
    one = config("data.points=43", "optimizer=adam", "training.engine=torch", "model.width=11")
    check_buildable(one)
    first = dict(built)
    assert all(first.values())
    for seed in range(100):
        for steps in (7, 8):
            check_buildable(replace(one, seed=seed, training=replace(one.training, steps=steps)))
    assert built == first


def test_a_device_of_another_machine_is_that_ones_to_find() -> None:
    check_buildable(config("training.device=cuda:9"), here=False)
    with pytest.raises(ConfigError, match="weight_decay"):
        check_buildable(config("training.device=cuda:9", "+optimizer.weight_decay=-1"), here=False)
    with pytest.raises(ConfigError, match="only the CPU"):
        check_buildable(config("training.device=cuda:9", "training.engine=native"), here=False)


@pytest.mark.parametrize("size", ["0", "-2"])
def test_a_batch_has_a_job(harmonic_command: CommandLine, size: str) -> None:
    refused = harmonic_command("-m", "seed=0,1", f"hydra.sweeper.max_batch_size={size}", *SMALL)
    assert refused.code == 2
    assert f"max_batch_size must be a whole number >= 1, or null; got {size}" in refused.err


def test_a_grid_has_a_job(harmonic_command: CommandLine) -> None:
    refused = harmonic_command("-m", "seed=range(3,3)", *SMALL)
    assert refused.code == 2
    assert "a grid must have a job; got a range without values in seed=range(3,3)" in refused.err
    assert not list(harmonic_command.folder.iterdir())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("hydra.launcher.executor.workers=0", "workers must be a whole number >= 1"),
        ("hydra.launcher.executor.workers=-3", "got -3"),
        ("hydra.launcher.executor._target_=no.such.thing", "got "),
        ("hydra.launcher.executor._target_=harmonic.errors.HarmonicError", "must build a concurrent.futures.Executor"),
    ],
)
def test_an_executor_that_cannot_be_had(harmonic_command: CommandLine, override: str, message: str) -> None:
    refused = harmonic_command("-m", "seed=1,2", override, *SMALL)
    assert refused.code == 2
    assert message in refused.err
    assert len(refused.err.splitlines()) == 1
    assert not list(harmonic_command.folder.rglob("*.parquet"))


def test_an_engine_that_lacks_something_is_named(harmonic_command: CommandLine) -> None:
    done = harmonic_command("-m", "optimizer._target_=torch.optim.Rprop,torch.optim.SGD", "training.engine=native",
                            "optimizer.lr=1e-4", *SMALL)  # fmt: skip
    assert done.code != 0
    assert "lacks the optimizer torch.optim.Rprop" in done.err
    assert "Traceback" not in done.err


def test_a_model_that_cannot_be_pickled_trains_in_processes(harmonic_command: CommandLine) -> None:
    """Its config travels, and its parameters come back: the module itself never does."""
    done = harmonic_command("-m", "~model", "+model={_target_: helpers.Unpicklable}", "seed=0,1", *SMALL, *PROCESSES)
    assert (done.code, done.err) == (0, "")
    assert load_runs(harmonic_command.folder)["status"].tolist() == ["complete"] * 2


def test_a_killed_worker_costs_its_run_alone(harmonic_command: CommandLine) -> None:
    done = harmonic_command("-m", "~model", "+model={_target_: helpers.Deadly}", "+model.deadly=false,true,false,false",
                            *SMALL, *PROCESSES)  # fmt: skip
    assert done.code == 1
    runs = load_runs(harmonic_command.folder)
    assert runs["status"].tolist() == ["complete", "failed", "complete", "complete"]
    assert "TerminatedWorkerError" in runs["error"][1]
    assert "Traceback" not in done.err


def limit_files() -> None:
    """A disk that takes no file larger than 24 kB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (24_000, 24_000))


def test_a_full_disk_keeps_the_other_rows(tmp_path: Path) -> None:
    sweep = Command("-m", "model.width=3,4,2000,5", "training.steps=20", "data.points=40", "hydra.sweep.dir=sweep",
                    "hydra.launcher.executor.workers=1", cwd=tmp_path, prepare=limit_files)  # fmt: skip
    _, err = sweep.communicate()
    assert sweep.returncode == 2
    assert err.splitlines()[-1].startswith("harmonic: the output folder must take what runs write; got ")
    assert "Traceback" not in err
    assert load_runs(tmp_path / "sweep")["model.width"].tolist() == [3, 4]


@pytest.mark.parametrize(
    "arguments",
    [("optimizer=adam",), ("model=deep", "training.engine=torch", *PROCESSES)],
    ids=["threads", "processes"],
)
def test_an_interrupt_ends_a_sweep_within_a_second(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    command = ("-m", "training.steps=3,3000000", "seed=range(0,4)", "hydra.sweep.dir=sweep", *arguments)
    with Command(*command, cwd=tmp_path) as sweep:
        sweep.until(lambda: list(tmp_path.glob("sweep/[0-3]/model.safetensors")))
        time.sleep(1)  # the long ones have begun
        family = psutil.Process(sweep.pid).children(recursive=True)
        sweep.send_signal(signal.SIGINT)
        asked = time.monotonic()
        _, err = sweep.communicate()
        took = time.monotonic() - asked
    assert sweep.returncode == 130
    kept = len(load_runs(tmp_path / "sweep"))
    assert kept >= 1
    assert err.splitlines()[-1] == f"harmonic: interrupted: {kept} of 8 runs are in the table"
    assert "Traceback" not in err
    assert left_running(family, within_s=1) == []
    assert took < 3, "a second, and two for a loaded machine"


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_progress_without_a_terminal_is_lines() -> None:
    console = Console(file=io.StringIO(), width=200)
    progress = SweepProgress(console, every=0)
    progress.begin(5, 1)
    with progress:
        for status in ("complete", "failed", "diverged", "complete"):
            progress.finished(status)
    lines = shown(console).splitlines()
    assert lines[0] == "1 of 5 runs are in the table already"
    assert [line.split(" runs")[0] for line in lines[1:]] == ["2 of 5", "3 of 5", "4 of 5", "5 of 5", "5 of 5"]
    assert "1 diverged, 1 failed" in lines[-1]
    assert "runs/s" in lines[-1]
    assert "left" in lines[1]


def test_progress_on_a_terminal_is_a_bar() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    progress = SweepProgress(console)
    progress.begin(2, 0)
    with progress:
        progress.running(1)
        progress.finished("failed")
        progress.finished("complete")
    assert "━" in shown(console)
    assert "1 failed" in shown(console)


SOMEBODY_ELSES = {
    "threads": "_target_: concurrent.futures.ThreadPoolExecutor\nmax_workers: 3\n",
    "processes": "_target_: concurrent.futures.ProcessPoolExecutor\nmax_workers: 2\n",
    "spawned": "_target_: concurrent.futures.ProcessPoolExecutor\nmax_workers: 2\n"
    "mp_context: {_target_: multiprocessing.get_context, method: spawn}\n",
    "minimal": "_target_: helpers.Minimal\n",
}


def somebody_elses(folder: Path, name: str) -> tuple[str, ...]:
    """What makes a sweep in this folder run on an executor that is none of harmonic's."""
    group = folder / "hydra" / "launcher" / "executor"
    group.mkdir(parents=True)
    (group / "mine.yaml").write_text(SOMEBODY_ELSES[name])
    return ("-cd", str(folder), "-m", "hydra/launcher/executor=mine")


@pytest.mark.parametrize("name", SOMEBODY_ELSES)
def test_an_executor_of_somebody_elses(harmonic_command: CommandLine, name: str) -> None:
    folder = harmonic_command.folder
    mine = somebody_elses(folder, name)
    sweep = ("seed=0,1", "model=shallow,deep", "training.engine=torch", *SMALL)
    assert harmonic_command("-m", *sweep, "hydra.sweep.dir=plain").code == 0
    with Command(*mine, *sweep, "hydra.sweep.dir=mine", cwd=folder) as ours:
        _, err = ours.communicate()
    assert (ours.returncode, err) == (0, "")
    for there, here in zip(results(folder / "plain"), results(folder / "mine"), strict=True):
        pd.testing.assert_frame_equal(there, here, check_exact=True)


def test_an_interrupt_ends_processes_of_somebody_elses(tmp_path: Path) -> None:
    mine = somebody_elses(tmp_path, "processes")
    family = interrupted(tmp_path, signal.SIGINT, *mine)
    assert left_running(family, within_s=10) == []


@pytest.mark.parametrize("wrong", [(), ("model.width=-1",)], ids=["sound", "refused"])
@pytest.mark.parametrize(
    "sweep", [("seed=0,1",), ("hydra/sweeper=harmonic", "model.depth=range(1,3)", "hydra.sweeper.n_trials=2")]
)
def test_an_executor_is_built_once_and_shut_down(
    harmonic_command: CommandLine, sweep: tuple[str, ...], wrong: tuple[str, ...]
) -> None:
    Counted.said.clear()
    done = harmonic_command("-m", *sweep, *SMALL, *wrong, "hydra.launcher.executor._target_=helpers.Counted")
    assert done.code == (2 if wrong else 0)
    assert Counted.said == ["built", "shut down"]


def test_a_finished_run_is_in_the_table_soon_whatever_trains_beside_it(harmonic_command: CommandLine) -> None:
    executor = ("hydra.launcher.executor._target_=helpers.Reluctant", "hydra.launcher.executor.workers=3")
    done = harmonic_command("-m", "seed=0,1,2", *SMALL, *executor, "hydra.sweep.dir=g")
    assert (done.code, done.err) == (0, "")
    assert load_runs(harmonic_command.folder / "g")["status"].tolist() == ["complete"] * 3


@pytest.mark.parametrize(
    "arguments",
    [PROCESSES, ("processes",), ("spawned",), DASK],
    ids=["processes", "somebody's", "spawned", "dask"],
)
def test_after_kill_9_of_a_sweep_its_workers_end(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Within 5 s, busy and idle ones; twice that on a loaded machine."""
    executor = somebody_elses(tmp_path, *arguments) if len(arguments) == 1 else ("-m", *arguments)
    family = interrupted(tmp_path, signal.SIGKILL, *executor)
    assert len(family) >= 2
    assert left_running(family, within_s=10) == []


def interrupted(folder: Path, number: int, *executor: str) -> list[psutil.Process]:
    """The processes of a sweep that was sent a signal while one worker had a long run and another none."""
    command = (*executor, "training.engine=torch", "training.steps=3,3000000", "hydra.sweep.dir=sweep")
    with Command(*command, cwd=folder) as sweep:
        sweep.until(lambda: list(folder.glob("sweep/0/model.safetensors")))
        time.sleep(1)  # the long one has begun
        family = psutil.Process(sweep.pid).children(recursive=True)
        sweep.send_signal(number)
        sweep.wait()
    return family
