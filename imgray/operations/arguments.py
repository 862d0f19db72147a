"""Kinds of arguments that several operations take: colours, lengths, lists of numbers, places.

Each is written the same in the grammar, in JSON and in Python, and validates to one canonical value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from PIL import ImageColor
from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from imgray.picture import Size

MAX_SIDE = 16_384
"""Largest width or height that can be asked for, in pixels."""

_LENGTH = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(px|p|%)?")
_HEX = re.compile(r"[0-9a-fA-F]{3,4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8}")
OPAQUE = 255
"""The highest alpha."""


@dataclass(frozen=True, slots=True)
class LengthValue:
    """A number of pixels, or a part of what there is."""

    amount: float
    percent: bool = False

    def __str__(self) -> str:
        return f"{self.amount:.10g}{'p' if self.percent else ''}"

    def of(self, whole: int) -> int:
        """Return it in pixels, where ``whole`` is all there is."""
        return round(whole * self.amount / 100) if self.percent else round(self.amount)


def _length(value: Any) -> LengthValue:  # noqa: ANN401  # whatever a caller gives
    if isinstance(value, LengthValue):
        return value
    match = _LENGTH.fullmatch(str(value)) if not isinstance(value, bool) else None
    if match is None:
        raise ValueError("give pixels, as 120, or a part, as 50p or 50% (p needs no escaping in a URL)")
    amount, unit = float(match[1]), match[2]
    if unit not in {"p", "%"} and amount > MAX_SIDE:
        raise ValueError(f"at most {MAX_SIDE} pixels")
    if unit in {"p", "%"} and amount > 1000:  # noqa: PLR2004  # ten times the whole
        raise ValueError("at most 1000 percent")
    return LengthValue(amount, unit in {"p", "%"})


Length: TypeAlias = Annotated[
    LengthValue,
    PlainValidator(_length),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?(px|p|%)?$", "examples": ["120", "50p"]}),
]
"""Pixels (``120``) or a percentage (``50p`` or ``50%``) of the side that it is measured along."""


def split(value: Any) -> Any:  # noqa: ANN401
    """Take apart what the grammar joins by colons."""
    return value.split(":") if isinstance(value, str) else value


Numbers: TypeAlias = Annotated[tuple[float, ...], BeforeValidator(split)]
"""Numbers in a row: ``1:0.5:0`` in the grammar, ``[1, 0.5, 0]`` in JSON."""


_MAX_ASPECT = 1000  # a ratio beyond it makes a line of an image


def _aspect(value: tuple[float, ...]) -> tuple[float, ...]:
    if len(value) != len(("width", "height")) or min(value) <= 0:
        raise ValueError("give the ratio of width to height, as 16:9")
    if not 1 / _MAX_ASPECT <= value[0] / value[1] <= _MAX_ASPECT:
        raise ValueError(f"at most {_MAX_ASPECT} to 1")
    return value


Aspect: TypeAlias = Annotated[tuple[float, ...], BeforeValidator(split), AfterValidator(_aspect)]
"""The ratio of width to height: ``16:9`` in the grammar, ``[16, 9]`` in JSON."""


def _colour(value: str) -> str:
    text = value.strip().lower()
    if _HEX.fullmatch(text):
        text = f"#{text}"
    try:
        red, green, blue, *alpha = ImageColor.getrgb(text)
    except ValueError:
        raise ValueError("give a colour by name, as orange, or in hexadecimal, as ff8800 or ff880080") from None
    channels = (red, green, blue, *(alpha if alpha and alpha[0] != OPAQUE else ()))
    return "".join(f"{channel:02x}" for channel in channels)


Colour: TypeAlias = Annotated[str, Field(max_length=40), AfterValidator(_colour)]
"""A CSS colour: ``orange``, ``ff8800``, with alpha ``ff880080``; in canonical form hexadecimal, without ``#``."""


def _opaque(colour: str) -> str:
    if len(colour) > len("ff8800"):
        raise ValueError("give an opaque colour, without alpha, as ff8800")
    return colour


OpaqueColour: TypeAlias = Annotated[Colour, AfterValidator(_opaque)]
"""A CSS colour without alpha."""


def rgba(colour: str) -> tuple[int, int, int, int]:
    """Return a validated `Colour` as red, green, blue and alpha, 0 to 255."""
    channels = bytes.fromhex(colour)
    red, green, blue = channels[:3]
    return red, green, blue, channels[3] if len(channels) > len("rgb") else OPAQUE


_PLACES = {
    "center": (0.5, 0.5),
    "north": (0.5, 0.0),
    "northeast": (1.0, 0.0),
    "east": (1.0, 0.5),
    "southeast": (1.0, 1.0),
    "south": (0.5, 1.0),
    "southwest": (0.0, 1.0),
    "west": (0.0, 0.5),
    "northwest": (0.0, 0.0),
}
_POINT = re.compile(r"(0(?:\.\d{1,6})?|1(?:\.0{1,6})?):(0(?:\.\d{1,6})?|1(?:\.0{1,6})?)")


def _place(value: str) -> str:
    if value in _PLACES or _POINT.fullmatch(value):
        return value
    raise ValueError(f"give one of {', '.join(_PLACES)}, or a point from 0:0 (top left) to 1:1, as 0.3:0.7")


Place: TypeAlias = Annotated[str, Field(max_length=20), AfterValidator(_place)]
"""Where in the image: a side or corner by compass, ``center``, or a point as parts of width and height, ``0.3:0.7``."""


CONTENT_AWARE = frozenset({"attention", "entropy"})
"""What a `Gravity` may be beside a `Place`."""


def _gravity(value: str) -> str:
    if value in CONTENT_AWARE:
        return value
    try:
        return _place(value)
    except ValueError as error:
        raise ValueError(f"{error}; or attention or entropy, which look at the image") from None


Gravity: TypeAlias = Annotated[str, Field(max_length=20), AfterValidator(_gravity)]
"""A `Place`, or how it is found by looking at the image: see `imgray.operations.saliency`."""


def corner_of(place: str, whole: Size, part: Size) -> tuple[int, int]:
    """Return left and top of a part that is put at a validated `Place` of a whole.

    Sides and corners align the edges; a point is where the part's middle should be, as far as that leaves it inside.
    """
    if place in _PLACES:
        across, down = _PLACES[place]
        return round((whole[0] - part[0]) * across), round((whole[1] - part[1]) * down)
    point = tuple(float(one) for one in place.split(":"))
    left, top = (
        min(max(round(total * at - own / 2), 0), max(total - own, 0))
        for total, at, own in zip(whole, point, part, strict=True)
    )
    return left, top
