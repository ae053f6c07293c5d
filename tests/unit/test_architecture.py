"""The house is what its page says: the chapters and their order, each module under its chapter, and their size."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from pathlib import Path

from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]
CODE = ROOT / "harmonic"
LONGEST_MODULE = 300  # lines; but for the kernels, which are one algorithm
LONGEST_FUNCTION = 40  # lines without its docstring


def listed() -> dict[str, list[str]]:
    """The modules that the page lists, by chapter, in its order; those at the top under their own names."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    listing = text.partition("## The chapters")[2].partition("## ")[0]
    chapters = defaultdict[str, list[str]](list)
    for line in listing.splitlines():
        if top := re.match(r"^ {4}(\w+)(/|\.py) ", line):
            chapter = top[1]
            chapters[chapter] += []
        elif re.match(r"^ {8}\w", line):
            chapters[chapter] += re.findall(r"\b(\w+)\.py\b", line)
    return dict(chapters)


def test_imports_go_one_way_and_form_no_circle() -> None:
    assert lint_imports(str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True) == 0


def test_the_page_has_the_chapters_in_the_order_of_imports() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (layers,) = (one["layers"] for one in config["tool"]["importlinter"]["contracts"] if "layers" in one)
    assert list(listed()) == layers[::-1]


def test_each_module_stands_on_the_page_under_its_chapter() -> None:
    there = {
        folder.name: sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("__"))
        for folder in CODE.iterdir()
        if (folder / "__init__.py").is_file()
    }
    top = {path.stem for path in CODE.glob("*.py")} - {"__init__", "__main__"}
    told = listed()
    assert {chapter: sorted(modules) for chapter, modules in told.items() if chapter not in top} == there
    assert top == set(told) - set(there)


def test_each_chapter_says_what_it_is_and_what_of_it_others_may_use() -> None:
    for chapter in CODE.glob("*/__init__.py"):
        text = ast.get_docstring(ast.parse(chapter.read_text()))
        assert text, chapter
        assert len(text.splitlines()) >= 3, chapter
        assert "To others" in text, chapter


def test_modules_and_functions_are_short_and_the_story_shorter() -> None:
    assert len((CODE / "run.py").read_text().splitlines()) < 100
    for path in CODE.rglob("*.py"):
        if path.name == "native_kernels.py":
            continue
        text = path.read_text()
        assert len(text.splitlines()) <= LONGEST_MODULE, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                told = len((ast.get_docstring(node, clean=False) or "").splitlines())
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno + 1 - told <= LONGEST_FUNCTION, f"{path}: {node.name}"
