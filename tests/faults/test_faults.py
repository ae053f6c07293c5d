"""What goes wrong on other people's machines: nothing that is finished is lost, and the same command goes on."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import shutil
import signal
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psutil
import pytest

import helpers
from harmonic import load_curves, load_runs
from harmonic.execution import run_writer
from harmonic.results.outcome import Outcome
from helpers import CommandLine
from process import Command, left_running
from studies import agrees

SMALL = ("training.steps=60", "training.evaluate_every=20", "data.points=30", "optimizer=adam")
SEARCH = ("-m", "hydra/sweeper=harmonic", "model.width=interval(2,12)", "hydra.sweep.dir=s", *SMALL)
GRID = ("-m", "seed=range(0,6)", "hydra.sweep.dir=s")
ENDLESS = ("training.steps=3000000",)
STARTED_S = 3  # of processor time, in which a worker has begun to train
KB_A_RUN = 10  # 5 to 6 are measured
WITHIN_S = 5  # in which a signal must end whatever runs


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("arguments", [(), GRID, SEARCH], ids=["run", "grid", "search"])
def test_a_signal_ends_it_in_time_and_in_a_line(
    tmp_path: Path, arguments: tuple[str, ...], number: int, code: int
) -> None:
    """While it composes or trains; `tests/benchmarks/faults.py signals` tries fifty moments."""
    with Command(*arguments, *ENDLESS, cwd=tmp_path) as command:
        command.until(lambda: list(tmp_path.rglob("multirun.yaml")) or list(tmp_path.rglob("harmonic.log")))
        time.sleep(0.5)
        command.send_signal(number)
        asked = time.monotonic()
        _, err = command.communicate()
        took = time.monotonic() - asked
    assert command.returncode == code
    assert err.startswith("harmonic: interrupted")
    assert err.count("\n") == 1
    assert took < WITHIN_S


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("executor", ["threads", "processes", "dask"])
def test_a_signal_to_all_of_a_terminal_is_a_line(tmp_path: Path, executor: str, number: int) -> None:
    """Ctrl-C reaches the workers too: they say nothing, and none is left."""
    grid = (*GRID, *ENDLESS, f"hydra/launcher/executor={executor}", "hydra.launcher.executor.workers=2")
    with Command(*grid, cwd=tmp_path, prepare=os.setsid) as command:
        command.until(lambda: list(tmp_path.rglob("multirun.yaml")))
        leader = psutil.Process(command.pid)
        command.until(lambda: executor == "threads" or any(busy(one) for one in leader.children(recursive=True)))
        family = leader.children(recursive=True)
        time.sleep(1)
        os.killpg(command.pid, number)
        asked = time.monotonic()
        _, err = command.communicate()
        took = time.monotonic() - asked
    assert command.returncode == 128 + number
    assert err == "harmonic: interrupted: 0 of 6 runs are in the table\n"
    assert took < WITHIN_S
    assert left_running(family, within_s=2) == []


def busy(process: psutil.Process) -> bool:
    """Whether a process has worked for longer than it takes to start."""
    with suppress(psutil.NoSuchProcess):
        return sum(process.cpu_times()[:2]) > STARTED_S
    return False


def test_two_grids_in_one_folder(tmp_path: Path) -> None:
    with Command(*GRID, *ENDLESS, cwd=tmp_path) as first:
        first.until(lambda: list(tmp_path.glob("s/multirun.yaml")))
        asked = (tmp_path / "s" / "multirun.yaml").read_text()
        second = Command(*GRID, "training.steps=5", cwd=tmp_path)
        _, err = second.communicate()
    assert second.returncode == 2
    assert err.startswith("harmonic: one sweep at a time may write to '")
    assert (tmp_path / "s" / "multirun.yaml").read_text() == asked


def as_anybody() -> None:
    """Give up what root may do that others may not, such as writing where nobody may."""
    if os.geteuid() == 0:
        header, nothing = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        assert ctypes.CDLL(None, use_errno=True).capset(header, nothing) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="gives up Linux's capabilities")
@pytest.mark.parametrize("arguments", [(), GRID, SEARCH], ids=["run", "grid", "search"])
def test_a_read_only_folder_is_a_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    tmp_path.chmod(0o555)
    with Command(*arguments, *SMALL, cwd=tmp_path, prepare=as_anybody) as command:
        _, err = command.communicate()
    assert command.returncode == 2
    assert err.startswith("harmonic: the output folder must take what runs write; got '")
    assert err.endswith("(Permission denied)\n")
    assert err.count("\n") == 1


def limit_files() -> None:
    """A disk that takes no file larger than 12 kB: the journal reaches it first."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))


def test_a_search_goes_on_after_a_full_disk(tmp_path: Path) -> None:
    command = (*SEARCH, "hydra.sweeper.n_trials=30", "hydra.sweeper.seeds=[0,1]")
    full = Command(*command, cwd=tmp_path, prepare=limit_files)
    _, err = full.communicate()
    assert full.returncode == 2
    assert err.startswith("harmonic: the output folder must take what runs write; got ")
    assert err.endswith("(File too large)\n")
    assert err.count("\n") == 1
    kept = load_runs(tmp_path / "s")
    assert len(kept) >= 2
    assert Command(*command, cwd=tmp_path).wait() == 0
    agrees(tmp_path / "s", 30, 2)
    assert set(kept["run"]) <= set(load_runs(tmp_path / "s")["run"])


