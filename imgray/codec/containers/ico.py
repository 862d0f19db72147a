"""ICO: a directory that may lie, and pictures in it, each a PNG or a Windows bitmap without its file header."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from imgray.codec.containers import bmp, png
from imgray.codec.containers.contents import Contents, bounded
from imgray.codec.formats import PNG_MAGIC
from imgray.picture import Size

_HEADER_BYTES, _ENTRY_BYTES = 6, 16


@dataclass(frozen=True, slots=True)
class _Entry:
    """A picture by what it says of itself."""

    size: Size
    depth: int
    data: memoryview
    length: int

    @property
    def is_png(self) -> bool:
        return bytes(self.data[:8]) == PNG_MAGIC


def walk(view: memoryview, most_metadata: int) -> Contents | None:
    """Find the largest picture, and look through it."""
    best = _largest(view)
    if best is None:
        return None
    missing = ""
    if len(best.data) < best.length or any(offset >= len(view) for _, offset in _places(view)):
        missing = "the file ends before its pictures do"
    if not best.is_png:
        return Contents(best.size, missing=missing)
    inside = png.walk(best.data, most_metadata)
    return replace(inside, frames=1, missing=inside.missing or missing) if inside else None


def largest(view: memoryview) -> tuple[bytes | memoryview, str]:
    """Return the largest picture, and Pillow's name of its format: PNG, or ICO with a directory that does not lie."""
    best = _largest(view)
    if best is None:
        return b"", "ICO"
    if best.is_png:
        return best.data, "PNG"
    width, height = (side if side < 256 else 0 for side in best.size)  # noqa: PLR2004  # what does not fit is 0
    offset = _HEADER_BYTES + _ENTRY_BYTES
    entry = struct.pack("<BBBBHHII", width, height, 0, 0, 1, best.depth, len(best.data), offset)
    return struct.pack("<HHH", 0, 1, 1) + entry + best.data, "ICO"


def _largest(view: memoryview) -> _Entry | None:
    entries = bounded(_entries(view), len(view))
    return max(entries, key=lambda entry: (entry.size[0] * entry.size[1], entry.depth), default=None)


def _places(view: memoryview) -> Iterator[tuple[int, int]]:
    """Yield the length and the offset of each picture."""
    for number in range(int.from_bytes(view[4:6], "little")):
        start = _HEADER_BYTES + _ENTRY_BYTES * number + _ENTRY_BYTES // 2
        length, offset = (
            int.from_bytes(view[start : start + 4], "little"),
            int.from_bytes(view[start + 4 : start + 8], "little"),
        )
        yield length, offset


def _entries(view: memoryview) -> Iterator[_Entry]:
    for length, offset in _places(view):
        data = view[offset : offset + length]
        inside = png.header(data) if bytes(data[:8]) == PNG_MAGIC else bmp.icon_header(data)
        if inside is not None:
            yield _Entry(*inside, data, length)
