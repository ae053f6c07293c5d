"""Where a report lies, and which pictures of an earlier one go.

A page belongs to the set of folders that it was made of: another set gets another name. In the folder beside the page,
of the same name, lie its figures and a manifest, which says what the page is of and which pictures were written. The
manifest is a file like any other and may hold anything: only what is a picture that a report wrote is removed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import unescape
from itertools import islice
from pathlib import Path

from harmonic.errors import HarmonicError
from harmonic.results.files import write_atomically
from harmonic.results.tables import FOLDER

STEM = "report"
MANIFEST = "manifest.json"
LONGEST = 48  # letters of a name that is made of those of the folders: with four bytes each they fit into a file's
BYTES = 255  # of a file's name
HEAD = 10  # lines of a page in which its title stands
_TITLE = re.compile("<title>(.*?)</title>")
_PICTURE = re.compile(r"[\w-]+\.png")


@dataclass(frozen=True)
class PageFolder:
    """Where a report lies. page: its file; figures: the folder of its pictures; of: the folders it is made of, relative
    to its own."""

    page: Path
    figures: Path
    of: frozenset[str]

    def pictures(self) -> dict[str, str]:
        """The SHA-256 of each picture that an earlier report wrote here, by file name."""
        found = self._manifest().get("pictures")
        kept = found if isinstance(found, dict) else {}
        return {name: str(digest) for name, digest in kept.items() if _is_picture(name)}

    def is_taken(self, title: str) -> bool:
        """Whether something is here that this report must leave: the page of other folders, or a sweep."""
        if (self.figures / FOLDER).is_dir():
            return True
        if not self.page.is_file():
            return False
        of = self._manifest().get("of")
        if isinstance(of, list):
            return set(map(str, of)) != self.of
        # a page without a manifest is an older version's, or somebody's own: the title says of which sweeps it is
        with self.page.open(encoding="utf-8", errors="replace") as lines:
            found = _TITLE.search("".join(islice(lines, HEAD)))
        return found is None or unescape(found[1]) != title

    def note(self, pictures: Mapping[str, str]) -> None:
        """Write the manifest: the folders that the page is made of, and its pictures."""
        content = {"of": sorted(self.of), "pictures": pictures}
        write_atomically(self.figures / MANIFEST, json.dumps(content, indent=1).encode())

    def _manifest(self) -> dict[str, object]:
        try:
            content = json.loads((self.figures / MANIFEST).read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}


def _is_picture(name: str) -> bool:
    return bool(_PICTURE.fullmatch(name)) and len(os.fsencode(name)) <= BYTES


def page_folder(paths: Sequence[Path], output: Path | None, title: str) -> PageFolder:
    """Where the report of some folders lies: where theirs is already, else `report.html`, else a name made of theirs.

    Args:
        output: the report's folder; None: the only path, or the folder that all of them lie in.

    Raises:
        HarmonicError: whatever the name, something else is there.
    """
    apart = [Path(os.path.normpath(path.absolute())) for path in paths]
    folder = output or (paths[0] if len(set(apart)) == 1 else Path(os.path.commonpath(apart)))
    of = frozenset(os.path.relpath(path.resolve(), folder.resolve()) for path in paths)
    names = sorted({path.name for path in apart})
    homes = [PageFolder(folder / f"{stem}.html", folder / stem, of) for stem in _stems(names, of)]
    free = [one for one in homes if not one.is_taken(title)]
    if not free:
        taken = ", ".join(f"'{one.page}'" for one in homes)
        raise HarmonicError(f"the report of these folders needs a free name; {taken} are others': choose an --output")
    return next((one for one in free if one.page.is_file()), free[0])


def _stems(names: Sequence[str], of: frozenset[str]) -> Iterator[str]:
    yield STEM
    named = re.sub(r"[^\w-]+", "-", "-".join([STEM, *names]))[:LONGEST].strip("-")
    yield named
    yield f"{named}-{sha256(os.fsencode(chr(0).join(sorted(of)))).hexdigest()[:8]}"


def remove_stale(home: PageFolder, former: Mapping[str, str], pictures: Mapping[str, str]) -> None:
    """Remove the pictures of the former report that this one does not have, unless somebody changed them."""
    for name in former.keys() - pictures.keys():
        path = home.figures / name
        if path.is_file() and not path.is_symlink() and sha256(path.read_bytes()).hexdigest() == former[name]:
            path.unlink()