def made(folder: Path, least: int) -> bool:
    """Whether so many runs of a sweep are made."""
    return len(list(folder.glob("*/model.safetensors"))) >= least


def test_a_killed_grid_goes_on(tmp_path: Path) -> None:
    """A search is tried in its own room; three kills, each later than the one before."""
    command = ("-m", "seed=range(0,60)", "hydra.sweep.dir=s", *SMALL)
    for number in range(3):
        with Command(*command, cwd=tmp_path) as sweep:
            sweep.until(partial(made, tmp_path / "s", 10 * (number + 1)))
            sweep.until(lambda: list(tmp_path.glob("s/table/runs-*.parquet")))  # the first rows, half a second later
    kept = set(load_runs(tmp_path / "s")["run"])
    assert kept
    assert Command(*command, cwd=tmp_path).wait() == 0
    runs = load_runs(tmp_path / "s")
    assert runs["seed"].tolist() == list(range(60))
    assert kept <= set(runs["run"])
    assert load_curves(tmp_path / "s")["run"].nunique() == 60


def peak_kb(folder: Path, runs: int) -> int:
    """The most memory that a sweep of so many runs takes."""
    tiny = ("training.steps=2", "training.evaluate_every=2", "data.points=10", "model.width=3")
    peak = 0
    with Command("-m", f"seed=range(0,{runs})", f"hydra.sweep.dir={runs}", *tiny, cwd=folder) as sweep:
        while sweep.poll() is None:
            with suppress(OSError):  # it has just ended
                status = Path(f"/proc/{sweep.pid}/status").read_text()
                peak = max(peak, *map(int, re.findall(r"VmHWM:\s+(\d+)", status)), 0)
            time.sleep(0.01)
    assert sweep.returncode == 0
    assert len(load_runs(folder / str(runs))) == runs
    return peak


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory from /proc")
def test_memory_hardly_grows_with_the_number_of_runs(tmp_path: Path) -> None:
    """The law of 10,000 runs, which `tests/benchmarks/faults.py many` makes."""
    few, many = (peak_kb(tmp_path, runs) for runs in (200, 3200))
    assert (many - few) / 3000 < KB_A_RUN, (few, many)


class YearsAgo(datetime):
    """A clock that was set back."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return datetime.now(UTC if tz else None) - timedelta(days=1000)


def test_a_clock_set_back_changes_nothing(harmonic_command: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what a search goes on with, nor which row counts of a run that failed and was made again."""
    search = (*SEARCH, "hydra.sweeper.seeds=[0,1]")
    failing = ("-m", "~model", "+model={_target_: helpers.Failing}", "seed=0,1", "hydra.sweep.dir=t", *SMALL)
    assert harmonic_command(*search, "hydra.sweeper.n_trials=3").code == 0
    assert harmonic_command(*failing).code == 1
    monkeypatch.setattr("harmonic.run.datetime", YearsAgo)
    monkeypatch.setattr(helpers.Failing, "forward", lambda self, x: self[0](x))
    assert harmonic_command(*search, "hydra.sweeper.n_trials=6").code == 0
    agrees(harmonic_command.folder / "s", 6, 2)
    for _ in range(2):  # made again, and then found
        assert harmonic_command(*failing).code == 0
        runs = load_runs(harmonic_command.folder / "t")
        assert runs["status"].tolist() == ["complete"] * 2
        assert (runs["started"] < datetime.now(UTC) - timedelta(days=999)).all()
    assert len(list((harmonic_command.folder / "t" / "table").glob("runs-*"))) <= 4


@pytest.mark.parametrize("batch", ["null", "5"])
@pytest.mark.parametrize("gone", ["table", "."])
def test_rows_removed_during_a_grid_are_missed_and_trained_again(
    harmonic_command: CommandLine, monkeypatch: pytest.MonkeyPatch, gone: str, batch: str
) -> None:
    """Whatever else the sweep goes on to write; most of the runs are written when somebody tidies up."""
    grid = ("-m", "seed=range(0,10)", "hydra.sweep.dir=s", *SMALL, f"hydra.sweeper.max_batch_size={batch}")
    home, written = harmonic_command.folder / "s", list[Path]()
    enter = run_writer.RunWriter.write

    def enter_and_tidy_up(self: run_writer.RunWriter, run: run_writer.Run, outcome: Outcome) -> None:
        enter(self, run, outcome)
        self.flush()
        written.append(run.place.folder)
        if len(written) == 8:
            shutil.rmtree(home / gone)

    with monkeypatch.context() as patch:
        patch.setattr(run_writer.RunWriter, "write", enter_and_tidy_up)
        done = harmonic_command(*grid)
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert "must hold all 10 runs that were trained; it holds 2" in line
    named = line.partition("meanwhile: ")[2].partition(" are missing")[0].split(", ")
    assert sorted(named) == sorted(folder.name for folder in written[:8])
    assert "10 of 10" not in done.out
    assert harmonic_command(*grid).code == 0
    runs = load_runs(home)
    assert runs["seed"].tolist() == list(range(10))
    assert all((home / str(number) / "model.safetensors").is_file() for number in range(10))
