"""WebP (RFC 9649): RIFF chunks."""

from __future__ import annotations

from collections.abc import Iterator

from imgray.codec.containers.contents import Contents, bounded
from imgray.picture import Size

_METADATA = {b"ICCP", b"EXIF", b"XMP "}
_HEADER_BYTES = 12
_PIXELS_BYTES = 10  # of each kind of chunk that tells the size, as many tell it


def walk(view: memoryview, most_metadata: int) -> Contents | None:  # noqa: ARG001  # nothing is compressed
    """Look through a WebP."""
    end = int.from_bytes(view[4:8], "little") + 8
    size: Size | None = None
    metadata = frames = 0
    for kind, body in bounded(_chunks(view[:end]), len(view)):
        if size is None:  # it stands in the first chunk
            size = _size(kind, body)
            if size is None:
                return None
        if kind in _METADATA:
            metadata += len(body)
        elif kind == b"ANMF":
            frames += 1
    if size is None:
        return None
    missing = "the file is shorter than it says" if len(view) < end else ""
    return Contents(size, frames=max(frames, 1), metadata_bytes=metadata, missing=missing)


def _chunks(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    position = _HEADER_BYTES
    while position + 8 <= len(view):
        length = int.from_bytes(view[position + 4 : position + 8], "little")
        yield bytes(view[position : position + 4]), view[position + 8 : position + 8 + length]
        position += 8 + length + length % 2


def _size(kind: bytes, body: memoryview) -> Size | None:
    """Read the size from a chunk that tells it (RFC 9649, sections 2.5 to 2.7)."""
    if len(body) < _PIXELS_BYTES:
        return None
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8 ":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None
