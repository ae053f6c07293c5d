"""The head of a report: what it covers."""

from __future__ import annotations

from datetime import UTC, datetime

from harmonic import __version__
from harmonic.reports.blocks import Block, Facts, Section, Text
from harmonic.reports.report_data import ReportData


def overview_section(data: ReportData) -> Section:
    """What the report covers, and what was left out."""
    runs = data.runs
    counts = runs["status"].value_counts()
    ended = ", ".join(f"{counts[name]} {name}" for name in counts.index if counts[name])
    facts = {
        "runs": f"{len(runs)} ({ended})",
        "sweeps": ", ".join(sweep.name for sweep in data.sweeps),
        "steps trained": f"{int(runs['steps'].fillna(0).sum()):,}",
        "training": f"{runs['train_s'].sum():.1f} s, summed over the runs",
        "run from": f"{runs['started'].min():%Y-%m-%d %H:%M} to {runs['started'].max():%Y-%m-%d %H:%M} UTC",
        "by": ", ".join(f"harmonic {one}" for one in sorted(runs["version"].dropna().unique())),
        "report": f"harmonic {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }
    blocks: list[Block] = [Facts(facts)]
    blocks += [Text(note[:1].upper() + note[1:]) for note in data.notes]
    return Section("What this covers", blocks)
