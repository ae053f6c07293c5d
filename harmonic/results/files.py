"""Files that are there whole or not at all, and their paths as text."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def printable(path: str | os.PathLike[str]) -> str:
    """A path as text that can be written anywhere: what is not UTF-8 in it is escaped."""
    return os.fsencode(path).decode(errors="backslashreplace")


def within(folder: str | Path, home: str | Path) -> bool:
    """Whether a folder is another one or lies in it, as far as their names tell."""
    inner, outer = os.path.normpath(folder), os.path.normpath(home)
    return inner == outer or inner.startswith(os.path.join(outer, ""))  # noqa: PTH118 - of ten thousand folders


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is never seen in part: aside first, then renamed into place."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
