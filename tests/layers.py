"""Pictures, and what differs between them, for the tests of compositions."""

from __future__ import annotations

import base64

import numpy as np
import numpy.typing as npt
from pictures import encoded
from PIL import Image

from imgray.operations import Border, Circle, Overlay, Round, Shadow, Text
from imgray.picture import Picture, Source

HEART = Overlay.example.split('"')[1]
PLACES = ["center", "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest", "0.3:0.8"]
BLENDS = ["normal", "multiply", "screen", "overlay", "darken", "lighten", "add", "subtract", "difference"]
BLENDS += ["soft-light", "hard-light"]
ON_EVERY_FRAME = [Overlay(source=HEART), Text(content="Hello"), Border(), Round(radius="5"), Circle(), Shadow()]

Levels = npt.NDArray[np.float64]


def inline(image: Image.Image) -> str:
    return "data:image/png;base64," + base64.b64encode(encoded(image)).decode()


def plain(colour: object, size: tuple[int, int] = (40, 30), mode: str = "RGB") -> Image.Image:
    return Image.new(mode, size, colour)  # type: ignore[arg-type]  # whatever the mode takes


def animation(*frames: Image.Image) -> Picture:
    return Picture(frames, Source("gif", frames[0].size, frames[0].mode, len(frames)), (100,) * len(frames))


def array(image: Image.Image) -> npt.NDArray[np.int64]:
    return np.asarray(image).astype(np.int64)


def inked(image: Image.Image, ground: Image.Image) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of what differs between two images."""
    rows, columns = np.nonzero(np.abs(array(image) - array(ground)).reshape(*image.size[::-1], -1).max(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
