"""JPEG XL (ISO/IEC 18181): a codestream, alone or in boxes."""

from __future__ import annotations

from imgray.codec.containers.boxes import boxes
from imgray.codec.containers.contents import Contents

_START = b"\xff\x0a"
_SIZE_BYTES = 16  # at the most, with what stands before
_LEAST_BYTES = 4
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_PART = b"jxlp"
_CODESTREAM = {b"jxlc", _PART}
_PIXELS = {b"JXL ", b"ftyp", b"jxll", b"jxli"} | _CODESTREAM
_NEEDED = _PIXELS | {b"Exif"}


def walk(view: memoryview, most_metadata: int) -> Contents | None:  # noqa: ARG001  # what is compressed is left out
    """Look through a JPEG XL."""
    if bytes(view[:2]) == _START:
        return _contents(bytes(view[:_SIZE_BYTES]), 0, "")
    metadata = 0
    missing = ""
    codestream = b""
    for box in boxes(view):
        if box.kind in _CODESTREAM and len(codestream) < _SIZE_BYTES:
            codestream += box.body[4 if box.kind == _PART else 0 :][:_SIZE_BYTES]  # after its number
        if box.kind not in _PIXELS:
            metadata += len(box.body)
        if not box.whole:
            missing = "the file is shorter than it says"
    return _contents(codestream, metadata, missing)


def needed(view: memoryview) -> bytes | memoryview:
    """Return the file without what its decoder need not see: compressed metadata, and how it was once a JPEG."""
    if bytes(view[:2]) == _START:
        return view
    return b"".join(view[box.start : box.end] for box in boxes(view) if box.kind in _NEEDED)


def _contents(codestream: bytes, metadata: int, missing: str) -> Contents | None:
    """Read the size at the beginning of a codestream (part 1, SizeHeader)."""
    bits = int.from_bytes(codestream[2:_SIZE_BYTES], "little")  # fields stand from the lowest bit on
    if len(codestream) < _LEAST_BYTES or codestream[:2] != _START:
        return None

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    small = take(1)

    def side() -> int:
        return (take(5) + 1) * 8 if small else take((9, 13, 18, 30)[take(2)]) + 1

    height = side()
    ratio = take(3)
    width = height * _RATIOS[ratio][0] // _RATIOS[ratio][1] if ratio else side()
    return Contents((width, height), metadata_bytes=metadata, missing=missing)
