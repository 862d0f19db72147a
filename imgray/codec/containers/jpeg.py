"""JPEG (ITU-T T.81): marker segments."""

from __future__ import annotations

import re
from collections.abc import Iterator

from imgray.codec.containers.contents import Contents, bounded

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # among pixels, 0xFF 0x00 is a byte 0xFF, 0xFF 0xD0 a restart
_ALONE = {0x01, 0xD8, 0xD9}  # markers without a length: TEM, SOI, EOI
_SOS, _EOI, _COM = 0xDA, 0xD9, 0xFE
_APPS = range(0xE0, 0xF0)
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15; the others are tables


def walk(view: memoryview, most_metadata: int) -> Contents | None:  # noqa: ARG001  # nothing is compressed
    """Look through a JPEG, up to the end of its first image."""
    size = None
    metadata = scans = 0
    missing = "the file has no end-of-image marker"
    for marker, segment in bounded(_segments(view), len(view)):
        if marker in _APPS or marker == _COM:
            metadata += len(segment)
        elif marker in _FRAMES and size is None:
            size = int.from_bytes(segment[5:7]), int.from_bytes(segment[3:5])
        elif marker == _SOS:
            scans += 1
        elif marker == _EOI:
            missing = ""
            break
    if size is None:
        return None
    return Contents(size, metadata_bytes=metadata, scans=scans, missing=missing)


def _segments(view: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield each marker and its segment, which begins with its length."""
    position = 0
    while match := _MARKER.search(view, position):
        marker = view[match.end() - 1]
        start = match.end()
        length = 0 if marker in _ALONE else int.from_bytes(view[start : start + 2])
        yield marker, view[start : start + length]
        position = start + length
