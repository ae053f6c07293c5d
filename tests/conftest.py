"""Fixtures for all rooms."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from harmonic.trial import Trial
from helpers import CommandLine, config

# `make test` draws new examples each time; CI draws the same for the same tests, so that a change fails
# for what it changed
settings.register_profile("harmonic", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("harmonic")
torch.set_num_threads(1)  # the tests themselves run in parallel


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile the kernels once, before several workers would each compile them and say so."""
    if not hasattr(session.config, "workerinput"):
        trial = Trial(config("training.engine=native"))
        trial.evaluate(trial.advance(trial.start(), 1)[0])


@pytest.fixture
def harmonic_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    """The command line, run in an empty folder."""
    return CommandLine(tmp_path, capsys, monkeypatch)
