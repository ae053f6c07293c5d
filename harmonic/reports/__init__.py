"""`harmonic-report PATH...`: one page that shows what runs and sweeps have left.

    harmonic-report outputs/width_lr                       # outputs/width_lr/report.html
    harmonic-report outputs/post outputs/width_lr          # side by side: outputs/report.html

To others: `report` writes the page, `main` is the command; a plugin's sections are made of `blocks`, `networks` and
`report_data`.
"""

from harmonic.reports.assembly import report
from harmonic.reports.command_line import main

__all__ = ["main", "report"]
