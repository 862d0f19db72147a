"""Golden images: what each operation makes of one small scene, in unit/golden/, to be looked at and compared with.

``pytest tests/unit --write-goldens`` writes those that are missing; look at them before they are committed.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from PIL import Image

from imgray.catalogue import BUILT_IN
from imgray.operations import Context
from imgray.picture import Picture
from imgray.samples import sunset
from imgray.samples import test_card as draw_test_card

FOLDER = Path(__file__).parent / "unit/golden"
TOLERANCE = 3
"""Levels of 255 by which a pixel may differ: resampling and luma change a little with Pillow's version."""


@functools.cache
def scene() -> Image.Image:
    """Draw the scene: half like a photograph, half a test card."""
    size = (120, 90)
    image = draw_test_card().resize(size, Image.Resampling.BOX)
    photo = sunset().resize(size, Image.Resampling.LANCZOS)
    image.paste(photo.crop((20, 0, 80, 90)), (0, 0))
    return image


def processed(pipeline: str, image: Image.Image | None = None) -> Image.Image:
    """Run the operations of a pipeline, without encoding."""
    picture = Picture.of(image or scene())
    for operation in BUILT_IN.parse(pipeline).operations:
        picture = operation.run(picture, Context())
    return picture.frames[0]


def assert_golden(name: str, image: Image.Image, *, write: bool, tolerance: int = TOLERANCE) -> None:
    """Compare an image with the golden one of a name, or write that, if it is missing and ``write`` is set."""
    path = FOLDER / f"{name}.png"
    if write and not path.exists():
        image.save(path, optimize=True)
    golden = Image.open(path)
    assert (image.mode, image.size) == (golden.mode, golden.size)
    pixels, expected = (np.asarray(one.convert("RGBA") if one.mode == "P" else one) for one in (image, golden))
    difference = np.abs(pixels.astype(int) - expected.astype(int))
    assert difference.max() <= tolerance, f"{name}: {difference.max()} levels off, in the mean {difference.mean():.2f}"
