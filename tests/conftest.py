"""Fixtures for all rooms."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import settings

from helpers import CommandLine

settings.register_profile("harmonic", deadline=None)
settings.load_profile("harmonic")
torch.set_num_threads(1)  # the tests themselves run in parallel


@pytest.fixture
def harmonic_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    """The command line, run in an empty folder."""
    return CommandLine(tmp_path, capsys, monkeypatch)
