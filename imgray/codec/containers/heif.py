"""AVIF and HEIC (ISO/IEC 23008-12): the box that describes the primary image, and that of a sequence."""

from __future__ import annotations

import re

from imgray.codec.containers.boxes import boxes, inside
from imgray.codec.containers.contents import Contents
from imgray.errors import ImageCorruptError
from imgray.picture import Size

_FULL = 4  # bytes of version and flags, before what a full box holds
_SEQUENCE = b"avis"
_ITEM = re.compile(rb"infe(.)", re.DOTALL)  # and its version
_ITEM_BYTES, _LONG_ITEM = 7, 9  # of flags, number and protection, before its type and name


def walk(view: memoryview, most_metadata: int) -> Contents | None:  # noqa: ARG001  # metadata cannot be told from pixels
    """Look through an AVIF or HEIC."""
    size: Size | None = None
    frames = 1
    missing = ""
    for box in boxes(view):
        if box.kind == b"meta" and size is None:
            size = _primary_size(box.body[_FULL:])
        elif box.kind == b"moov" and bytes(view[8:12]) == _SEQUENCE:
            frames = max(frames, _samples(box.body))
        if not box.whole:
            missing = "the file is shorter than it says"
    return Contents(size, frames=frames, missing=missing) if size else None


def walk_heic(view: memoryview, most_metadata: int) -> Contents | None:
    """Look through a HEIC.

    Raises:
        ImageCorruptError: an item has a type or a name that is no text, at which pi-heif 1.4 would crash.
    """
    for meta in (box.body for box in boxes(view) if box.kind == b"meta"):
        for found in _ITEM.finditer(meta):
            end = found.start() - 4 + int.from_bytes(meta[found.start() - 4 : found.start()])
            texts = meta[found.end() + (_LONG_ITEM if found[1] >= b"\3" else _ITEM_BYTES) : end]
            try:
                bytes(texts).decode()
            except UnicodeDecodeError as error:
                raise ImageCorruptError("an item's type or name is no text") from error
    return walk(view, most_metadata)


def _primary_size(meta: memoryview) -> Size | None:
    """Return the size of the primary image (section 6.5.3); that of the largest one if nothing is said of it."""
    properties = inside(meta, b"iprp", b"ipco")
    if properties is None:
        return None
    sizes = {number: _spatial(box.body) for number, box in enumerate(boxes(properties), 1) if box.kind == b"ispe"}
    wanted = _primary_item(meta)
    for number in _associations(inside(meta, b"iprp", b"ipma"), wanted):
        if number in sizes:
            return sizes[number]
    return max(sizes.values(), key=lambda size: size[0] * size[1], default=None)


def _spatial(body: memoryview) -> Size:
    return int.from_bytes(body[4:8]), int.from_bytes(body[8:12])


def _primary_item(meta: memoryview) -> int:
    body = inside(meta, b"pitm")
    if not body:
        return 0
    return int.from_bytes(body[_FULL : _FULL + 4] if body[0] else body[_FULL : _FULL + 2])


def _associations(body: memoryview | None, wanted: int) -> list[int]:
    """Return the numbers of an item's properties (section 9.3.1)."""
    if body is None or len(body) < _FULL + 4:
        return []
    item_bytes = 4 if body[0] else 2
    property_bytes = 2 if body[3] & 1 else 1
    position = _FULL + 4
    while position + item_bytes < len(body):
        item = int.from_bytes(body[position : position + item_bytes])
        count = body[position + item_bytes]
        position += item_bytes + 1
        if item == wanted:
            numbers = [
                int.from_bytes(body[at : at + property_bytes])
                for at in range(position, position + count * property_bytes, property_bytes)
            ]
            return [number & (0x7FFF if property_bytes == 2 else 0x7F) for number in numbers]  # noqa: PLR2004  # bytes
        position += count * property_bytes
    return []


def _samples(movie: memoryview) -> int:
    """Return how many frames the longest track has (ISO/IEC 14496-12, section 8.7.3)."""
    tables = [inside(track.body, b"mdia", b"minf", b"stbl", b"stsz") for track in boxes(movie) if track.kind == b"trak"]
    return max((int.from_bytes(table[8:12]) for table in tables if table), default=1)
