"""The order in which a report tells what it has."""

from __future__ import annotations

from collections.abc import Callable

from harmonic.report.blocks import Section, Text
from harmonic.report.material import Material
from harmonic.report.overview import comparison, overview
from harmonic.report.planes import planes
from harmonic.report.reproduction import reproduction
from harmonic.report.single import single
from harmonic.report.sweeps import sections as sweep_sections


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
        told += sweep_sections(sweep)
        if (section := planes(sweep)) is not None:
            told.append(section)
    if len(material.sweeps) > detailed:
        rest = ", ".join(sweep.name for sweep in material.sweeps[detailed:])
        told.append(
            Section(
                "Other sweeps",
                [Text(f"A report shows {detailed} sweeps one by one; these are in the table below: {rest}.")],
            )
        )
    return told
