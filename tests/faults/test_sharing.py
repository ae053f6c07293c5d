"""Several sweepers at one study in a real PostgreSQL: together they run `n_trials`, each once, whoever dies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import TrialState
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

import postgresql
from harmonic import load_runs
from harmonic._compat.optuna import QMCSamplerByNumber
from harmonic.execution.sweep_lock import SweepLock
from harmonic.search.reproducible_sampler import ReproducibleSampler
from harmonic.search.storage import SILENT_BEATS, open_storage
from harmonic.search.storage_url import public
from harmonic.search.trial_attributes import attributes_of, count_finished, lost_trials
from process import Command

SEARCH = ("-cn", "width_lr", "training.steps=200", "data.points=40", "hydra.launcher.executor.workers=1",
          "hydra.sweeper.heartbeat=1", "hydra.sweeper.study_name=shared")  # fmt: skip
WITHIN_S = 6  # in which SIGTERM must end a sweep: five, and one for a loaded machine


@pytest.fixture
def server() -> Iterator[postgresql.Server]:
    if postgresql.programs() is None:
        assert "CI" not in os.environ, "CI installs PostgreSQL"
        pytest.skip("PostgreSQL is not installed (Debian: apt install postgresql)")
    with postgresql.server() as running:
        yield running


def start(server: postgresql.Server, folder: Path, *arguments: str) -> Command:
    folder.mkdir(exist_ok=True)
    return Command(*SEARCH, f"hydra.sweeper.storage={server.url}", *arguments, cwd=folder)


@contextmanager
def study(server: postgresql.Server) -> Iterator[Study]:
    storage = RDBStorage(server.url)
    try:
        yield optuna.load_study(study_name="shared", storage=storage)
    finally:
        storage.engine.dispose()


def made(folder: Path) -> int:
    """The number of runs that are made."""
    return len(list(folder.glob("**/model.safetensors")))


def agrees(server: postgresql.Server, folder: Path, count: int) -> None:
    """The tables hold the study: so many trials that have ended well, each with a row for each of its seeds."""
    runs = load_runs(folder)
    with study(server) as shared:
        complete = [one for one in shared.trials if one.state is TrialState.COMPLETE]
        assert len(complete) == count_finished(shared) == count
        again = [number for one in shared.trials for number in one.system_attrs.get("retry_history", [])]
        assert set(again) <= {one.number for one in lost_trials(shared)}
    assert not runs.duplicated(["trial", "seed"]).any()
    assert set(runs["trial"]) == {one.number for one in complete}, "lost trials have no rows"
    for one in complete:
        rows = runs[runs["trial"] == one.number]
        assert set(rows["run"]) == set(attributes_of(one)["runs"])
        assert one.value == pytest.approx(rows["valid_rmse"].mean(), rel=1e-12)


def test_four_sweepers_one_of_them_killed(server: postgresql.Server, tmp_path: Path) -> None:
    """Two in one folder, two in folders of their own, as on other machines; the database is new to all four."""
    seeds = ("hydra.sweeper.n_trials=40", "hydra.sweeper.seeds=[0,1]")
    sweepers = [start(server, tmp_path / name, *seeds) for name in ("here", "here", "there", "elsewhere")]
    sweepers[0].until(lambda: made(tmp_path) >= 8)
    sweepers[0].kill()
    ends = [(one.communicate(), one.returncode) for one in sweepers]
    assert [(err, code) for (_, err), code in ends] == [("", -9), ("", 0), ("", 0), ("", 0)]
    agrees(server, tmp_path, 40)
    values = {out.split("valid_rmse")[-1] for (out, _), _ in ends[1:]}
    assert len(values) == 1, "each tells the study's best"


def gone(server: postgresql.Server) -> str:
    return (
        f"harmonic: the storage of the study must stay up; the connection to {server.url} is lost: "
        "what is finished is kept, and the same command goes on\n"
    )


def fall_asleep(server: postgresql.Server, sweeper: Command) -> None:
    """Have a sweeper stand still while it has a trial, wherever it is in that."""
    engine = create_engine(server.url)
    while True:
        sweeper.send_signal(signal.SIGSTOP)
        with engine.connect() as connection:
            if connection.execute(text("SELECT count(*) FROM trials WHERE state = 'RUNNING'")).scalar_one():
                break
        sweeper.send_signal(signal.SIGCONT)
        time.sleep(0.05)
    engine.dispose()


@pytest.mark.filterwarnings("ignore:left out .* their trials were lost")
def test_a_sweeper_that_stood_still_gives_up_what_was_taken_over(server: postgresql.Server, tmp_path: Path) -> None:
    slow = ("hydra.sweeper.n_trials=5", "training.steps=15000", "data.points=1000")  # half a second a trial
    asleep = start(server, tmp_path / "asleep", *slow)
    asleep.until(lambda: made(tmp_path) >= 2)
    fall_asleep(server, asleep)
    awake = start(server, tmp_path / "awake", *slow)
    assert awake.communicate()[1] == ""
    assert awake.returncode == 0
    asleep.send_signal(signal.SIGCONT)
    _, err = asleep.communicate()
    assert (asleep.returncode, err) == (0, "")
    with study(server) as shared:
        assert len(lost_trials(shared)) == 1
    agrees(server, tmp_path, 5)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_sweeper_asleep_in_a_transaction_holds_up_nobody(server: postgresql.Server) -> None:
    """The server ends a transaction whose sweeper does not go on with it."""
    storage = open_storage(server.url, Path(), heartbeat=1)
    try:
        with storage._backend.engine.connect() as connection:  # type: ignore[attr-defined]
            connection.execute(text("SELECT 1"))
            time.sleep(SILENT_BEATS + 1)
            with pytest.raises(DBAPIError, match="idle-in-transaction timeout"):
                connection.execute(text("SELECT 1"))
    finally:
        storage._backend.engine.dispose()  # type: ignore[attr-defined]


def test_a_trial_that_kills_its_sweepers_is_given_up(server: postgresql.Server, tmp_path: Path) -> None:
    deadly = ("~model", "+model._target_=helpers.DeadlyAt", "+model.k=range(0,6)", "hydra.sweeper.n_trials=5",
              "hydra.sweeper.params=null", "hydra.sweeper.sampler._target_=optuna.samplers.GridSampler")  # fmt: skip
    sweepers = [start(server, tmp_path / str(number), *deadly) for number in range(3)]
    codes = sorted(one.wait() for one in sweepers)
    # others may have reached n_trials before it is tried once more
    assert codes in ([-signal.SIGKILL, -signal.SIGKILL, 0], [-signal.SIGKILL, 0, 0])
    agrees(server, tmp_path, 5)
    assert sorted(load_runs(tmp_path)["model.k"]) == [0, 1, 2, 4, 5]


def test_a_database_that_does_not_answer_holds_up_no_end(server: postgresql.Server, tmp_path: Path) -> None:
    sweep = start(server, tmp_path / "s", "hydra.sweeper.n_trials=1000")
    sweep.until(lambda: made(tmp_path) >= 3)
    head = psutil.Process(int((server.folder / "postmaster.pid").read_text().split()[0]))
    family = [head, *head.children(recursive=True)]
    try:
        for one in family:
            one.suspend()
        time.sleep(1)
        sweep.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        _, err = sweep.communicate()
        assert time.monotonic() - asked < WITHIN_S
    finally:
        for one in family:
            one.resume()
    assert sweep.returncode == 128 + signal.SIGTERM
    assert "harmonic: interrupted" in err
    assert "Traceback" not in err
    assert len(load_runs(tmp_path)) >= 3


def test_without_its_database_a_sweep_ends_in_a_line(server: postgresql.Server, tmp_path: Path) -> None:
    sweep = start(server, tmp_path / "s", "hydra.sweeper.n_trials=1000")
    sweep.until(lambda: made(tmp_path) >= 3)
    server.stop()
    _, err = sweep.communicate()
    assert sweep.returncode == 1
    assert err == gone(server)
    assert len(load_runs(tmp_path)) >= 3


def test_a_password_is_not_shown() -> None:
    assert public("postgresql://me:secret@host/db") == "postgresql://me:***@host/db"
    assert public("postgresql://me:secret@host:port/db") == "postgresql:***@host:port/db"
    assert public("postgresql:/me:secret@host/db") == "postgresql:***@host/db"
    assert public("no url") == "no url"


def test_a_seat_is_one_of_a_kind(tmp_path: Path) -> None:
    """Whatever the machines and folders are called; and the same when it is taken again."""
    owners = []
    for name in ("here", "there", "here"):
        with SweepLock(tmp_path / name, shared=True) as first, SweepLock(tmp_path / name, shared=True) as second:
            owners += [first.owner, second.owner]
    assert owners[:2] == owners[4:]
    assert len(set(owners)) == 4


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_lost_count_draws_no_point_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Optuna counts quasi-random points in the study: of two sweepers that do it at once one is not counted."""
    monkeypatch.setattr("optuna.storages.InMemoryStorage.set_study_system_attr", lambda *_: None)
    study = optuna.create_study(sampler=ReproducibleSampler(lambda seed: QMCSamplerByNumber(seed=seed), 0))
    space: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 1)}
    study.tell(study.ask(space), 0.0)  # from which the sampler knows the space
    assert len({study.ask(space).params["x"] for _ in range(16)}) == 16
