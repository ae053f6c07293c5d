"""What is shipped: the wheel works by itself, and the pins cover what it needs."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

from harmonic import load_runs

ROOT = Path(__file__).parents[2]


def test_the_wheel_works_in_an_empty_folder(tmp_path: Path) -> None:
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(build, check=True, stderr=subprocess.DEVNULL)
    (wheel,) = tmp_path.glob("harmonic_sweep-*.whl")
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    zipfile.ZipFile(wheel).extractall(installed)
    elsewhere.mkdir()
    command = (
        "import os, harmonic.cli.application as c; assert c.__file__.startswith(os.environ['PYTHONPATH']); c.main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    lines: list[list[str]] = []
    for arguments in (["+experiment=post_deep", "figures=false"], ["-cn", "post", "seed=1"]):
        small = [*arguments, "training.steps=2"]
        done = subprocess.run(
            [sys.executable, "-c", command, *small], cwd=elsewhere, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0
        lines.append(done.stderr.splitlines())
    assert [len(some) for some in lines] == [1, 0]  # compiled once, and cached for the next process
    assert lines[0][0].startswith("WARNING: compiling the kernels")
    assert len(load_runs(elsewhere / "outputs")) == 4
    names = zipfile.ZipFile(wheel).namelist()
    assert "harmonic/conf/config.yaml" in names
    assert {"harmonic/reports/page.html.j2", "harmonic/reports/vendor/dataTables.min.js"} <= set(names)
    assert not [name for name in names if name.startswith(("tests", "conf", "sweeps"))]


def imported(path: Path) -> set[str]:
    """The top-level modules that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.partition(".")[0] for name in names}


def test_what_is_imported_is_declared() -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]
    declared = {canonicalize_name(Requirement(text).name) for text in texts}
    files = [*(ROOT / "harmonic").rglob("*.py"), *(ROOT / "hydra_plugins").rglob("*.py")]
    modules = {name for file in files for name in imported(file)} - sys.stdlib_module_names
    assert {"yaml", "sqlalchemy", "dask"} <= modules
    packages = packages_distributions()
    for module in modules - {"harmonic", "hydra_plugins"}:
        assert declared & {canonicalize_name(name) for name in packages[module]}, module


def test_every_dependency_is_pinned_within_its_range() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.lower().split("==") for line in lines if "==" in line)
    extras = [text for texts in project["project"]["optional-dependencies"].values() for text in texts]
    for text in [*project["project"]["dependencies"], *project["dependency-groups"]["dev"], *extras]:
        requirement = Requirement(text)
        assert pins[requirement.name] in requirement.specifier, requirement


def test_nobody_is_told_to_install_a_strangers_package() -> None:
    """What docs and messages say after `pip install` is the checkout, an extra of it, or a package that is pinned."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    code = [file for folder in ("harmonic", "hydra_plugins", "conf", "sweeps") for file in (ROOT / folder).rglob("*.*")]
    texts = [file for file in code if file.suffix in (".py", ".yaml", ".j2")]
    found: list[str] = []
    for file in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *texts):
        for quoted, bare in re.findall(r"pip install (?:-\S+ )*(?:'([^']+)'|([^\s`'\"]+))", file.read_text()):
            name, found = quoted or bare, [*found, quoted or bare]
            here = re.fullmatch(r"\.(?:\[(\w+)\])?", name.rstrip(",;)"))
            if here:
                assert here[1] is None or here[1] in project["optional-dependencies"], (file, name)
                continue
            try:
                assert canonicalize_name(Requirement(name).name) in pins, (file, name)
            except InvalidRequirement:  # what is put in at run time may be anybody's
                raise AssertionError((file, name)) from None
    assert len(found) >= 4
    assert project["name"] == "harmonic-sweep"
