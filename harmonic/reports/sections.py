"""The sections of a report, in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from harmonic.analysis.references import reference_of, references
from harmonic.reports.best_configurations import best_section
from harmonic.reports.blocks import Section, Text
from harmonic.reports.error_comparison import comparison_section
from harmonic.reports.exploration import swept_section, training_section
from harmonic.reports.overview import overview_section
from harmonic.reports.predictions import networks_section
from harmonic.reports.report_data import ReportData, SweepData
from harmonic.reports.single_run import single_run_section
from harmonic.reports.summary import summary_section


@runtime_checkable
class Reporting(Protocol):
    """What a reference (`harmonic.analysis.references.Reference`) has that adds sections of its own to a report."""

    def sections(self, data: ReportData) -> Sequence[Section]:
        """Its sections, which say what training its own configurations shows; none where they are not among the
        runs."""


def sections(data: ReportData, step: Callable[[str], None], detailed: int) -> list[Section]:
    """All sections that fit the data.

    Args:
        step: called with what is being done, in words.
        detailed: how many sweeps have sections of their own.
    """
    found = [overview_section(data)]
    if len(data.runs) == 1:
        return [*found, single_run_section(data)]
    step("comparing")
    found.append(comparison_section(data))
    for reference in references():
        if isinstance(reference, Reporting):
            found += reference.sections(data)
    for sweep in data.sweeps[:detailed]:
        step(f"looking at {sweep.name}")
        found += _sections_of(sweep)
    if len(data.sweeps) > detailed:
        rest = ", ".join(sweep.name for sweep in data.sweeps[detailed:])
        text = f"A report shows {detailed} sweeps one by one; these are in the table below: {rest}."
        found.append(Section("Other sweeps", [Text(text)]))
    return found


def _sections_of(sweep: SweepData) -> list[Section]:
    """All sections of one sweep that fit what it holds."""
    found = [summary_section(sweep), best_section(sweep)]
    more = [swept_section, training_section, networks_section]
    if isinstance(reference_of(sweep.runs), Reporting):
        more = [networks_section]  # the reference's own sections show the rest
    return found + [section for make in more if (section := make(sweep)) is not None]
