"""Pictures, and arguments by the dozen, for the tests of geometry."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from pictures import picture
from PIL import Image

from imgray.catalogue import BUILT_IN
from imgray.errors import BadArgumentError
from imgray.modes import EVERY
from imgray.operations import Operation
from imgray.operations.arguments import CONTENT_AWARE
from imgray.picture import Picture

MODES = sorted(EVERY)
GRAVITIES = sorted(CONTENT_AWARE)
VARIANTS = {
    "affine-background": "affine:0.5:-0.2:10:0.2:0.5:5,202060",
    "affine-shrunk": "affine:0.2:0:0:0:0.2:0",
    "crop-aspect": "crop:aspect=1:1",
    "crop-entropy": "crop:40p,40p,entropy",
    "pad-edge": "pad:160,120,mode=edge",
    "pad-mirror": "pad:160,120,mode=mirror",
    "pad-sides": "pad:sides=10:30:20:5,background=orange",
    "pad-transparent": "pad:aspect=16:9,gravity=west",
    "perspective-beside": "perspective:-0.1:0:1.2:0.2:1:1:0:1.1,background=ff000080",
    "thumbnail-attention": "thumbnail:64,64,fill,attention",
}

sizes = st.tuples(st.integers(1, 60), st.integers(1, 60))
lengths = st.one_of(st.integers(0, 90).map(str), st.integers(0, 200).map("{}p".format))
sides = st.one_of(st.integers(1, 90).map(str), st.integers(1, 200).map("{}p".format))
aspects = st.tuples(st.integers(1, 20), st.integers(1, 20)).map(lambda ratio: f"{ratio[0]}:{ratio[1]}")


def operation(text: str) -> Operation:
    (parsed,) = BUILT_IN.parse(text).operations
    return parsed


def animation(*frames: Image.Image) -> Picture:
    return Picture(frames, Picture.of(frames[0]).source, tuple(100 for _ in frames), 0)


def same(image: Image.Image, other: Image.Image) -> bool:
    """Compare what is shown, and how it is stored."""
    return (image.mode, image.size, image.getpalette(), image.tobytes()) == (
        other.mode,
        other.size,
        other.getpalette(),
        other.tobytes(),
    )


def flat(mode: str, size: tuple[int, int], level: int) -> Image.Image:
    """Make an image of one grey, in any mode."""
    if mode == "PA":
        return Image.new("L", size, level).convert("P").convert("PA")
    deep = {"I;16": level * 257, "I": level * 257}
    return Image.new(mode, size, deep[mode]) if mode in deep else Image.new("L", size, level).convert(mode)


def with_patch(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    """Make a flat image with a patch of noise."""
    image = Image.new("RGB", size, (90, 90, 90))
    image.paste(picture("RGB", (box[2] - box[0], box[3] - box[1])), box)
    return image


def refused(pipeline: str) -> str:
    with pytest.raises(BadArgumentError) as refusal:
        BUILT_IN.parse(pipeline)
    return str(refusal.value)
