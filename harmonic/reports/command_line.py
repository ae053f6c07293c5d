"""The command `harmonic-report`: its arguments, what it prints and its exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from harmonic import __version__
from harmonic.errors import HarmonicError
from harmonic.reports.assembly import NAME, report

BAD_INPUT = 2  # exit code
DESCRIPTION = "`harmonic-report PATH...`: one page that shows what runs and sweeps have left."


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the report of the folders that are named; print its path. Exit codes: 0 done, 2 bad input."""
    given = _parser().parse_args(arguments)
    try:
        page = report(given.paths, given.output)
    except HarmonicError as error:
        _leave(str(error))
    except OSError as error:
        _leave(f"the report must be written to a folder that takes files; got '{error.filename}' ({error.strerror})")
    if page.name != NAME:
        print(f"harmonic-report: '{page.with_name(NAME)}' is not of these folders and stays", file=sys.stderr)
    print(os.fsencode(page).decode(errors="backslashreplace"))  # a folder's name need not be UTF-8


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="harmonic-report", description=DESCRIPTION)
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
    return parser


def _leave(line: str) -> NoReturn:
    print(f"harmonic-report: {line}", file=sys.stderr)
    raise SystemExit(BAD_INPUT)
