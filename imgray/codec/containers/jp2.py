"""JPEG 2000 (ISO/IEC 15444-1): a codestream, alone or in boxes."""

from __future__ import annotations

import struct

from imgray.codec.containers.boxes import boxes
from imgray.codec.containers.contents import Contents

_START = b"\xff\x4f\xff\x51"  # start of codestream, and of the segment with the size
_END = b"\xff\xd9"
_SIZE = struct.Struct("!8x8I")  # far and near corner of the image, size of a tile, near corner of the tiles
_TRAILING_BYTES = 64  # that may stand after the end


def walk(view: memoryview, most_metadata: int) -> Contents | None:  # noqa: ARG001  # nothing is compressed
    """Look through a JPEG 2000."""
    codestream, metadata, cut = view, 0, False
    if bytes(view[:4]) != _START:
        codestream = view[:0]
        for box in boxes(view):
            if box.kind == b"jp2c":
                codestream, cut = box.body, not box.whole
                break
            metadata += len(box.body)
    if bytes(codestream[:4]) != _START or len(codestream) < _SIZE.size:
        return None
    right, lower, left, upper, tile_width, tile_height, *_ = _SIZE.unpack(codestream[: _SIZE.size])
    cut = cut or _END not in bytes(codestream[-_TRAILING_BYTES:])
    return Contents(
        (right - left, lower - upper),
        (min(tile_width, right), min(tile_height, lower)),
        metadata_bytes=metadata,
        missing="the file has no end-of-codestream marker" if cut else "",
    )
