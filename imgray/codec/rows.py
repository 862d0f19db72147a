"""The rows of a PNG by libdeflate and libpng, where imagecodecs is installed: in half of Pillow's time.

They are given the compressed rows and nothing else of the file, which stays with Pillow; so does every file that either
of them refuses. The bytes are what Pillow's own decoder would have made.
"""

from __future__ import annotations

import functools
import importlib
import struct
from collections.abc import Iterable, Iterator
from types import ModuleType

from PIL import ImageFile
from zlib_ng import zlib_ng

from imgray.codec.containers import png

_BAND_BYTES = 2**18  # of rows that are done at a time: they stay in the processor's cache
_STORED_BYTES = 0xFFFF  # the most that a block of deflate holds as it is
_STORED = struct.Struct("<BHH")
_KINDS = {1: 0, 2: 4, 3: 2, 4: 6}
"""The colour type of 8 bits a channel that has so many bytes a pixel: filters know no more of a pixel than that."""

_BITS = {"1": 1, "L;2": 2, "L;4": 4, "L": 8, "I;16B": 16, "RGB": 24, "P;1": 1, "P;2": 2, "P;4": 4, "P": 8}
_BITS |= {"LA": 16, "LA;16B": 32, "RGBA": 32}
"""Of a pixel, by Pillow's name for how it is stored."""


@functools.cache
def _codecs() -> ModuleType | None:
    try:
        return importlib.import_module("imagecodecs")
    except ImportError:
        return None


def load_rows(image: ImageFile.ImageFile, view: memoryview) -> bool:
    """Load the pixels of a PNG that was opened; return False, and leave it as it is, if that cannot be done here.

    Raises:
        OSError, SyntaxError, ValueError: what follows the pixels cannot be read.
        MemoryError: there is not enough of it.
    """
    codecs, head = _codecs(), png.header(view)
    if codecs is None or head is None or image.info.get("interlace") or len(image.tile) != 1:
        return False
    (width, height), bits = head
    if image.size != (width, height) or _BITS.get(str(image.tile[0].args)) != bits:  # a later header said otherwise
        return False
    row_bytes, pixel_bytes = (width * bits + 7) // 8, max(bits // 8, 1)
    tile = image.tile[0]
    if pixel_bytes not in _KINDS or tile.codec_name != "zip":
        return False
    try:
        parts = list(png.pixels(view))
        compressed = parts[0] if len(parts) == 1 else b"".join(parts)
        filtered = codecs.deflate_decode(compressed, out=(row_bytes + 1) * height)
        if len(filtered) != (row_bytes + 1) * height:
            return False
        bands = _bands(codecs, memoryview(filtered), row_bytes, pixel_bytes)
        image.load_read = lambda _: next(bands, b"")  # type: ignore[attr-defined]  # of PngImageFile, whose load() calls it
        image.tile = [tile._replace(codec_name="raw", args=(str(tile.args), row_bytes, 1))]
        image.load()
    except (codecs.DeflateError, codecs.PngError):
        image.tile = [tile]
        return False
    finally:
        vars(image).pop("load_read", None)  # and with it the rows
    return True


def _bands(codecs: ModuleType, filtered: memoryview, row_bytes: int, pixel_bytes: int) -> Iterator[memoryview]:
    """Yield rows as they were before they were filtered, some at a time."""
    size = _BAND_BYTES // (row_bytes + 1) * (row_bytes + 1) or row_bytes + 1
    above: list[png.Bytes] = []  # the row before, as one that was not filtered
    for at in range(0, len(filtered), size):
        rows = filtered[at : at + size]
        height = len(rows) // (row_bytes + 1) + bool(above)
        file = png.file_of((row_bytes // pixel_bytes, height), 8, _KINDS[pixel_bytes], _stored([*above, rows]))
        band = memoryview(codecs.png_decode(file)).cast("B")
        yield band[row_bytes:] if above else band
        above = [b"\0", band[-row_bytes:]]


def _stored(parts: Iterable[png.Bytes]) -> Iterator[png.Bytes]:
    """Yield a zlib stream of bytes that are not compressed (RFC 1950; RFC 1951, 3.2.4)."""
    yield b"\x78\x01"
    check = 1
    for part in parts:
        check = zlib_ng.adler32(part, check)
        for at in range(0, len(part), _STORED_BYTES):
            block = part[at : at + _STORED_BYTES]
            yield _STORED.pack(0, len(block), len(block) ^ 0xFFFF)
            yield block
    yield _STORED.pack(1, 0, 0xFFFF)
    yield check.to_bytes(4)
