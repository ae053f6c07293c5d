"""A sweep on a real Dask cluster is the sweep on threads, and loses nothing when a part of the cluster dies."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dask_cluster import DaskCluster, dask_cluster
from harmonic import load_runs
from harmonic.execution import _dask_workers
from harmonic.execution import dask as dask_executor
from harmonic.execution._dask_pauses import Pauses
from harmonic.execution.executors import WorkersLost
from helpers import CommandLine, results
from process import PATIENCE_S, Command

SMALL = ("training.steps=150", "training.evaluate_every=50", "data.points=40")
LONG = ("-m", "training.steps=3000", "optimizer=adam", "seed=range(0,6)", "hydra.sweep.dir=s")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """One that gives up a task with the first worker that dies of it: what is tried again, the pool tries."""
    with dask_cluster(tmp_path_factory.mktemp("dask"), DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as started:
        yield started


def begun(folder: Path, *arguments: str) -> Command:
    """A sweep in `s` whose first run is made."""
    sweep = Command(*arguments, cwd=folder)
    sweep.until(lambda: list(folder.glob("s/*/model.safetensors")))
    return sweep


@pytest.mark.parametrize(
    "sweep",
    [
        ("model=shallow,deep", "seed=range(0,2)"),
        ("~model", "+model={_target_: helpers.Dropping}", "seed=range(0,2)"),
        # a pruner that looks at every rung and never cuts: segments of runs travel, with their state
        ("hydra/sweeper=harmonic", "model.width=range(3,7)", "hydra.sweeper.n_trials=4", "hydra.sweeper.seeds=[0,1]",
         "hydra.sweeper.sampler._target_=optuna.samplers.GridSampler",
         "hydra.sweeper.pruner._target_=optuna.pruners.MedianPruner", "+hydra.sweeper.pruner.n_startup_trials=99"),
    ],
    ids=["native", "torch", "segments"],
)  # fmt: skip
def test_a_sweep_is_that_on_threads(
    harmonic_command: CommandLine, cluster: DaskCluster, sweep: tuple[str, ...]
) -> None:
    for folder, executor in (("threads", ()), ("dask", cluster.arguments)):
        done = harmonic_command("-m", *sweep, *SMALL, f"hydra.sweep.dir={folder}", *executor)
        assert (done.code, done.err) == (0, "")
    tables = (results(harmonic_command.folder / name) for name in ("threads", "dask"))
    for ours, theirs in zip(*tables, strict=True):
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


def test_a_killed_worker_costs_nothing_but_time(tmp_path: Path, cluster: DaskCluster) -> None:
    sweep = begun(tmp_path, *LONG, *cluster.arguments)
    cluster.worker_processes()[0].kill()
    _, err = sweep.communicate()
    assert (sweep.returncode, err) == (0, "")
    assert load_runs(tmp_path / "s")["status"].tolist() == ["complete"] * 6


def test_a_run_that_kills_fails_alone(harmonic_command: CommandLine, cluster: DaskCluster) -> None:
    deadly = ("~model", "+model={_target_: helpers.Deadly}", "+model.deadly=false,true,false,false")
    done = harmonic_command("-m", *deadly, *SMALL, *cluster.arguments)
    assert done.code == 1
    runs = load_runs(harmonic_command.folder)
    assert runs["status"].tolist() == ["complete", "failed", "complete", "complete"]
    assert "KilledWorker" in runs["error"][1]


def test_an_interrupt_ends_training_in_the_workers(tmp_path: Path, cluster: DaskCluster) -> None:
    sweep = begun(
        tmp_path, "-m", "training.steps=3,3000000", "seed=range(0,2)", "hydra.sweep.dir=s", *cluster.arguments
    )
    time.sleep(1)  # the long ones have begun
    sweep.send_signal(signal.SIGINT)
    _, err = sweep.communicate()
    kept = len(load_runs(tmp_path / "s"))
    assert (sweep.returncode, err) == (130, f"harmonic: interrupted: {kept} of 4 runs are in the table\n")
    began = time.monotonic()
    while any(one.cpu_percent(0.5) >= 50 for one in cluster.worker_processes()):
        assert time.monotonic() - began < PATIENCE_S / 4


def test_without_its_scheduler_a_sweep_ends_and_goes_on_later(harmonic_command: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    with dask_cluster(tmp_path / "cluster", workers=1) as cluster:
        sweep = begun(tmp_path, *LONG, *cluster.arguments)
        cluster.processes[0].kill()
        _, err = sweep.communicate()
    kept = load_runs(tmp_path / "s")
    address = cluster.arguments[1].partition("=")[2]
    assert sweep.returncode == 1
    assert err == (
        f"harmonic: the Dask scheduler {address} must stay up; it is gone; {len(kept)} of 6 runs are in the table\n"
    )
    assert harmonic_command(*LONG).code == 0
    runs = load_runs(tmp_path / "s")
    assert runs["status"].tolist() == ["complete"] * 6
    assert set(kept["run"]) <= set(runs["run"])


def test_workers_of_another_version_are_refused(
    harmonic_command: CommandLine, cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time, also one that joins when the sweep has begun, and nobody else's sweep."""
    sweep = ("-m", "seed=1,2", *SMALL, *cluster.arguments)
    with monkeypatch.context() as patch:
        patch.setattr(_dask_workers, "__version__", "9.9.9")
        patch.setattr(dask_executor, "__version__", "9.9.9")
        for _ in range(2):
            refused = harmonic_command(*sweep)
            assert (refused.code, refused.err.count("\n")) == (2, 1)
            assert "must have harmonic 9.9.9; got ConfigError: harmonic 0.1.0 at tcp://" in refused.err
        patch.setattr(_dask_workers, "__version__", "0.1.0")  # as if no worker had been there at the start
        ended = harmonic_command(*sweep)
        assert (ended.code, ended.err.count("\n")) == (1, 1)
        assert "the Dask workers must have harmonic 9.9.9; got one with 0.1.0; 0 of 2 runs" in ended.err
    assert harmonic_command(*sweep).code == 0


