"""What EXIF metadata say, in terms that a person reads and JSON has. Nonsense in them is passed over.

(EXIF 3.0, CIPA DC-008-2023.)
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from PIL import ExifTags, Image

_MAX_TAGS = 200
_MAX_TEXT = 500
_MAX_NUMBERS = 16  # in one tag: longer ones are tables for a program
_MAX_BYTES = 8  # of a tag that is neither text nor numbers but still short enough to be looked at
_POINTERS = {ExifTags.Base.ExifOffset, ExifTags.Base.GPSInfo, 0xA005}  # the last is that of interoperability
_WINDOWS_TEXTS = range(0x9C9B, 0x9CA0)  # XPTitle to XPSubject, in UTF-16
_BELOW_SEA = {1, 3}  # GPSAltitudeRef, EXIF 3.0


def told(data: bytes) -> dict[str, Any]:
    """Return the tags that make sense, by name: of the image, the camera, and GPS; not more than `_MAX_TAGS`.

    Args:
        data: the metadata as they stand in a file; empty when it has none.
    """
    return dict(itertools.islice(_exif(data), _MAX_TAGS))


def position(exif: Mapping[str, Any]) -> dict[str, float | None] | None:
    """Return the position in degrees, the altitude in metres; None when there is none, or it is nonsense."""
    latitude = _degrees(exif, "GPSLatitude", "S", 90)
    longitude = _degrees(exif, "GPSLongitude", "W", 180)
    if latitude is None or longitude is None:
        return None
    altitude = exif.get("GPSAltitude")
    if not isinstance(altitude, (int, float)):
        return {"latitude": latitude, "longitude": longitude, "altitude": None}
    below = exif.get("GPSAltitudeRef") in _BELOW_SEA
    return {"latitude": latitude, "longitude": longitude, "altitude": -altitude if below else altitude}


def _degrees(exif: Mapping[str, Any], name: str, negative: str, most: int) -> float | None:
    """Return degrees, minutes and seconds as degrees."""
    parts = exif.get(name)
    if not isinstance(parts, list) or not all(isinstance(part, (int, float)) for part in parts):
        return None
    degrees: float = sum(part / 60.0**power for power, part in enumerate(parts[:3]))
    if degrees > most:
        return None
    return round(-degrees if exif.get(f"{name}Ref") == negative else degrees, 6)


def _exif(data: bytes) -> Iterator[tuple[str, Any]]:
    """Yield the tags that make sense, by name, in the order of their numbers: of the image, the camera, and GPS."""
    exif = Image.Exif()
    for names, read in (
        (ExifTags.TAGS, lambda: exif),
        (ExifTags.TAGS, lambda: exif.get_ifd(ExifTags.IFD.Exif)),
        (ExifTags.GPSTAGS, lambda: exif.get_ifd(ExifTags.IFD.GPSInfo)),
    ):
        with contextlib.suppress(Exception):  # whatever stands in metadata, the picture is described
            if not exif:
                exif.load(data)
            yield from _tags(read(), names)


def _tags(directory: Mapping[int, Any], names: Mapping[int, str]) -> Iterator[tuple[str, Any]]:
    for tag in sorted(set(directory) - _POINTERS):
        value = _told(tag, directory[tag])
        if value is not None:
            yield names.get(tag, f"0x{tag:04x}"), value


def _told(tag: int, value: Any) -> Any:  # noqa: ANN401  # whatever a file says
    """Return the value of a tag as JSON has it; None when it says nothing to a person."""
    if isinstance(value, bytes):
        return _unpacked(tag, value)
    if isinstance(value, str):
        return _cut(_as_utf_8(value))
    if isinstance(value, int):
        return value
    if isinstance(value, tuple):
        numbers = [_told(tag, one) for one in value] if len(value) <= _MAX_NUMBERS else [None]
        return None if None in numbers else numbers
    number = float(value)
    return number if math.isfinite(number) else None


def _unpacked(tag: int, data: bytes) -> str | int | list[int] | None:
    """Read bytes as text if they are some, as numbers if they are few."""
    if tag in _WINDOWS_TEXTS:
        return _cut(data.decode("utf-16-le", "replace"))
    with contextlib.suppress(UnicodeError):
        text = data.removeprefix(b"ASCII\0\0\0").rstrip(b"\0 ").decode()  # the code of a UserComment, EXIF 3.0
        if text.isprintable() and (text or len(data) > _MAX_BYTES):
            return _cut(text)
    if len(data) > _MAX_BYTES:
        return None
    return data[0] if len(data) == 1 else list(data)


def _as_utf_8(text: str) -> str:
    """Mend what is UTF-8 and was read as Latin-1: EXIF knows ASCII only, but programs write it."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _cut(text: str) -> str:
    text = text.strip("\0 ")
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
