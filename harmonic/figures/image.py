"""How a figure becomes an image, and an image a file."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from harmonic.figures.requirements import need_kind
from harmonic.figures.style import STYLE
from harmonic.results.files import write_atomically

DOTS_PER_INCH = 150


def picture(figure: Figure) -> Image.Image:
    """The figure as an image."""
    need_kind("picture", figure, Figure, "what the other functions give")
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DOTS_PER_INCH)
    with mpl.rc_context(STYLE):
        if any(axes.images for axes in figure.axes):
            figure.draw_without_rendering()  # panels of a fixed shape take a second pass to find their places
        canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return Image.fromarray(pixels).convert("RGB")


def encoded(image: Image.Image, kind: str) -> bytes:
    """An image as the content of a file, without loss. kind: png or webp."""
    need_kind("encoded", image, Image.Image, "picture")
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"lossless": True, "method": 2} if kind == "webp" else {"compress_level": 6}))
    return buffer.getvalue()


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    write_atomically(path, encoded(picture(figure), "png"))
