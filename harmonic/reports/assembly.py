"""A report from its folders to its page.

The page needs no network and no other file; its figures lie beside it as PNG, in `report/`. Where `report.html` is
the page of other folders it stays, and the new one is called by its own: `report-post-width_lr.html`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

NAME = "report.html"
DETAILED = 8  # sweeps that get sections of their own


def report(paths: Sequence[Path], output: Path | None = None) -> Path:
    """Write the report of some folders; the path of its page.

    Args:
        output: folder of the report; None: the only path, or the folder that all paths lie in.

    Raises:
        HarmonicError: a path does not exist, none holds a run, or something is in the report's way.
    """
    # imported here: --help and --version need neither torch nor pandas
    from rich.console import Console

    from harmonic.reports import page
    from harmonic.reports.page_folder import page_folder
    from harmonic.reports.report_data import gather
    from harmonic.reports.runs_table import runs_table
    from harmonic.reports.sections import sections

    with Console(stderr=True).status("reading the runs") as status:
        data = gather(paths)
        names = ", ".join(sweep.name for sweep in data.sweeps[:3])
        title = f"harmonic: {names}" + (" and more" if len(data.sweeps) > 3 else "")
        home = page_folder(paths, output, title)
        content = sections(data, status.update, DETAILED)
        status.update("drawing the figures")
        return page.write(home, title, content, runs_table(data, home.page.parent))
