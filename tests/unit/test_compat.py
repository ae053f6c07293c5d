"""Private names of other libraries stand in `harmonic/_compat/` alone, each with its reason, and none without use."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("harmonic", "hydra_plugins")
ROOMS = ROOT / "harmonic" / "_compat"
SOURCES = sorted(path for folder in OURS for path in (ROOT / folder).rglob("*.py"))
OUTSIDE = [path for path in SOURCES if ROOMS not in path.parents]

DOCUMENTED = {"os._exit"}  # with its underscore

# What has no room yet, by module. An entry that is no longer needed fails.
YET: dict[str, set[str]] = {}

BY_NAME = {"getattr", "setattr", "hasattr", "delattr", "attrgetter", "methodcaller"}
PATH = re.compile(r"[a-z]\w*(\.\w+)+")


def is_private(name: str) -> bool:
    """Whether a name is private by its form; `__this__` is Python's, `_this_` an enum's or a key of Hydra's."""
    return name.startswith("_") and not name.endswith("_")


def is_foreign(path: str) -> bool:
    return path.partition(".")[0] not in OURS


def private_path(path: str) -> bool:
    """Whether a dotted path of another library has a private part."""
    return is_foreign(path) and any(map(is_private, path.split("."))) and path not in DOCUMENTED


class Module:
    """What a module says of the names in it."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.imported = dict(_imports(tree))
        self.own = set(_definitions(tree))
        typed = [(name, self._is_of_others(annotation)) for name, annotation in _annotations(tree)]
        built = [(name, self._is_foreign_call(value)) for name, value in _assignments(tree)]
        ours = {name for name, foreign in typed if not foreign}
        self.foreign = {name for name, foreign in typed + built if foreign} - ours

    def _origin(self, node: ast.expr) -> str | None:
        """The dotted path of what an expression names, where an import says so."""
        if isinstance(node, ast.Name):
            return self.imported.get(node.id)
        if isinstance(node, ast.Attribute):
            home = self._origin(node.value)
            return home and f"{home}.{node.attr}"
        return None

    def _is_of_others(self, annotation: ast.expr) -> bool:
        """Whether an annotation names classes of other libraries alone."""
        names = [node for node in ast.walk(annotation) if isinstance(node, ast.Name)]
        return bool(names) and all(is_foreign(self.imported.get(name.id, OURS[0])) for name in names)

    def _is_foreign_call(self, value: ast.expr) -> bool:
        origin = self._origin(value.func) if isinstance(value, ast.Call) else None
        return origin is not None and is_foreign(origin)

    def private_uses(self) -> Iterator[str]:
        """The private names of other libraries that it uses."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield from (path for path in _imported_paths(node) if private_path(path))
            elif isinstance(node, ast.Attribute) and is_private(node.attr):
                if self._is_others(node):
                    yield node.attr
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                if PATH.fullmatch(node.value) and private_path(node.value) and find_spec(node.value.partition(".")[0]):
                    yield node.value
            else:
                yield from (name for name in _named_by_text(node) if is_private(name) and name not in self.own)

    def _is_others(self, node: ast.Attribute) -> bool:
        """A private name crosses no border between our modules: what is not defined in this one is another library's,
        and so is what hangs on something of theirs, whatever its name."""
        origin = self._origin(node)
        if origin is not None:
            return private_path(origin)
        holder = {ast.Name: "id", ast.Attribute: "attr"}.get(type(node.value))
        return node.attr not in self.own or (holder is not None and getattr(node.value, holder) in self.foreign)


