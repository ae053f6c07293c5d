"""The report as one HTML file that needs nothing beside it, and its figures as files.

All that comes from a config or a folder's name is escaped: by Jinja in the page, as JSON text in the table.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from harmonic.errors import HarmonicError
from harmonic.figures import encoded
from harmonic.reports.blocks import Figure, Grid, Section
from harmonic.reports.page_folder import PageFolder, remove_stale
from harmonic.results.files import write_atomically

STYLES = ("vendor/dataTables.dataTables.min.css", "vendor/columnControl.dataTables.min.css", "style.css")
SCRIPTS = ("vendor/dataTables.min.js", "vendor/dataTables.columnControl.min.js", "table.js")

_NUMBER = r"-?[\d.,]+(e[+-]?\d+)?"
_FIGURES = re.compile(rf"{_NUMBER}( %| to {_NUMBER}| \({_NUMBER} to {_NUMBER}\))?")  # a number, or a range of them


def write(home: PageFolder, title: str, sections: Sequence[Section], table: dict[str, Any]) -> Path:
    """Write a report and its figures into their folder; the path of its page.

    Pictures of the report that was there before are removed, but for those that somebody changed.

    Raises:
        HarmonicError: something is in the way.
    """
    page, figures = home.page, home.figures
    if page.is_dir():
        raise HarmonicError(f"the report must be a file; '{page}' is a folder: choose another --output")
    if figures.exists() and not figures.is_dir():
        raise HarmonicError(f"the report's figures need a folder; '{figures}' is a file: choose another --output")
    figures.mkdir(parents=True, exist_ok=True)
    blocks = [block for section in sections for block in section.blocks if isinstance(block, Figure)]
    contents = {f"{block.name}.png": encoded(block.image, "png") for block in blocks}
    pictures = {name: sha256(content).hexdigest() for name, content in contents.items()}
    former = home.pictures()
    home.note(former | pictures)  # of a report that is cut short, too, the next one knows the pictures
    for name, content in contents.items():
        write_atomically(figures / name, content)
    # a folder's name need not be UTF-8
    write_atomically(page, render(title, sections, table).encode(errors="backslashreplace"))
    remove_stale(home, former, pictures)
    home.note(pictures)
    return page


def render(title: str, sections: Sequence[Section], table: dict[str, Any]) -> str:
    """The page as HTML.

    Args:
        table: of all runs: `columns` (title, kind: num, text or link, wide) and `rows`.
    """
    environment = Environment(
        loader=PackageLoader("harmonic.reports", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["embedded"] = _embedded
    environment.filters["numeric"] = _numeric
    template = environment.get_template("page.html.j2")
    return template.render(
        title=title, sections=sections, table=table, styles=[_read(name) for name in STYLES],
        scripts=[_read(name) for name in SCRIPTS], folders=any(one["kind"] == "link" for one in table["columns"]),
    )  # fmt: skip


def _numeric(grid: Grid) -> list[bool]:
    """Of each column, whether it holds numbers only, so that it stands at the right."""
    columns = [[row[index] for row in grid.rows if row[index]] for index in range(len(grid.columns))]
    return [bool(cells) and all(map(_FIGURES.fullmatch, cells)) for cells in columns]


def _embedded(figure: Figure) -> str:
    """The figure as a data URL; WebP, losslessly, takes a third of PNG's place."""
    return f"data:image/webp;base64,{base64.b64encode(encoded(figure.image, 'webp')).decode()}"


def _read(name: str) -> str:
    return files("harmonic.reports").joinpath(name).read_text(encoding="utf-8")
