"""Faults at random moments, many of them: `python tests/benchmarks/faults.py [kills] [signals] [many]`.

kills    a search killed with -9 fifty times, resumed each time: study and table agree
signals  SIGINT and SIGTERM at fifty moments from the start on: no traceback, ended within 5 s, all rows kept
many     memory and time of sweeps of 100, 1000 and 10,000 runs
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil
from optuna.trial import TrialState
from rich.console import Console

import harmonic
from harmonic.search.journal import JOURNAL
from harmonic.search.study import load_study
from harmonic.search.trial_attributes import attributes_of, count_finished

SCRIPT = str(Path(sys.executable).with_name("harmonic"))
MEMORY = Path("/dev/shm")
WITHIN_S = 5  # in which a signal must end a sweep
console = Console(width=120)


def agrees(folder: Path, trials: int) -> None:
    """Study and table hold the same trials of two seeds each, and each once."""
    study, runs = load_study(folder), harmonic.load_runs(folder)
    assert [one.number for one in study.trials] == list(range(trials))
    assert {one.state for one in study.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert len(runs) == 2 * trials
    assert not runs.duplicated(["trial", "seed"]).any()
    assert {run for one in study.trials for run in attributes_of(one)["runs"]} == set(runs["run"])


def search(folder: Path, trials: int) -> list[str]:
    return [SCRIPT, "-cn", "smoke", f"hydra.sweep.dir={folder}", f"hydra.sweeper.n_trials={trials}"]


def kills(home: Path, count: int = 50, trials: int = 400) -> None:
    folder, moments = home / "killed", random.Random(0)
    for number in range(count):
        with subprocess.Popen(search(folder, trials), stdout=subprocess.DEVNULL, cwd=home) as sweep:
            while number and sweep.poll() is None and not (folder / JOURNAL).exists():
                time.sleep(0.02)
            time.sleep(moments.uniform(2, 5))
            sweep.kill()
    subprocess.run(search(folder, trials), check=True, stdout=subprocess.DEVNULL, cwd=home)
    agrees(folder, trials)
    console.print(f"{count} kills: {trials} trials, {2 * trials} runs, study and table agree")


def signals(home: Path, count: int = 50) -> None:
    folder, moments, ends, slowest = home / "ended", random.Random(1), Counter[int](), 0.0
    for number in range(count):
        wanted = (signal.SIGINT, signal.SIGTERM)[number % 2]
        command = search(folder, 10**6)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=home, text=True) as sweep:
            time.sleep(moments.uniform(0, 6))
            sweep.send_signal(wanted)
            asked = time.monotonic()
            _, text = sweep.communicate(timeout=60)
        took, code = time.monotonic() - asked, sweep.returncode
        slowest = max(slowest, took)
        ends[code] += 1
        # below zero: while the interpreter was starting, when nothing of ours ran yet
        assert code in (128 + wanted, -wanted), f"{code}\n{text}"
        assert "Traceback" not in text, text
        assert took < WITHIN_S, (took, text)
    there = count_finished(load_study(folder))
    subprocess.run(search(folder, there + 20), check=True, stdout=subprocess.DEVNULL, cwd=home)
    agrees(folder, there + 20)
    console.print(f"{count} signals: exit codes {dict(ends)}, the slowest end after {slowest:.1f} s; "
                  f"{there + 20} trials, study and table agree")  # fmt: skip


def many(home: Path) -> None:
    for count in (100, 1000, 10_000):
        folder = home / str(count)
        command = [SCRIPT, "-m", f"hydra.sweep.dir={folder}", "training.steps=20", "training.evaluate_every=20",
                   "data.points=20", "model.width=3,4,5,6,7,8,9,10,11,12", f"seed=range(0,{count // 10})"]  # fmt: skip
        began, peak = time.monotonic(), 0
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=home) as sweep:
            process = psutil.Process(sweep.pid)
            while sweep.poll() is None:
                status = Path(f"/proc/{process.pid}/status").read_text()
                peak = max(peak, *(int(kb) for kb in re.findall(r"VmHWM:\s+(\d+)", status)), 0)
                time.sleep(0.02)
        assert sweep.returncode == 0
        took = time.monotonic() - began
        assert len(harmonic.load_runs(folder)) == count
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        table = sum(path.stat().st_size for path in (folder / "table").iterdir())
        console.print(f"{count} runs: {took:.1f} s, peak {peak / 1024:.0f} MB, "
                      f"{size / count:.0f} bytes a run on disk, {table / count:.0f} of them in the table")  # fmt: skip


def main() -> None:
    parts = {part.__name__: part for part in (kills, signals, many)}
    for name in sys.argv[1:] or parts:
        with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
            parts[name](Path(folder))


if __name__ == "__main__":
    main()