def test_a_cluster_without_workers_is_waited_for_in_words(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    with (
        dask_cluster(tmp_path / "cluster", workers=0) as cluster,
        Command(*LONG, *cluster.arguments, cwd=tmp_path) as sweep,
    ):
        sweep.until(lambda: sweep.said[1])
        assert sweep.said[1] == f"harmonic: the Dask cluster {cluster.address} has no workers (yet): waiting\n"


def worker(status: str, trains: bool = False) -> dict[str, Any]:
    """A worker as the scheduler describes it."""
    counts = {"train_one/executing": 1} if trains else {}
    return {"status": status, "memory_limit": 2**30, "metrics": {"memory": 2**29, "task_counts": counts}}


def test_pauses() -> None:
    """Who is paused for long is named once; the sweep ends when all have been for longer and none trains."""
    pauses, names = Pauses(60), ("tcp://a", "tcp://b")
    idle, busy = worker("paused"), worker("paused", trains=True)
    pauses.see(dict.fromkeys(names, idle), 0)
    with pytest.warns(UserWarning, match=r"tcp://a \(512 of 1024 MiB\), tcp://b .* waiting for 60 s at most"):
        pauses.see(dict.fromkeys(names, idle), 6)
    pauses.see({"tcp://a": idle, "tcp://b": worker("running")}, 50)
    pauses.see({"tcp://a": idle, "tcp://b": busy}, 55)
    with pytest.warns(UserWarning, match="tcp://b"):  # it had come back
        pauses.see({"tcp://a": idle, "tcp://b": busy}, 61)
    pauses.see(dict.fromkeys(names, idle), 70)
    pauses.see(dict.fromkeys(names, idle), 129)
    pauses.see({}, 130)  # they are gone, and their successors on the way
    pauses.see(dict.fromkeys(names, idle), 131)
    with pytest.warns(UserWarning, match="tcp://a"):
        pauses.see(dict.fromkeys(names, idle), 190)
    with pytest.raises(WorkersLost, match="paused_timeout=60 s; all are paused: tcp://a"):
        pauses.see(dict.fromkeys(names, idle), 191)


def test_paused_workers_are_named_and_waited_for(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    short_of_memory = {
        f"DASK_DISTRIBUTED__WORKER__MEMORY__{name}": value
        for name, value in {"PAUSE": "0.0001", "TARGET": "False", "SPILL": "False", "TERMINATE": "False"}.items()
    }
    with dask_cluster(tmp_path / "cluster", workers=1, **short_of_memory) as cluster:
        sweep = ("-m", "seed=1,2", *SMALL, "hydra.sweep.dir=s", *cluster.arguments)
        with Command(*sweep, "hydra.launcher.executor.paused_timeout=1", cwd=tmp_path) as given_up:
            _, err = given_up.communicate()
        assert given_up.returncode == 1
        assert "within hydra.launcher.executor.paused_timeout=1 s; all are paused: tcp://127.0.0.1:" in err
        assert "0 of 2 runs are in the table" in err
        with Command(*sweep, cwd=tmp_path) as waiting:
            waiting.until(lambda: waiting.said[1])
            assert waiting.said[1].startswith("harmonic: Dask has paused tcp://127.0.0.1:")
            cluster.environment |= dict.fromkeys(short_of_memory, "False")
            cluster.start("another", "worker", "--scheduler-file", str(cluster.folder / "scheduler.json"),
                          "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1")  # fmt: skip
            waiting.communicate()
        assert waiting.returncode == 0
    assert load_runs(tmp_path / "s")["status"].tolist() == ["complete"] * 2


def test_without_an_address_workers_are_started_here(harmonic_command: CommandLine) -> None:
    done = harmonic_command(
        "-m", "seed=1,2", *SMALL, "hydra/launcher/executor=dask", "hydra.launcher.executor.workers=1"
    )
    assert (done.code, done.err) == (0, "")
    assert load_runs(harmonic_command.folder)["status"].tolist() == ["complete"] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("address=tcp://127.0.0.1:9",), "address must be that of a Dask scheduler that answers (OSError: "),
        (("address=nonsense",), "address must be that of a Dask scheduler that answers ("),
        (("address=3",), "missing port number in address '3'"),
        (("address=tcp://127.0.0.1:9", "workers=2"), "is of a cluster that has its workers"),
        (("workers=0",), "workers must be a whole number >= 1"),
        (("paused_timeout=0",), "paused_timeout must be a number of seconds > 0; got 0"),
        (("paused_timeout=soon",), "paused_timeout must be a number of seconds > 0; got 'soon'"),
        (("cluster={_target_: no.such.Cluster}",), "hydra.launcher.executor.cluster must build a Dask cluster; got "),
    ],
)
def test_bad_input(
    harmonic_command: CommandLine, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.setattr(dask_executor, "CONNECT_S", 1)
    keys = [f"hydra.launcher.executor.{one}" for one in arguments]
    refused = harmonic_command("-m", "seed=1,2", *SMALL, "hydra/launcher/executor=dask", *keys)
    assert refused.code == 2
    assert message in refused.err
    assert len(refused.err.splitlines()) == 1
    assert not list(harmonic_command.folder.rglob("*.parquet"))
