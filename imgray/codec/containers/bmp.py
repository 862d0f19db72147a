"""BMP (Windows bitmaps, version 2 to 5): two headers, then rows."""

from __future__ import annotations

from imgray.codec.containers.contents import Contents
from imgray.picture import Size

_FILE_BYTES = 14
_OLD_BYTES = 12  # of the second header, in its first version
_TOLD_BYTES = 20  # of those after it, as many tell what is read here
_DEEPEST = 32  # bits of a pixel
_PLAIN = {0, 3}  # ways to compress that do not: none, and masks of bits


def walk(view: memoryview, most_metadata: int) -> Contents | None:  # noqa: ARG001  # there are none
    """Look at the headers of a BMP."""
    found = header(view[_FILE_BYTES:])
    if found is None:
        return None
    (width, height), depth = found
    if depth > _DEEPEST:
        return None
    missing = ""
    compression = int.from_bytes(view[_FILE_BYTES + 16 : _FILE_BYTES + 20], "little")
    if view[_FILE_BYTES] == _OLD_BYTES or compression in _PLAIN:
        row_bytes = (width * depth + 31) // 32 * 4
        end = int.from_bytes(view[10:14], "little") + (height - 1) * row_bytes + (width * depth + 7) // 8
        missing = "the file ends before its last row" if len(view) < end else ""
    return Contents((width, height), missing=missing)


def header(view: memoryview) -> tuple[Size, int] | None:
    """Return the size and the bits of a pixel that a second header tells; None when it is cut."""
    if len(view) < _OLD_BYTES:
        return None
    if view[0] == _OLD_BYTES:
        width, height, _, depth = (int.from_bytes(view[at : at + 2], "little") for at in (4, 6, 8, 10))
        return (width, height), depth
    if len(view) < _TOLD_BYTES:
        return None
    width = int.from_bytes(view[4:8], "little")
    height = abs(int.from_bytes(view[8:12], "little", signed=True))  # negative: the upper row comes first
    return (width, height), int.from_bytes(view[14:16], "little")


def icon_header(view: memoryview) -> tuple[Size, int] | None:
    """Return the same of a picture in an ICO, where the mask stands above it."""
    found = header(view)
    if found is None:
        return None
    (width, height), depth = found
    return (width, height // 2), depth
