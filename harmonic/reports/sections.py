"""The order in which a report tells what it has."""

from __future__ import annotations

from collections.abc import Callable

from harmonic.post import is_posts_own
from harmonic.reports.best_configurations import best
from harmonic.reports.blocks import Section, Text
from harmonic.reports.exploration import landscape, training
from harmonic.reports.overview import comparison, overview
from harmonic.reports.predictions import planes
from harmonic.reports.report_data import Material, Sweep
from harmonic.reports.reproduction import reproduction
from harmonic.reports.single import single
from harmonic.reports.summary import asked


def story(material: Material, step: Callable[[str], None], detailed: int) -> list[Section]:
    """All sections that fit.

    Args:
        step: told what is being done.
        detailed: most sweeps with sections of their own.
    """
    told = [overview(material)]
    if len(material.runs) == 1:
        return [*told, *single(material)]
    step("comparing")
    told.append(comparison(material))
    if (post := reproduction(material)) is not None:
        told.append(post)
    for sweep in material.sweeps[:detailed]:
        step(f"looking at {sweep.name}")
        told += _of(sweep)
    if len(material.sweeps) > detailed:
        rest = ", ".join(sweep.name for sweep in material.sweeps[detailed:])
        told.append(
            Section(
                "Other sweeps",
                [Text(f"A report shows {detailed} sweeps one by one; these are in the table below: {rest}.")],
            )
        )
    return told


def _of(sweep: Sweep) -> list[Section]:
    """All sections of one sweep that fit what it holds."""
    # the post's own configurations have a section of their own for what training them shows
    shown = [planes(sweep)] if is_posts_own(sweep.runs) else [landscape(sweep), training(sweep), planes(sweep)]
    return [asked(sweep), best(sweep), *(one for one in shown if one is not None)]
