"""`harmonic-report PATH...`: one page that shows what runs and sweeps have left.

    harmonic-report outputs/width_lr                       # outputs/width_lr/report.html
    harmonic-report outputs/post outputs/width_lr          # side by side: outputs/report.html

The page needs no network and no other file; its figures lie beside it as PNG, in `report/`. Where `report.html` is
the page of other folders it stays, and the new one is called by its own: `report-post-width_lr.html`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from harmonic import __version__
from harmonic.errors import HarmonicError

NAME = "report.html"
BAD_INPUT = 2  # exit code
DETAILED = 8  # sweeps that get sections of their own


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Exit codes: 0 done, 2 bad input."""
    parser = argparse.ArgumentParser(prog="harmonic-report", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--version", action="version", version=f"harmonic-report {__version__}")
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a run's folder, a sweep's, or one above them"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where to write; default: the PATH, of several the folder above them",
    )
    given = parser.parse_args(arguments)
    try:
        page = report(given.paths, given.output)
    except HarmonicError as error:
        sys.exit(_said(str(error)))
    except OSError as error:
        sys.exit(
            _said(f"the report must be written to a folder that takes files; got '{error.filename}' ({error.strerror})")
        )
    if page.name != NAME:
        print(f"harmonic-report: '{page.with_name(NAME)}' is not of these folders and stays", file=sys.stderr)
    print(os.fsencode(page).decode(errors="backslashreplace"))  # a folder's name need not be UTF-8


def _said(line: str) -> int:
    print(f"harmonic-report: {line}", file=sys.stderr)
    return BAD_INPUT


def report(paths: Sequence[Path], output: Path | None = None) -> Path:
    """Write the report of some folders; the path of its page.

    Args:
        output: folder of the report; None: the only path, or the folder that all paths lie in.

    Raises:
        HarmonicError: a path does not exist, none holds a run, or something is in the report's way.
    """
    from rich.console import Console

    from harmonic.reports import page
    from harmonic.reports.page_folder import place
    from harmonic.reports.report_data import gather
    from harmonic.reports.runs_table import everything
    from harmonic.reports.sections import story

    with Console(stderr=True).status("reading the runs") as status:
        material = gather(paths)
        title = ", ".join(sweep.name for sweep in material.sweeps[:3]) + (
            " and more" if len(material.sweeps) > 3 else ""
        )
        title = f"harmonic: {title}"
        where = place(paths, output, title)
        sections = story(material, status.update, DETAILED)
        status.update("drawing the figures")
        return page.write(where, title, sections, everything(material, where.page.parent))
