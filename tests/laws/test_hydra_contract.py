"""Hydra's own test suite for launchers, passed by harmonic's with task functions that are not harmonic's."""

from __future__ import annotations

import pytest
from hydra import version
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.test_utils.launcher_common_tests import BatchedSweeperTestSuite, IntegrationTestSuite, LauncherTestSuite

from hydra_plugins.hydra_harmonic.launcher import HarmonicLauncher

# the suite's applications are of Hydra 1.1, and Hydra announces what it has changed since; that of 1.4 hands Hydra a
# version that is no text, which OmegaConf announces
pytestmark = [
    pytest.mark.filterwarnings(r"ignore:[\s\S]*Hydra:UserWarning"),
    pytest.mark.filterwarnings("ignore:Implicit conversion from object to str at 'hydra.runtime.version_base'"),
]


@pytest.fixture(autouse=True)
def _no_version_of_harmonics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hydra remembers in the process what version the last application asked for."""
    monkeypatch.setattr(version.VersionBase.instance(), "version_base", version._UNSPECIFIED_)


def test_hydra_finds_the_launcher() -> None:
    names = [plugin.__name__ for plugin in Plugins.instance().discover(Launcher)]
    assert HarmonicLauncher.__name__ in names


@pytest.mark.parametrize(("launcher_name", "overrides"), [("harmonic", [])])
class TestLauncher(LauncherTestSuite):
    """One process, one sweep."""


@pytest.mark.parametrize(("launcher_name", "overrides"), [("harmonic", ["hydra/sweeper=grid"])])
class TestLauncherUnderGrid(LauncherTestSuite):
    """The same, under harmonic's own grid sweeper."""


@pytest.mark.parametrize(("launcher_name", "overrides"), [("harmonic", ["hydra.sweeper.max_batch_size=2"])])
class TestLauncherInBatches(BatchedSweeperTestSuite):
    """The jobs of a sweep in several calls."""


@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [({}, ["-m", "hydra/launcher=harmonic"])])
class TestLauncherIntegration(IntegrationTestSuite):
    """Whole applications, in processes of their own."""
