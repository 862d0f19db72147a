"""``overlay``: lay another image on the picture, as a logo or a watermark."""

from __future__ import annotations

import base64
import functools
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops
from pydantic import Field, field_validator

from imgray.codec import Reading, decode
from imgray.errors import ImageError, OutOfMemoryError, OverlayError
from imgray.modes import TONES, as_rgb, has_alpha, lay, suited
from imgray.operations.arguments import Length, LengthValue, Place, corner_of
from imgray.operations.base import Context, Operation
from imgray.picture import Picture, Size

Layer: TypeAlias = tuple[Image.Image, tuple[int, int]]
"""An RGBA image that lies inside the picture, and where its left upper corner is."""

_DATA = re.compile(r"data:[^,]*;base64,(.*)", re.IGNORECASE | re.DOTALL)
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SHOWN = 40  # characters of a source in a sentence
_GREY = {"L", "LA"}


class Overlay(Operation):
    """Lay another image on the picture, on each frame of an animation: a logo, or a watermark.

    Its file must lie in a folder that workers may read (setting ``file_roots``); a small one may stand in the pipeline
    itself, as a ``data:`` URL in base64. Of an animation, its first frame is taken; what sticks out is cut off. The
    blend modes are those of W3C Compositing and Blending, besides ``add`` and ``subtract``, which add to and subtract
    from what lies below.
    """

    name: ClassVar[str] = "overlay"
    example: ClassVar[str] = (
        'overlay:"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAA0AAAAMAQMAAACDeaWaAAAABlBMVEUAAADmHjzzJlaFAAAAAXRSTlMAQObY'
        "ZgAAAChJREFUeNpjsHjA5CrA+P8nEwMDBDEzmDIzeDI9eMDMIMnAzsDAxAAAg/wF2pQPeUYAAAAASUVORK5CYII="
        '",southeast,5p,5p,width=30p'
    )
    group: ClassVar[str] = "composition"
    modes: ClassVar[frozenset[str]] = TONES

    source: str = Field(
        min_length=1,
        max_length=4096,
        description="The path of a file, or a `data:` URL; in quotes, since it has slashes.",
    )
    position: Place = Field(default="center", description="Where it comes.")
    x: Length = Field(
        default=LengthValue(0), description="Distance from the left or right edge; with tile, between the repetitions."
    )
    y: Length = Field(
        default=LengthValue(0), description="Distance from the upper or lower edge; with tile, between the repetitions."
    )
    width: Length | None = Field(
        default=None, description="Width to scale it to; a percentage is of the picture's. Its own, if not given."
    )
    opacity: float = Field(default=1, ge=0, le=1, description="1 is as it is, 0 is invisible.")
    blend: Literal[
        "normal",
        "multiply",
        "screen",
        "overlay",
        "darken",
        "lighten",
        "add",
        "subtract",
        "difference",
        "soft-light",
        "hard-light",
    ] = Field(default="normal", description="How its colours mix with those below.")
    tile: bool = Field(default=False, description="Repeat it over the whole picture.")

    @field_validator("source")
    @classmethod
    def _names_something_to_read(cls, source: str) -> str:
        if source[:5].lower() == "data:":
            _data(source)
        elif _URL.match(source):
            raise ValueError("give the path of a file; URLs are not fetched")
        elif not source.isprintable():
            raise ValueError("a path has no control characters")
        return source

    @property
    def files(self) -> tuple[str, ...]:
        """The path of its file, if it is not in the pipeline itself."""
        return () if _DATA.match(self.source) else (self.source,)

    def anchored(self, folder: Path) -> Self:
        """Return the operation with a relative path taken from a folder."""
        if not self.files:
            return self
        return self.model_copy(update={"source": str(folder / self.source)})

    def run(self, picture: Picture, context: Context) -> Picture:
        """Read the overlay once, and lay it on each frame."""
        mark = suited(self._decoded(context), TONES)
        layer = self._layer(mark.convert("RGBA"), picture.size)
        if layer is None:
            return picture

        def laid() -> Iterator[Image.Image]:
            for frame in picture.frames:
                context.checkpoint()
                image = suited(frame, self.modes)
                yield self._laid(image if mark.mode in _GREY else as_rgb(image), *layer)

        return picture.with_frames(laid())

    def apply(self, image: Image.Image) -> Image.Image:
        """Lay it on one image; only a ``data:`` URL can be read so."""
        return self.run(Picture.of(image), Context()).frames[0]

    def _decoded(self, context: Context) -> Image.Image:
        inline = _DATA.match(self.source)
        content = _data(self.source) if inline else context.read(self.source)
        try:
            return decode(content, context.limits, Reading(frames=1)).frames[0]
        except OutOfMemoryError:  # the process is worn out, whatever the image is for
            raise
        except ImageError as error:
            shown = self.source[:_SHOWN] + "…" if inline and len(self.source) > _SHOWN else self.source
            raise OverlayError(shown, str(error)) from error

    def _layer(self, mark: Image.Image, size: Size) -> Layer | None:
        """Return what of the overlay lies in the picture, scaled and faded; None when that is nothing."""
        if self.opacity < 1:
            mark.putalpha(mark.getchannel("A").point([round(level * self.opacity) for level in range(256)]))
        width, height = mark.size
        if self.width is not None:
            width = max(self.width.of(size[0]), 1)
            height = max(round(mark.height * width / mark.width), 1)
        x, y = self.x.of(size[0]), self.y.of(size[1])
        if self.tile:
            left, top = corner_of(self.position, size, (width, height))
            return _tiled(mark, (width, height), (left, top), (width + x, height + y), size), (0, 0)
        left, top = corner_of(self.position, (size[0] - 2 * x, size[1] - 2 * y), (width, height))
        return _visible(mark, (width, height), (left + x, top + y), size)

    def _laid(self, image: Image.Image, layer: Image.Image, at: tuple[int, int]) -> Image.Image:
        """Mix the colours, as far as there is something below, and lay the result on the image.

        The formula for the mixed colour is that of W3C Compositing and Blending Level 1, section 10.
        """
        if self.blend != "normal":
            below = as_rgb(image.crop((*at, at[0] + layer.width, at[1] + layer.height)))
            source = layer.convert("RGB")
            mixed = _BLENDS[self.blend](below.convert("RGB"), source)
            if has_alpha(below):
                mixed = Image.composite(mixed, source, below.getchannel("A"))
            mixed.putalpha(layer.getchannel("A"))
            layer = mixed
        return lay(image, layer, at)


