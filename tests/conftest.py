"""Fixtures for all rooms."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from harmonic.training.trainer import Trainer
from helpers import CommandLine, config

# The same tests draw the same examples everywhere, so that a change fails for what it changed, and a newcomer's first
# `make test` for nothing. HARMONIC_NEW_EXAMPLES=1 draws others.
NEW_EXAMPLES = bool(int(os.environ.get("HARMONIC_NEW_EXAMPLES", "0")))
settings.register_profile("harmonic", deadline=None, derandomize=not NEW_EXAMPLES, print_blob=True)
settings.load_profile("harmonic")
torch.set_num_threads(1)  # the tests themselves run in parallel


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile the kernels once, before several workers would each compile them and say so."""
    if not hasattr(session.config, "workerinput"):
        trial = Trainer(config("training.engine=native"))
        trial.evaluate(trial.advance(trial.start(), 1)[0])


@pytest.fixture
def harmonic_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    """The command line, run in an empty folder."""
    return CommandLine(tmp_path, capsys, monkeypatch)
