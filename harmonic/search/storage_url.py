"""The address of a study's storage: which file it names, what it means in another folder, how it may be shown."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError


def database_in_memory(url: str) -> bool:
    """Whether an SQLite database ends with its process."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return False
    named = parsed.database or ":memory:"
    return parsed.get_backend_name() == "sqlite" and (":memory:" in named or "mode=memory" in url)


def database_file(url: str | None) -> Path | None:
    """The file of an SQLite database; None: it is none, or is kept in memory."""
    try:
        parsed = make_url(url or "")
    except (ArgumentError, ValueError):
        return None
    named = parsed.database
    if parsed.get_backend_name() != "sqlite" or not named or named == ":memory:" or named.startswith("file:"):
        return None
    return Path(named)


def absolute(url: str | None, cwd: Path) -> str | None:
    """A storage's URL, which means the same in whatever folder it is read.

    Args:
        cwd: where it was given, to which the path of an SQLite database is relative.
    """
    file = database_file(url)
    if url is None or file is None or file.is_absolute():
        return url
    return make_url(url).set(database=str(cwd / file)).render_as_string(hide_password=False)


def public(url: str | None) -> str:
    """A storage's URL as it may be shown: without its password."""
    try:
        return make_url(url or "").render_as_string(hide_password=True)
    except (ArgumentError, ValueError):  # no URL, or one with a port that is no number
        return re.sub(r":[^@]*@", ":***@", str(url))
