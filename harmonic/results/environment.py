"""Which machine and which versions trained a table: one small file beside its parts, for the report.

The file is named after its content, so that many writers may write it and nothing is written twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

from harmonic import __version__
from harmonic.results.files import write_atomically

PACKAGES = ("torch", "numba", "numpy", "optuna", "hydra-core")


@cache
def current() -> Mapping[str, str]:
    """This machine and what is installed here; nothing that names its owner."""
    versions = {name: version(name) for name in PACKAGES}
    cores = f"{os.cpu_count()} cores"
    return {
        "machine": f"{_processor()}, {cores}",
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "harmonic": __version__,
        **versions,
    }


def write(table: Path, environment: Mapping[str, str]) -> None:
    """Note an environment, as `current` gives it where runs are trained, beside a table's parts."""
    text = json.dumps(dict(environment), indent=1)
    path = table / f"environment-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
    if not path.exists():
        table.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())


def read(table: Path) -> list[dict[str, str]]:
    """The environments that have written to a table; damaged notes are left out."""
    found = []
    for path in sorted(table.glob("environment-*.json")):
        try:
            content = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        if isinstance(content, dict):
            found.append({str(key): str(value) for key, value in content.items()})
    return found


def _processor() -> str:
    """The name of the processor, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
