"""A real PostgreSQL server on loopback, with an empty database, for as long as a test needs it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

USER = "postgres"


@dataclass(frozen=True)
class Server:
    url: str
    folder: Path

    def stop(self) -> None:
        """As an administrator does who cannot wait."""
        _run("pg_ctl", "stop", "-D", str(self.folder), "-m", "immediate", "-w")


def programs() -> Path | None:
    """The folder of the server's programs, as Debian and others install them; None: there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else Path(initdb).parent if (initdb := shutil.which("initdb")) else None


def _run(name: str, *arguments: str) -> None:
    # the server refuses to run as root; Debian's package brings a user for it
    user = USER if os.geteuid() == 0 else None
    folder = programs()
    assert folder is not None
    subprocess.run([folder / name, *arguments], check=True, user=user, stdout=subprocess.DEVNULL, cwd="/")


@contextmanager
def server(more: str = "") -> Iterator[Server]:
    """One that keeps nothing for a power cut, as that takes time and none is tested. more: options."""
    with tempfile.TemporaryDirectory(prefix="harmonic-postgresql-") as place, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        folder = Path(place) / "data"
        if os.geteuid() == 0:
            shutil.chown(place, USER)
        _run("initdb", "-D", str(folder), "-U", USER, "--auth=trust", "--no-sync")
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {place} -c fsync=off {more}"
        _run("pg_ctl", "start", "-D", str(folder), "-o", options, "-l", str(Path(place) / "log"), "-w")
        try:
            yield Server(f"postgresql://{USER}@127.0.0.1:{port}/postgres", folder)
        finally:
            if (folder / "postmaster.pid").exists():
                _run("pg_ctl", "stop", "-D", str(folder), "-m", "immediate", "-w")