def _data(url: str) -> bytes:
    """Return the content of a ``data:`` URL (RFC 2397)."""
    match = _DATA.fullmatch(url)
    try:
        return base64.b64decode(match[1] if match else "?", validate=True)
    except ValueError:
        raise ValueError("give a data URL in base64, as data:image/png;base64,iVBORw0…") from None


def _visible(mark: Image.Image, scaled: Size, corner: tuple[int, int], size: Size) -> Layer | None:
    """Return what of a scaled mark, put at a corner, lies inside the picture; only that is drawn."""
    left, top = max(corner[0], 0), max(corner[1], 0)
    right, bottom = min(corner[0] + scaled[0], size[0]), min(corner[1] + scaled[1], size[1])
    if left >= right or top >= bottom:
        return None
    box = (left - corner[0], top - corner[1], right - corner[0], bottom - corner[1])
    if scaled == mark.size:
        return mark.crop(box), (left, top)
    across, down = mark.width / scaled[0], mark.height / scaled[1]
    shown = (box[0] * across, box[1] * down, min(box[2] * across, mark.width), min(box[3] * down, mark.height))
    kernel = Image.Resampling.LANCZOS if across > 1 else Image.Resampling.BICUBIC  # which overshoots less at the edges
    return mark.resize((right - left, bottom - top), kernel, box=shown), (left, top)


def _tiled(mark: Image.Image, scaled: Size, corner: tuple[int, int], step: Size, size: Size) -> Image.Image:
    """Cover a picture with a mark, in steps from the one at a corner.

    One period is drawn, of up to four parts, and doubled until the picture is full: a mark of one pixel costs no more
    than a large one.
    """
    canvas = Image.new("RGBA", size)
    first = corner[0] % step[0], corner[1] % step[1]
    for left in (first[0] - step[0], first[0]):
        for top in (first[1] - step[1], first[1]):
            part = _visible(mark, scaled, (left, top), size)
            if part is not None:
                canvas.paste(*part)
    across, down = step
    while across < size[0]:
        canvas.paste(canvas.crop((0, 0, across, min(down, size[1]))), (across, 0))
        across *= 2
    while down < size[1]:
        canvas.paste(canvas.crop((0, 0, size[0], down)), (0, down))
        down *= 2
    return canvas


def _hard_light(below: float, above: float) -> float:
    return below * 2 * above if above <= 1 / 2 else 1 - (1 - below) * (2 - 2 * above)


def _soft_light(below: float, above: float) -> float:
    if above <= 1 / 2:
        return below - (1 - 2 * above) * below * (1 - below)
    lighter = ((16 * below - 12) * below + 4) * below if below <= 1 / 4 else math.sqrt(below)
    return below + (2 * above - 1) * (lighter - below)


@functools.cache
def _table(formula: Callable[[float, float], float]) -> npt.NDArray[np.uint8]:
    """Return what the formula makes of each two levels."""
    levels = [level / 255 for level in range(256)]
    mixed = np.array([[formula(below, above) for above in levels] for below in levels])
    return np.asarray(np.rint(mixed * 255), np.uint8)


def _by_table(
    formula: Callable[[float, float], float],
) -> Callable[[Image.Image, Image.Image], Image.Image]:
    """Make a blend mode of a formula for which Pillow has none: its own are rougher than W3C's, or others."""

    def blended(below: Image.Image, above: Image.Image) -> Image.Image:
        pairs = zip(below.split(), above.split(), strict=True)
        mixed = [_table(formula)[np.asarray(one), np.asarray(other)] for one, other in pairs]
        return Image.merge("RGB", [Image.fromarray(band) for band in mixed])

    return blended


_BLENDS: dict[str, Callable[[Image.Image, Image.Image], Image.Image]] = {
    "multiply": ImageChops.multiply,
    "screen": ImageChops.screen,
    "overlay": _by_table(lambda below, above: _hard_light(above, below)),
    "darken": ImageChops.darker,
    "lighten": ImageChops.lighter,
    "add": ImageChops.add,
    "subtract": ImageChops.subtract,
    "difference": ImageChops.difference,
    "soft-light": _by_table(_soft_light),
    "hard-light": _by_table(_hard_light),
}
"""Blend mode → what it makes of the colours below and its own, both RGB and opaque."""