def _imported_paths(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    home = OURS[0] if node.level else node.module  # what is relative is ours
    return [f"{home}.{alias.name}" for alias in node.names]


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The names that imports give, and the dotted path of each."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias, path in zip(node.names, _imported_paths(node), strict=True):
                plain = isinstance(node, ast.Import) and alias.asname is None
                yield (path.partition(".")[0],) * 2 if plain else (alias.asname or alias.name, path)


def _definitions(tree: ast.Module) -> Iterator[str]:
    """The names of functions, classes and variables that a module defines, and of the attributes that it sets on
    `self`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("self", "cls")
        ):
            yield node.attr


def _annotations(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Parameters, variables and attributes by their last name, with what they are said to be."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation is not None:
            yield node.arg, node.annotation
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name | ast.Attribute):
            yield node.target.id if isinstance(node.target, ast.Name) else node.target.attr, node.annotation


def _assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Name | ast.Attribute):
            yield target.id if isinstance(target, ast.Name) else target.attr, node.value


def _named_by_text(node: ast.AST) -> Iterator[str]:
    """The names of attributes that code gives as text: `getattr(x, "_y")`, `vars(x)["_y"]`, `x.__dict__.get("_y")`."""
    texts: list[ast.expr] = []
    if isinstance(node, ast.Subscript) and _is_namespace(node.value):
        texts = [node.slice]
    elif isinstance(node, ast.Call):
        function = node.func
        name = getattr(function, "id", getattr(function, "attr", ""))
        if name in BY_NAME or (isinstance(function, ast.Attribute) and _is_namespace(function.value)):
            texts = node.args
    for text in texts:
        first = text.values[0] if isinstance(text, ast.JoinedStr) and text.values else text
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value.rstrip("_") if first is not text else first.value


def _is_namespace(node: ast.expr) -> bool:
    is_vars = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "vars"
    return is_vars or (isinstance(node, ast.Attribute) and node.attr == "__dict__")


def overridden(path: Path, tree: ast.Module) -> Iterator[str]:
    """The private methods of other libraries' classes that classes of a module override."""
    for node in tree.body:
        methods = [one.name for one in ast.walk(node) if isinstance(one, ast.FunctionDef) and is_private(one.name)]
        if isinstance(node, ast.ClassDef) and node.bases and methods:
            ours = getattr(import_module(".".join(path.relative_to(ROOT).with_suffix("").parts)), node.name)
            theirs = {name for base in ours.__mro__ if is_foreign(base.__module__) for name in vars(base)}
            yield from theirs.intersection(methods)


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(ROOT)))
def test_private_names_of_other_libraries_stand_in_their_rooms(path: Path) -> None:
    tree = ast.parse(path.read_text())
    found = {*Module(tree).private_uses(), *overridden(path, tree)}
    assert found == YET.get(str(path.relative_to(ROOT)), set()), "move them to harmonic/_compat/<library>.py"


def test_what_has_no_room_yet_is_of_modules_that_are_there() -> None:
    assert YET.keys() <= {str(path.relative_to(ROOT)) for path in OUTSIDE}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from hydra._internal.hydra import Hydra", {"hydra._internal.hydra.Hydra"}),
        ("from optuna.samplers import _tpe", {"optuna.samplers._tpe"}),
        ("import torch._dynamo as dynamo", {"torch._dynamo"}),
        ("def f():\n    import torch\n    torch._dynamo.reset()", {"_dynamo"}),
        ("import_module('hydra._internal.hydra')", {"hydra._internal.hydra"}),
        ("def f(x): return x._storage", {"_storage"}),
        ("def f(x): x._storage = 1", {"_storage"}),
        ("def f(x): return x.a[0]()._storage", {"_storage"}),
        ("getattr(x, '_max_workers', 2)", {"_max_workers"}),
        ("getattr(x, f'_step_{when}_hooks')", {"_step"}),
        ("x.__dict__.setdefault('__dynamo_disable', 1)", {"__dynamo_disable"}),
        ("vars(x)['_storage']", {"_storage"}),
        # ours has the same name
        ("from optuna import Study\n_storage = 1\ndef f(x: Study | None): return x._storage", {"_storage"}),
        ("import optuna\n_storage = 1\nx = optuna.create_study()\nx._storage", {"_storage"}),
        ("import optuna\n_storage = 1\nclass A:\n    x: optuna.Study\n    def f(self): self.x._storage", {"_storage"}),
        ("import optuna\n_a = 1\noptuna._a", {"_a"}),
        ("from optuna import Study\nclass A(Study):\n    def f(self): return self._storage", {"_storage"}),
        # allowed
        ("import os\nos._exit(1)", set()),
        ("from harmonic.training._stepping import Stepper", set()),
        ("from . import _stepping", set()),
        (
            "class A:\n    def __init__(self, other: A): self._x = 1; other._x; type(self)._y\n    def _y(self): ...",
            set(),
        ),
        ("from optuna import Study\nclass A:\n    _x: Study\n    def f(self, a: A): a._x; getattr(a, '_x')", set()),
        ("import harmonic\nharmonic._x", set()),
        ("x['_target_'], x.__dict__, 'frame_a', ('_a', '_b'), 'model._target_'", set()),
    ],
)
def test_the_law_sees_what_is_private_and_whose(source: str, found: set[str]) -> None:
    assert set(Module(ast.parse(source)).private_uses()) == found


def test_an_overridden_private_method_is_seen() -> None:
    path = ROOMS / "optuna.py"
    assert "_find_sample_id" in set(overridden(path, ast.parse(path.read_text())))


@pytest.mark.parametrize("path", sorted(ROOMS.glob("*.py")), ids=lambda path: path.stem)
def test_each_name_in_a_room_has_a_reason_and_a_use(path: Path) -> None:
    tree = ast.parse(path.read_text())
    public = [
        node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    assert ast.get_docstring(tree)
    assert [node.name for node in public if not ast.get_docstring(node)] == []
    used = {name for source in SOURCES for name in _names_used(ast.parse(source.read_text()))}
    assert {node.name for node in public} <= used


def _names_used(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)
