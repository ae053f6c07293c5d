"""Where tables lie: those below a folder and those above it, each once, whatever links lead to them."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from harmonic.errors import TableError
from harmonic.results.files import printable
from harmonic.results.tables import FOLDER

PARTS = "runs-*.parquet"
FRESH = "fresh"  # beside a search's table: its best from other seeds, which are no trials


@dataclass(frozen=True)
class Found:
    """A table. folder: its own; above: whether it lies above the path that was asked for, so that only some of
    its runs lie in that; apart: whether it lies in a folder `fresh` beside another table."""

    folder: Path
    above: bool = False
    apart: bool = False

    @property
    def home(self) -> Path:
        """The folder that the runs name theirs relative to."""
        return self.folder.parent

    def parts(self, kind: str) -> list[Path]:
        """Its parts of one kind, in order."""
        return sorted(self.folder.glob(f"{kind}-*.parquet"))


def tables_of(path: Path) -> list[Found]:
    """The tables that may hold runs of a folder, with absolute paths; what cannot be looked into is named in a warning.

    Folders whose names begin with a dot are not looked into. A folder that is reached in several ways is found once,
    where it is rather than where a link to it is.

    Raises:
        TableError: there is no such folder.
    """
    if not path.exists():
        raise TableError(f"the path of runs must exist; got '{printable(path)}'")
    if not path.is_dir():
        raise TableError(f"the path of runs must be a folder; got '{printable(path)}'")
    if printable(path.absolute()) != str(path.absolute()):
        raise TableError(f"the path of runs must be UTF-8; got '{printable(path.absolute())}'")
    found = list(_Walk(path.absolute()).tables())
    seen = {_identity(one.folder) for one in found}
    for parent in dict.fromkeys((*path.absolute().parents, *path.resolve().parents)):
        table = parent / FOLDER
        if table.is_dir() and _identity(table) not in seen:
            seen.add(_identity(table))
            found.append(Found(table, above=True))
    return found


class _Walk:
    """One walk through all folders below a path, links last."""

    def __init__(self, top: Path) -> None:
        self._top, self._seen = top, set[tuple[int, int]]()
        self._folders, self._links = [(str(top), False)], deque[tuple[str, bool]]()

    def tables(self) -> Iterator[Found]:
        while self._folders or self._links:
            if self._folders:
                yield from self._inside(*self._folders.pop())
            else:
                yield from self._followed(*self._links.popleft())

    def _followed(self, link: str, apart: bool) -> Iterator[Found]:
        """What a link leads to, unless that is a folder which holds it."""
        target = Path(os.path.realpath(link))  # of a link to itself there is none
        if not target.exists():
            warnings.warn(f"left out '{printable(link)}': it is a link that leads nowhere", stacklevel=5)
        elif Path(os.path.realpath(Path(link).parent)).is_relative_to(target):
            if not target.is_relative_to(self._top.resolve()):
                warnings.warn(f"left out '{printable(link)}': it leads to a folder that holds this one", stacklevel=5)
        elif target.is_dir():
            yield from self._inside(link, apart)

    def _inside(self, folder: str, apart: bool) -> Iterator[Found]:
        """The folder itself, if it is a table; what lies in it is looked at later."""
        try:
            identity = _identity(folder)
            entries = [] if identity in self._seen else list(os.scandir(folder))
        except OSError as error:
            warnings.warn(f"left out '{printable(folder)}': it cannot be read ({error.strerror})", stacklevel=5)
            return
        self._seen.add(identity)
        if not entries:
            return
        names = {one.name for one in entries}
        parts = any(fnmatchcase(name, PARTS) for name in names if name.startswith(PARTS[:5]))
        if os.path.basename(folder) == FOLDER:  # noqa: PTH119 - ten thousand folders
            yield from self._table(folder, apart) if parts else ()
        elif parts:
            warnings.warn(
                f"left out '{printable(folder)}': parts of a table must lie in a folder '{FOLDER}'", stacklevel=5
            )
        children, links = [], []
        for one in entries:
            beside = apart or (one.name == FRESH and FOLDER in names)
            if one.name.startswith("."):
                continue
            if one.is_symlink():
                links.append((one.path, beside))
            elif one.is_dir():
                children.append((one.path, beside))
            elif one.name == FOLDER:
                warnings.warn(f"left out '{printable(one.path)}': a table must be a folder", stacklevel=5)
        self._folders += sorted(children, reverse=True)  # the last is looked into first
        self._links += sorted(links)

    def _table(self, folder: str, apart: bool) -> Iterator[Found]:
        if printable(folder) != folder:
            warnings.warn(f"left out '{printable(folder)}': its path must be UTF-8", stacklevel=6)
        else:
            yield Found(Path(folder), apart=apart)


def _identity(folder: str | Path) -> tuple[int, int]:
    """What a folder has in common with itself alone, however it is called."""
    status = os.stat(folder)  # noqa: PTH116 - ten thousand folders
    return status.st_dev, status.st_ino
