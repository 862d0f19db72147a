"""PNG and APNG (PNG, third edition: W3C, 2025): chunks."""

from __future__ import annotations

import functools
import itertools
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from zlib_ng import zlib_ng

from imgray.codec.containers.contents import Contents, bounded
from imgray.codec.containers.frames import Blend, Disposal, StoredFrame
from imgray.codec.formats import PNG_MAGIC
from imgray.errors import ImageCorruptError
from imgray.picture import Size

Bytes: TypeAlias = bytes | memoryview

_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT"}
_COLOURS = {b"PLTE", b"tRNS"}
_CHUNK = struct.Struct("!I4s")  # length, type
_CONTROL = struct.Struct("!4xIIIIHHBB")  # sequence number; size, place, delay as a fraction, disposal, blending
_HEADER_BYTES = 13
_CHANNELS = {2: 3, 4: 2, 6: 4}  # by colour type
_DISPOSALS = {1: Disposal.CLEAR, 2: Disposal.RESTORE}


def walk(view: memoryview, most_metadata: int) -> Contents | None:
    """Look through a PNG."""
    size = None
    metadata = frames = 0
    animated = pixels = pending = False
    missing = "the file ends before its IEND chunk"
    for kind, body in bounded(_chunks(view), len(view)):
        if size is None:
            found = header(view)
            if found is None:
                return None
            size, _ = found
        if kind == b"IEND":
            missing = ""
            break
        if kind == b"fcTL":
            pending = True
        elif kind in {b"IDAT", b"fdAT"}:
            pixels = True
            frames += pending
            pending = False
        elif kind == b"acTL":
            animated = animated or not pixels
        elif kind not in _PIXELS:
            metadata += _weight(kind, body, max(most_metadata - metadata, 0) + 1)
    if size is None:
        return None
    return Contents(size, frames=frames if animated and frames else 1, metadata_bytes=metadata, missing=missing)


def header(view: memoryview) -> tuple[Size, int] | None:
    """Return the size and the bits of a pixel that the first chunk tells; None when it is another."""
    kind, body = next(_chunks(view), (b"", view[:0]))
    if kind != b"IHDR" or len(body) < _HEADER_BYTES:
        return None
    return (int.from_bytes(body[:4]), int.from_bytes(body[4:8])), body[8] * _CHANNELS.get(body[9], 1)


def pixels(view: memoryview) -> Iterator[memoryview]:
    """Yield the parts of the compressed rows."""
    chunks = itertools.dropwhile(lambda chunk: chunk[0] != b"IDAT", bounded(_chunks(view), len(view)))
    return (body for _, body in itertools.takewhile(lambda chunk: chunk[0] == b"IDAT", chunks))


def file_of(size: Size, depth: int, colour_type: int, compressed: Iterable[Bytes]) -> bytes:
    """Return a PNG with no more than what it must have."""
    header = struct.pack("!IIBB3x", *size, depth, colour_type)
    return b"".join((PNG_MAGIC, *_chunk(b"IHDR", header), *_chunk(b"IDAT", *compressed), *_chunk(b"IEND")))


def first_stands_alone(view: memoryview) -> bool:
    """Say whether the file, read as an image, shows the first frame: not a picture that is none."""
    kinds = [kind for kind, _ in bounded(_chunks(view), len(view)) if kind in {b"acTL", b"fcTL", b"IDAT"}]
    return kinds[:1] != [b"acTL"] or b"fcTL" not in kinds or kinds.index(b"fcTL") < kinds.index(b"IDAT")


def stored_frames(view: memoryview) -> Iterator[StoredFrame]:
    """Yield the frames of an APNG, each as a PNG of its own.

    A picture that it shows only where it cannot be animated has no control chunk, and is no frame.
    """
    header = b""
    colours: list[Bytes] = []
    control: memoryview | None = None
    pixels: list[memoryview] = []
    for kind, body in bounded(_chunks(view), len(view)):
        if kind == b"IHDR":
            header = bytes(body)
        elif kind in _COLOURS:
            colours += _chunk(kind, body)
        elif kind == b"IDAT":
            pixels.append(body)
        elif kind == b"fdAT":
            pixels.append(body[4:])  # after its sequence number
        elif kind in {b"fcTL", b"IEND"}:
            if control is not None and pixels:
                yield _frame(header, colours, control, pixels)
            control, pixels = body, []
            if kind == b"IEND":
                return
    if control is not None and pixels:
        yield _frame(header, colours, control, pixels)


def _frame(header: bytes, colours: list[Bytes], control: memoryview, pixels: list[memoryview]) -> StoredFrame:
    width, height, left, top, number, per_second, disposal, blending = _CONTROL.unpack(control[: _CONTROL.size])
    if left + width > int.from_bytes(header[:4]) or top + height > int.from_bytes(header[4:8]):
        raise ImageCorruptError("a frame sticks out of the picture")
    parts = [
        PNG_MAGIC,
        *_chunk(b"IHDR", struct.pack("!II", width, height), header[8:]),
        *colours,
        *_chunk(b"IDAT", *pixels),
        *_chunk(b"IEND"),
    ]
    return StoredFrame(
        data=b"".join(parts),
        format="PNG",
        at=(left, top),
        blend=Blend.OVER if blending else Blend.REPLACE,
        disposal=_DISPOSALS.get(disposal, Disposal.KEEP),
        duration_ms=round(1000 * number / (per_second or 100)),
    )


def _chunks(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    position = len(PNG_MAGIC)
    while position + 12 <= len(view):
        length, kind = _CHUNK.unpack_from(view, position)
        yield kind, view[position + 8 : position + 8 + length]
        position += 12 + length  # length, type, data, checksum


def _chunk(kind: bytes, *data: Bytes) -> list[Bytes]:
    """Return the parts of a chunk."""
    checksum = functools.reduce(lambda sum_, part: zlib_ng.crc32(part, sum_), (kind, *data), 0)
    return [struct.pack("!I", sum(len(part) for part in data)), kind, *data, struct.pack("!I", checksum)]


def _weight(kind: bytes, body: memoryview, most: int) -> int:
    """Return how large some metadata are when decompressed, or ``most`` if that is less."""
    compressed = _compressed(kind, body)
    if compressed is None:
        return len(body)
    try:
        return max(len(zlib.decompressobj().decompress(compressed, most)), len(body))
    except zlib.error:  # nobody will get more out of it
        return len(body)


def _compressed(kind: bytes, body: memoryview) -> bytes | None:
    """Return the part of a chunk that is compressed, if any is."""
    if kind not in {b"zTXt", b"iTXt", b"iCCP"}:
        return None
    _, _, rest = bytes(body).partition(b"\0")  # after the name
    if kind != b"iTXt":
        return rest[1:]  # after the method
    texts = rest[2:].split(b"\0", 2)  # language, translated keyword, text
    return texts[2] if rest[:1] != b"\0" and len(texts) == 3 else None  # noqa: PLR2004  # as said
