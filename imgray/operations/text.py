"""``text``: write on the picture."""

from __future__ import annotations

import bisect
import functools
import importlib.resources
import io
import math
import unicodedata
from collections.abc import Callable, Iterator
from typing import ClassVar, Literal, TypeAlias

from PIL import Image, ImageDraw, ImageFont
from pydantic import Field, field_validator

from imgray.errors import BadArgumentError, FontNotFoundError
from imgray.modes import TONES, as_rgb, lay
from imgray.operations.arguments import Colour, Length, LengthValue, Place, corner_of, rgba
from imgray.operations.base import Change, Operation
from imgray.picture import Size

Font: TypeAlias = ImageFont.FreeTypeFont

Layer: TypeAlias = tuple[Image.Image, tuple[int, int]]
"""An RGBA image that lies inside the picture, and where its left upper corner is."""

_SHIPPED = "DejaVuSans.ttf"
_MAX_SIZE = 1000
_MAX_MARKS = 30  # on one letter, as in the Stream-Safe Text Format (Unicode Standard Annex 15, section 13)
_MISSING = "\U0010ffff"  # a noncharacter: no font has it
_JOINER = "\u200d"
_PROBE_SIZE = 24
_SHIFTS = {"left": 0.0, "center": 0.5, "right": 1.0}


