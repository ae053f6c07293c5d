"""Several sweepers at one study in a real PostgreSQL: together they run `n_trials`, each once, whoever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import TrialState

import postgresql
from harmonic import load_runs
from harmonic.search.study import finished, kept, lost, public

HARMONIC = str(Path(sys.executable).with_name("harmonic"))
SEARCH = ("-cn", "width_lr", "training.steps=200", "data.points=40", "hydra.launcher.executor.workers=1",
          "hydra.sweeper.heartbeat=1", "hydra.sweeper.study_name=shared")  # fmt: skip


@pytest.fixture
def server() -> Iterator[postgresql.Server]:
    if postgresql.programs() is None:
        assert "CI" not in os.environ, "CI installs PostgreSQL"
        pytest.skip("PostgreSQL is not installed (Debian: apt install postgresql)")
    with postgresql.server() as running:
        yield running


def start(server: postgresql.Server, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    command = [HARMONIC, *SEARCH, f"hydra.sweeper.storage={server.url}", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextmanager
def study(server: postgresql.Server) -> Iterator[Study]:
    storage = RDBStorage(server.url)
    try:
        yield optuna.load_study(study_name="shared", storage=storage)
    finally:
        storage.engine.dispose()


def wait_for(folder: Path, runs: int, *sweepers: subprocess.Popen[str]) -> None:
    while len(list(folder.glob("**/model.safetensors"))) < runs:
        time.sleep(0.05)
        assert all(one.poll() is None for one in sweepers), [one.communicate() for one in sweepers]


def agrees(server: postgresql.Server, folder: Path, count: int) -> None:
    """The tables hold the study: so many trials that have ended well, each with a row for each of its seeds."""
    runs = load_runs(folder)
    with study(server) as shared:
        complete = [one for one in shared.trials if one.state is TrialState.COMPLETE]
        assert len(complete) == finished(shared) == count
        again = [number for one in shared.trials for number in one.system_attrs.get("retry_history", [])]
        assert sorted(again) == [one.number for one in lost(shared)]
    assert not runs.duplicated(["trial", "seed"]).any()
    for one in complete:
        rows = runs[runs["trial"] == one.number]
        assert set(rows["run"]) == set(kept(one)["runs"])
        assert one.value == pytest.approx(rows["valid_rmse"].mean(), rel=1e-12)


def test_four_sweepers_one_of_them_killed(server: postgresql.Server, tmp_path: Path) -> None:
    """Two in one folder, two in folders of their own, as on other machines; the database is new to all four."""
    seeds = ("hydra.sweeper.n_trials=40", "hydra.sweeper.seeds=[0,1]")
    sweepers = [start(server, tmp_path / name, *seeds) for name in ("here", "here", "there", "elsewhere")]
    wait_for(tmp_path, 8, *sweepers)
    sweepers[0].kill()
    ends = [(one.communicate(timeout=120), one.returncode) for one in sweepers]
    assert [(err, code) for (_, err), code in ends] == [("", -9), ("", 0), ("", 0), ("", 0)]
    agrees(server, tmp_path, 40)
    values = {out.split("valid_rmse")[-1] for (out, _), _ in ends[1:]}
    assert len(values) == 1, "each tells the study's best"


def test_a_sweeper_that_stood_still_gives_up_what_was_taken_over(server: postgresql.Server, tmp_path: Path) -> None:
    asleep = start(server, tmp_path / "asleep", "hydra.sweeper.n_trials=12")
    wait_for(tmp_path, 2, asleep)
    asleep.send_signal(signal.SIGSTOP)
    awake = start(server, tmp_path / "awake", "hydra.sweeper.n_trials=12")
    assert awake.wait(timeout=120) == 0
    asleep.send_signal(signal.SIGCONT)
    _, err = asleep.communicate(timeout=60)
    assert (asleep.returncode, err) == (0, "")
    with study(server) as shared:
        assert lost(shared)
    agrees(server, tmp_path, 12)


def test_without_its_database_a_sweep_ends_in_a_line(server: postgresql.Server, tmp_path: Path) -> None:
    sweep = start(server, tmp_path / "s", "hydra.sweeper.n_trials=1000")
    wait_for(tmp_path, 3, sweep)
    server.stop()
    _, err = sweep.communicate(timeout=60)
    assert sweep.returncode == 1
    assert err == (
        f"harmonic: the storage of the study must stay up; {server.url} is gone: what is finished is kept, "
        "and the same command goes on\n"
    )
    assert len(load_runs(tmp_path)) >= 3


def test_a_password_is_not_shown() -> None:
    assert public("postgresql://me:secret@host/db") == "postgresql://me:***@host/db"
    assert public("no url") == "no url"
