"""What a report consists of: sections of text, facts, tables and figures, without a word of HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from matplotlib.figure import Figure as Drawing
from PIL import Image

from harmonic.figures import picture


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: str = "text"


@dataclass(frozen=True)
class Facts:
    """Terms and what is said of each."""

    facts: Mapping[str, str]
    kind: str = "facts"


@dataclass(frozen=True)
class Grid:
    """A small table. commands: name of the last column, if its cells are command lines."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    commands: str | None = None
    kind: str = "grid"


@dataclass(frozen=True)
class Figure:
    """A figure. name: of its file; alt: what it shows, for those who do not see it; caption: how to read it."""

    name: str
    drawing: Drawing
    alt: str
    caption: str
    kind: str = "figure"

    @cached_property
    def image(self) -> Image.Image:
        return picture(self.drawing)


Block = Text | Facts | Grid | Figure


@dataclass
class Section:
    """A part of the report under one heading."""

    title: str
    blocks: list[Block] = field(default_factory=list)
    within: bool = False  # whether it is part of the section before it

    @property
    def anchor(self) -> str:
        return "".join(letter if letter.isalnum() else "-" for letter in self.title.lower()).strip("-")
