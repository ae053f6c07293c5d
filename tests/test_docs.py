"""What the docs name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


def test_every_promise_names_its_tests() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text()
    name, found = "", 0
    for named, test in re.findall(r"`(test_\w+\.py)?(?:::(test_\w+))?`", text):
        name = named or name
        if name and (named or test):
            assert (f"def {test}(" if test else "def test_") in (ROOT / "tests" / name).read_text(), (name, test)
            found += 1
    assert found > 30


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_every_key_of_a_search_is_explained() -> None:
    node = ConfigStore.instance().load("hydra/sweeper/harmonic.yaml").node
    assert isinstance(node, DictConfig)
    keys = [str(key) for key in node if not str(key).startswith("_")]
    explained = (ROOT / "docs" / "search.md").read_text().partition("## The keys")[2].partition("\n## ")[0]
    assert len(keys) > 15
    assert [key for key in keys if f"`{key}`" not in explained] == []
