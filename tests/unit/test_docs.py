"""What the docs name is there, and what they say to run runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

import harmonic
from helpers import CommandLine

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


def test_every_promise_names_its_tests() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text()
    tests = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    name, found = "", 0
    for named, test in re.findall(r"`(test_\w+\.py)?(?:::(test_\w+))?`", text):
        name = named or name
        if name and (named or test):
            assert (f"def {test}(" if test else "def test_") in tests[name], (name, test)
            found += 1
    assert found > 30


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_every_key_of_a_search_is_explained() -> None:
    import hydra_plugins.hydra_harmonic.config  # noqa: F401 - which stores it

    node = ConfigStore.instance().load("hydra/sweeper/harmonic.yaml").node
    assert isinstance(node, DictConfig)
    keys = [str(key) for key in node if not str(key).startswith("_")]
    explained = (ROOT / "docs" / "search.md").read_text().partition("## The keys")[2].partition("\n## ")[0]
    assert len(keys) > 15
    assert [key for key in keys if f"`{key}`" not in explained] == []


# Not run: what it needs is not here, or another test runs it.
NOT_RUN = {
    "dask": "a cluster; tests/faults/test_cluster.py",
    "postgresql": "a server; tests/faults/test_sharing.py",
    "<": "a name of the reader's own; tests/unit/cli/test_cli.py",
    "slurm": "a Slurm cluster; never run",
    "thousand": "half a minute; tests/benchmarks/sweeps.py",
}
_COMMAND = re.compile(r"^ {4}(harmonic .*)$", re.MULTILINE)
FEW = {  # of a shipped search, whose files tests/unit/cli/test_cli.py runs with each experiment
    "width_lr", "optimizers", "extrapolation", "pruned", "pareto", "smoke",
}  # fmt: skip


def commands() -> list[tuple[str, str]]:
    """The command lines of the docs, without their comments, by page."""
    found = [("README.md", "harmonic")]
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")  # a line that goes on in the next
        found += [(page.name, shlex.join(shlex.split(line, comments=True))) for line in _COMMAND.findall(text)]
    return [*{line: (page, line) for page, line in reversed(found)}.values()]


def why_not(line: str) -> str | None:
    return next((reason for word, reason in NOT_RUN.items() if word in line), None)


@pytest.mark.parametrize(("page", "line"), commands(), ids=lambda text: text[:60])
def test_a_command_of_the_docs_gives_runs_worth_looking_at(harmonic_command: CommandLine, page: str, line: str) -> None:
    """In 150 steps, for SGD diverges before; under a tenth of the runs do."""
    if reason := why_not(line):
        pytest.skip(f"{page}: needs {reason}")
    words = shlex.split(line)[1:]
    if "--cfg" in words:
        assert harmonic_command(*words).code == 0
        return
    few = ["hydra.sweeper.n_trials=2", "hydra.sweeper.seeds=[0]"] if FEW.intersection(words) else []
    few += ["hydra.sweeper.fresh_seeds=[1]"] if "extrapolation" in words else []
    few += ["seed=0,1"] if "post" in words else []
    done = harmonic_command(*words, *few, "training.steps=150", *([] if "-m" in words or few else ["figures=false"]))
    assert (done.code, "WARNING" in done.err) == (0, False)
    runs = harmonic.load_runs(harmonic_command.folder / "outputs")
    assert (runs["status"] == "diverged").mean() <= 0.1 or few


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```python" in page.read_text()], ids=lambda page: page.name
)
def test_the_python_of_the_docs_runs(
    page: Path, harmonic_command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Block after block, as in one notebook, after what docs/comparing.md begins with, in a few steps."""
    grid = ["-m", "model=shallow,deep", "optimizer=sgd,adam", "seed=range(0,8)", "hydra.sweep.dir=outputs/choice"]
    assert harmonic_command(*grid, "training.steps=20", "data.points=30").code == 0
    if page.name == "search.md":
        few = ["hydra.sweeper.n_trials=2", "training.steps=20", "data.points=30"]
        assert harmonic_command("-cn", "width_lr", *few).code == 0
    monkeypatch.chdir(harmonic_command.folder)
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        exec(compile(block, page.name, "exec"), names)