class Text(Operation):
    """Write on the picture. Lines are broken between words where the picture ends; what finds no room is cut off.

    The font that comes with imgray, DejaVu Sans, has Latin, Greek, Cyrillic, Arabic, Hebrew, Armenian, Georgian and
    many symbols. Others are named by their file, as ``NotoSansCJK-Regular.ttc``, and must be installed where the work
    is done. A character that the font lacks is an error. Scripts that join or reorder their letters, as Arabic does,
    need libfribidi there.
    """

    name: ClassVar[str] = "text"
    example: ClassVar[str] = 'text:"At sea",south,18,white,y=8,background=00000090,padding=4'
    group: ClassVar[str] = "composition"
    modes: ClassVar[frozenset[str]] = TONES

    content: str = Field(min_length=1, max_length=1000, description="What to write, in quotes; `\\n` begins a line.")
    position: Place = Field(default="center", description="Where it comes.")
    size: Length = Field(
        default=LengthValue(24),
        description=f"Size of the font, at most {_MAX_SIZE} pixels; a percentage is of the picture's height.",
    )
    colour: Colour = Field(default="000000", description="Colour of the letters; its alpha lets the picture through.")
    x: Length = Field(default=LengthValue(0), description="Distance from the left or right edge.")
    y: Length = Field(default=LengthValue(0), description="Distance from the upper or lower edge.")
    font: str = Field(default=_SHIPPED, min_length=1, max_length=100, description="File name of a font.")
    wrap: Length = Field(
        default=LengthValue(100, percent=True),
        description="Width at which lines are broken; a percentage is of the room that there is.",
    )
    align: Literal["left", "center", "right"] = Field(default="left", description="How lines stand to each other.")
    stroke: int = Field(default=0, ge=0, le=100, description="Width of the letters' outline in pixels.")
    stroke_colour: Colour = Field(default="000000", description="Colour of the outline.")
    background: Colour = Field(default="00000000", description="Colour of the box behind; transparent if not given.")
    padding: int = Field(default=0, ge=0, le=1000, description="Pixels between the text and the edges of its box.")
    degrees: float = Field(default=0, ge=-360, le=360, description="Turn it clockwise.")

    @field_validator("content")
    @classmethod
    def _can_be_set(cls, content: str) -> str:
        content = content.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
        if any(unicodedata.category(char) == "Cc" and char != "\n" for char in content):
            raise ValueError("control characters cannot be written")
        marks = 0
        for char in content:
            marks = marks + 1 if _is_mark(char) else 0
            if marks > _MAX_MARKS:
                raise ValueError(f"a letter can have {_MAX_MARKS} combining marks, no more")
        return content

    @field_validator("font")
    @classmethod
    def _is_a_name(cls, font: str) -> str:
        if font.startswith(".") or "/" in font or "\\" in font or not font.isprintable():
            raise ValueError("give the name of a font's file, as NotoSans-Regular.ttf, without a folder")
        return font

    def decide(self, first: Image.Image) -> Change:
        """Draw the text once, for all frames; grey stays grey when all colours are."""
        layer, at = self._layer(first.size)
        colours = (rgba(colour)[:3] for colour in (self.colour, self.stroke_colour, self.background))
        grey = all(len(set(colour)) == 1 for colour in colours)
        return lambda image: lay(image if grey else as_rgb(image), layer, at)

    def apply(self, image: Image.Image) -> Image.Image:
        """Write on one image."""
        return self.decide(image)(image)

    def _layer(self, size: Size) -> Layer:
        """Draw what of the text lies in the picture; of text that lies outside, one pixel of nothing is left."""
        x, y = self.x.of(size[0]), self.y.of(size[1])
        inner = size[0] - 2 * x, size[1] - 2 * y
        cos, sin = math.cos(math.radians(self.degrees)), math.sin(math.radians(self.degrees))
        block = self._block(size, _room(inner, cos, sin))
        turned = _box_around(block.size, cos, sin)
        left, top = (
            corner + margin for corner, margin in zip(corner_of(self.position, inner, turned), (x, y), strict=True)
        )
        at = min(max(left, 0), size[0] - 1), min(max(top, 0), size[1] - 1)
        end = max(min(left + turned[0], size[0]), at[0] + 1), max(min(top + turned[1], size[1]), at[1] + 1)
        if self.degrees % 360 == 0:
            return block.crop((at[0] - left, at[1] - top, end[0] - left, end[1] - top)), at
        block = block.crop((-1, -1, block.width + 1, block.height + 1))  # so that the edges of its box are smooth
        # Each pixel looks up where it was before the turn, which is around the middle of the block.
        across, down = at[0] - left - turned[0] / 2, at[1] - top - turned[1] / 2
        before = (
            *(cos, sin, block.width / 2 + cos * across + sin * down),
            *(-sin, cos, block.height / 2 + cos * down - sin * across),
        )
        drawn = (end[0] - at[0], end[1] - at[1])
        return block.transform(drawn, Image.Transform.AFFINE, before, Image.Resampling.BICUBIC), at

    def _block(self, size: Size, room: Size) -> Image.Image:
        """Draw the text, not yet turned, as RGBA, no larger than the room for it."""
        font = _font(self.font, min(max(self.size.of(size[1]), 1), _MAX_SIZE))
        self._see_that_all_can_be_written()
        edge = self.padding + self.stroke
        lines = _broken(self.content, font, max(min(self.wrap.of(room[0]), room[0]) - 2 * edge, 1))
        ascent, descent = font.getmetrics()
        height = ascent + descent
        lines = lines[: room[1] // height + 1]
        lengths = [font.getlength(line) for line in lines]
        shift = _SHIFTS[self.align]
        origins = [
            (round((max(lengths) - length) * shift), ascent + number * height) for number, length in enumerate(lengths)
        ]
        boxes = [(0.0, 0.0, max(lengths), float(len(lines) * height))]
        for line, (x, y) in zip(lines, origins, strict=True):  # accents and slants may leave the line's own box
            ink = font.getbbox(line, anchor="ls")
            boxes.append((x + ink[0], y + ink[1], x + ink[2], y + ink[3]))
        lefts, tops, rights, bottoms = zip(*boxes, strict=True)
        left, top = math.floor(min(lefts)) - edge, math.floor(min(tops)) - edge
        right, bottom = math.ceil(max(rights)) + edge, math.ceil(max(bottoms)) + edge
        extent = min(right - left, room[0]), min(bottom - top, room[1])

        def shape(stroke: int) -> Image.Image:
            mask = Image.new("L", extent)
            pen = ImageDraw.Draw(mask)
            for line, (x, y) in zip(lines, origins, strict=True):
                pen.text((x - left, y - top), line, fill=255, font=font, anchor="ls", stroke_width=stroke)
            return mask

        return self._inked(shape)

    def _inked(self, shape: Callable[[int], Image.Image]) -> Image.Image:
        """Colour the shape of the letters, and that of their outline, which is what surrounds them."""
        letters = shape(0)
        if self.stroke:
            *ink, opacity = rgba(self.colour)
            inked = _coloured(shape(self.stroke), self.stroke_colour).convert("RGBa")
            inked.paste((*(round(level * opacity / 255) for level in ink), opacity), mask=letters)
            inked = inked.convert("RGBA")
        else:
            inked = _coloured(letters, self.colour)
        background = rgba(self.background)
        if background[3] == 0:
            return inked
        return Image.alpha_composite(Image.new("RGBA", letters.size, background), inked)

    def _see_that_all_can_be_written(self) -> None:
        for char in dict.fromkeys(self.content):
            if not _has(self.font, char):
                raise BadArgumentError(
                    self.name,
                    f"the font '{self.font}' has no '{char}' (U+{ord(char):04X}); name one that has it by its file, as"
                    " in font=NotoSansCJK-Regular.ttc.",
                )


@functools.lru_cache(maxsize=16)
def _font(name: str, size: int) -> Font:
    """Load the font that is shipped, or one from the folders where the system keeps them.

    Raises:
        FontNotFoundError: there is no such font, or not in this size.
    """
    if name == _SHIPPED:
        return ImageFont.truetype(io.BytesIO(_shipped()), size)
    try:
        # Pillow tries the path first, which must not be one: a file in the working directory is not an installed font.
        return ImageFont.truetype(f"/dev/null/{name}", size)
    except OSError as error:
        raise FontNotFoundError(name, str(error)) from error


@functools.cache
def _shipped() -> bytes:
    return (importlib.resources.files("imgray") / "fonts" / _SHIPPED).read_bytes()


@functools.lru_cache(maxsize=4096)
def _has(name: str, char: str) -> bool:
    """Say whether a font has a character: what it lacks looks like any other that it lacks."""
    if char.isspace() or unicodedata.category(char) == "Cf":
        return True
    font = _font(name, _PROBE_SIZE)
    if font.getbbox(char) != font.getbbox(_MISSING):
        return True
    return bytes(font.getmask(char)) != bytes(font.getmask(_MISSING))


def _is_mark(char: str) -> bool:
    return unicodedata.category(char) in {"Mn", "Me"}


def _broken(content: str, font: Font, width: int) -> list[str]:
    """Break text into lines of a width: between words, and inside of those that are longer."""
    lines: list[str] = []
    for paragraph in content.split("\n"):
        first, *words = paragraph.split(" ")
        *full, line = _pieces(first, font, width)
        for word in words:
            if font.getlength(f"{line} {word}") <= width:
                line = f"{line} {word}"
            else:
                full.append(line)
                *pieces, line = _pieces(word, font, width)
                full += pieces
        lines += [*full, line]
    return lines


def _pieces(line: str, font: Font, width: int) -> Iterator[str]:
    """Cut a line, when it is too long, into pieces of at least a letter, with its marks."""
    while font.getlength(line) > width:
        cuts = [at for at in range(1, len(line)) if not _is_mark(line[at]) and _JOINER not in line[at - 1 : at + 1]]
        cuts.append(len(line))
        most = 1
        while most < len(cuts) and font.getlength(line[: cuts[most - 1]]) <= width:  # measures little more than fits
            most *= 2
        fitting = bisect.bisect_right(cuts[:most], float(width), key=lambda at: font.getlength(line[:at]))
        cut = cuts[max(fitting, 1) - 1]
        if cut == len(line):
            break
        yield line[:cut]
        line = line[cut:]
    yield line


def _room(inner: Size, cos: float, sin: float) -> Size:
    """Return how long a line through the middle may be, along the text and across it, to stay inside."""
    width, height = max(inner[0], 1), max(inner[1], 1)
    cos, sin = max(abs(cos), 1e-9), max(abs(sin), 1e-9)
    return max(round(min(width / cos, height / sin)), 1), max(round(min(height / cos, width / sin)), 1)


def _box_around(size: Size, cos: float, sin: float) -> Size:
    """Return the size of the box around a turned one."""
    width, height = size
    cos, sin = abs(cos), abs(sin)
    return math.ceil(round(width * cos + height * sin, 6)), math.ceil(round(width * sin + height * cos, 6))


def _coloured(shape: Image.Image, colour: str) -> Image.Image:
    """Return a layer of a colour, as opaque as the colour and the shape are."""
    *ink, opacity = rgba(colour)
    layer = Image.new("RGB", shape.size, tuple(ink))
    layer.putalpha(shape.point([round(level * opacity / 255) for level in range(256)]))
    return layer
