"""References are registered by modules that come with harmonic or with other distributions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd

from harmonic.analysis import references

PLUGIN = """
from harmonic.analysis import references
from harmonic.post import Post

class Mine(Post):
    name = "the paper"

references.register(Mine())
"""
KNOWN = "from harmonic.analysis.references import references; print([one.name for one in references()])"


def test_the_post_is_known_and_so_is_what_another_distribution_has(tmp_path: Path) -> None:
    """In a fresh process, where nothing has imported either: by `harmonic.REFERENCES`, and by an entry point."""
    (tmp_path / "their_plugin.py").write_text(PLUGIN)
    about = tmp_path / "theirs-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{references.GROUP}]\nmine = their_plugin\n")
    code = f"import sys; sys.path.append({str(tmp_path)!r}); {KNOWN}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['the post', 'the paper']"


def test_runs_of_one_reference_are_its_own_and_of_none_nobodys() -> None:
    (post,) = [one for one in references.references() if one.name == "the post"]
    other = pd.DataFrame({"run": ["a"], "model.width": [3]})
    assert references.reference_of(other) is None
    assert references.labels(other).isna().all()
    assert list(post.markers) == ["post_sgd", "post_adam", "post_deep"]
