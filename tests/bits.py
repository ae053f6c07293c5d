"""What runs gave before the project was rearranged, bit for bit: `python tests/bits.py` writes `bits.json` anew.

Bits follow from the processor and from the compilers and libraries on it, so the file names those that made it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llvmlite.binding
import pandas as pd

from harmonic import load_runs

FILE = Path(__file__).with_name("bits.json")
SEEDS = range(4)
METRICS = ("final_loss", "valid_rmse", "dense_rmse", "sparse_rmse")
SHORT = "training.steps=300"
CONFIGS = {
    "post_sgd": ["+experiment=post_sgd"],
    "post_adam": ["+experiment=post_adam"],
    "post_deep": ["+experiment=post_deep"],
    "tanh": ["optimizer=adam", "model.activation=tanh", SHORT],
    "sin": ["optimizer=adam", "model=deep", "model.activation=sin", SHORT],
    "momentum": ["+optimizer.momentum=0.9", "optimizer.lr=1e-5", SHORT],
    "adamw": ["optimizer=adamw", "model.activation=snake", SHORT],
    "split": ["optimizer=adam", "data.seed=7", SHORT],
    "torch_sgd": ["+experiment=post_sgd", "training.engine=torch", "training.steps=100"],
    "torch_deep": ["+experiment=post_deep", "training.engine=torch", "training.steps=100"],
    "torch_momentum": ["+optimizer.momentum=0.9", "optimizer.lr=1e-5", "training.engine=torch", "training.steps=100"],
    "torch_adamw": ["optimizer=adamw", "model.activation=sin", "training.engine=torch", "training.steps=100"],
}


def grid(name: str, folder: str) -> list[str]:
    """The command line that trains a config from all seeds, into a folder."""
    seeds = ",".join(map(str, SEEDS))
    return ["-m", *CONFIGS[name], f"seed={seeds}", f"hydra.sweep.dir={folder}"]


def machine() -> dict[str, str]:
    """What the bits follow from."""
    features = llvmlite.binding.get_host_cpu_features().flatten()
    versions = {name: version(name) for name in ("torch", "numba", "numpy", "scipy")}
    return {"cpu": llvmlite.binding.get_host_cpu_name(), "features": features, **versions}


def rows(runs: pd.DataFrame) -> dict[str, list[float]]:
    """The metrics of runs by seed, as JSON has them."""
    return {str(row["seed"]): [float(row[name]) for name in METRICS] for _, row in runs.iterrows()}


def read() -> dict[str, Any]:
    """The machine, and for each config its metrics by seed."""
    content: dict[str, Any] = json.loads(FILE.read_text())
    return content


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in CONFIGS:
            command = [str(Path(sys.executable).with_name("harmonic")), *grid(name, f"{folder}/{name}")]
            subprocess.run(command, check=True, cwd=folder)
        found = {name: rows(load_runs(f"{folder}/{name}")) for name in CONFIGS}
    FILE.write_text(json.dumps({"machine": machine(), "runs": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
