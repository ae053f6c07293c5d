"""A real Dask scheduler and its workers, each a process of its own, on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from distributed import Client

from process import PATIENCE_S

DASK = str(Path(sys.executable).with_name("dask"))
HERE = str(Path(__file__).parent)


@dataclass
class DaskCluster:
    """Two workers of one thread each, and a folder for what they say."""

    folder: Path
    environment: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return (self.folder / "address").read_text()

    @property
    def arguments(self) -> tuple[str, ...]:
        """What tells a sweep of it."""
        return ("hydra/launcher/executor=dask", f"hydra.launcher.executor.address={self.address}")

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [DASK, *arguments], stdout=log, stderr=log, env=self.environment, cwd=self.folder
            )
        self.processes.append(process)
        return process

    def worker_processes(self) -> list[psutil.Process]:
        """Those that train: the nannies' children."""
        found = []
        for nanny in self.processes[1:]:
            for child in psutil.Process(nanny.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    if "spawn_main" in " ".join(child.cmdline()):
                        found.append(child)
        return found


@contextmanager
def dask_cluster(folder: Path, workers: int = 2, **environment: str) -> Iterator[DaskCluster]:
    """A scheduler and workers that can import the tests' modules."""
    cluster = DaskCluster(folder, {**os.environ, "PYTHONPATH": HERE, **environment})
    try:
        file = folder / "scheduler.json"
        cluster.start("scheduler", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                      "--scheduler-file", str(file))  # fmt: skip
        for number in range(workers):
            cluster.start(f"worker{number}", "worker", "--scheduler-file", str(file), "--nthreads", "1",
                          "--no-dashboard", "--host", "127.0.0.1")  # fmt: skip
        began = time.monotonic()
        while not file.is_file():
            time.sleep(0.05)
            assert time.monotonic() - began < PATIENCE_S
        with Client(scheduler_file=str(file), set_as_default=False) as client:
            if workers:
                client.wait_for_workers(workers, timeout=PATIENCE_S)
            (folder / "address").write_text(client.scheduler.address)
        yield cluster
    finally:
        for process in reversed(cluster.processes):
            with suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
            process.kill()
            process.wait()
