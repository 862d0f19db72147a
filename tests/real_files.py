"""Small files of every format that imgray reads, made by code: the same picture in each.

Its quarters are red, green, blue and yellow, so that a glance at the corners tells how it is turned.
"""

from __future__ import annotations

import base64
import functools
import itertools
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pictures import encoded, picture
from PIL import Image

from imgray.codec import FORMATS, ImageLimits
from imgray.codec.plugins import set_up

SIZE = (64, 48)
CORNERS = ((220, 40, 40), (40, 200, 60), (40, 60, 220), (230, 220, 60))
"""Left above, right above, left below, right below."""

UNTURNED = {
    1: (),
    2: (Image.Transpose.FLIP_LEFT_RIGHT,),
    3: (Image.Transpose.ROTATE_180,),
    4: (Image.Transpose.FLIP_TOP_BOTTOM,),
    5: (Image.Transpose.TRANSPOSE,),
    6: (Image.Transpose.ROTATE_90,),
    7: (Image.Transpose.TRANSVERSE,),
    8: (Image.Transpose.ROTATE_270,),
}
"""How an upright picture is stored that is to be shown with an EXIF orientation."""

_HEIC = (
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAchtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9jAAAA"
    "AERAAAIAAQAAAAAB7AABAAAAAAAAAG8AAgAAAAACWwABAAAAAAAAACQAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZl"
    "AgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAABB2lwcnAAAADmaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH/"
    "/wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29s"
    "cm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAADAAAAABAAAAQAAAAAH////wAAAAAgAAAAAAAAACAAAAEHBpeGkAAAAA"
    "AwgICAAAAAlpcm90AwAAABlpcG1hAAAAAAAAAAEAAQaBAgMFhIYAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEAAQAAAJttZGF0AAAAaygBrwng40ec"
    "VMhVgf/saP/82eJTJ9x6L9/2KW/c9V2v4XUAmFaJhvFRC59P8gvGz2wd81SPiM6pxlD0+IV+H3mnno3qWB//dExxCILepKSbpB4Fp+88W/sd9/MV"
    "39WddXPVE2spB2oQFtfwAAAABkV4aWYAAE1NACoAAAAIAAEBEgADAAAAAQAGAAAAAAAA"
)
"""Encoded with x265, which no dependency of ours has; stored lying, with a box and an EXIF tag that turn it upright."""


def quarters(size: tuple[int, int] = SIZE) -> Image.Image:
    """Draw the picture."""
    width, height = size
    image = Image.new("RGB", size, CORNERS[0])
    image.paste(CORNERS[1], (width // 2, 0, width, height // 2))
    image.paste(CORNERS[2], (0, height // 2, width // 2, height))
    image.paste(CORNERS[3], (width // 2, height // 2, width, height))
    return image


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """Return the colours of the corners, in the same order."""
    right, bottom = image.width - 2, image.height - 2
    rgb = image.convert("RGB")
    return [rgb.getpixel(at) for at in ((1, 1), (right, 1), (1, bottom), (right, bottom))]  # type: ignore[misc]


def stored(orientation: int, size: tuple[int, int] = SIZE) -> tuple[Image.Image, bytes]:
    """Return the picture as it is stored to be shown with an EXIF orientation, and the EXIF metadata that say so."""
    image = quarters(size)
    for turn in UNTURNED[orientation]:
        image = image.transpose(turn)
    return image, exif_bytes(orientation)


def exif_bytes(orientation: int = 1, description: str = "where I live") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = description
    return exif.tobytes()


def chunk(kind: bytes, data: bytes) -> bytes:
    """Make a chunk of a PNG."""
    return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))


def png(
    size: tuple[int, int],
    depth: int,
    colour_type: int,
    rows: Sequence[bytes],
    *extra: bytes,
    interlaced: bool = False,
    filters: bytes = b"\0",
) -> bytes:
    """Make a PNG of rows, with more chunks before them. The types of their filters repeat; 0 leaves a row as it is."""
    header = struct.pack("!IIBBBBB", *size, depth, colour_type, 0, 0, interlaced)
    kinds = itertools.cycle(filters)
    pixels = zlib.compress(b"".join(next(kinds).to_bytes() + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(extra) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def interlaced_png(image: Image.Image) -> bytes:
    """Write an RGB image in the seven passes of Adam7 (PNG, section 8.2)."""
    pixels = np.asarray(image)
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    parts = [pixels[top::down, left::across] for top, left, down, across in passes]
    return png(image.size, 8, 2, [row.tobytes() for part in parts if part.size for row in part], interlaced=True)


def tiff(pixels: npt.NDArray[Any], order: str = "<", photometric: int = 1) -> bytes:
    """Write a TIFF without compression, in either byte order, of shape (height, width) or (height, width, bands)."""
    height, width = pixels.shape[:2]
    bands = 1 if pixels.ndim == 2 else pixels.shape[2]
    body = pixels.astype(pixels.dtype.str.replace("<", order)).tobytes()
    body += b"\0" * (len(body) % 2)
    bits = pixels.dtype.itemsize * 8
    # Bits of each band stand behind the directory when they do not fit into it.
    entries = [(256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, photometric), (273, 4, 8)]
    entries += [(277, 3, bands), (278, 4, height), (279, 4, len(body))]
    start = 8 + len(body)
    behind = start + 2 + 12 * len(entries) + 4
    directory = struct.pack(order + "H", len(entries))
    for tag, kind, value in entries:
        if tag == 258 and bands > 1:
            directory += struct.pack(order + "HHII", tag, kind, bands, behind)
        else:
            directory += struct.pack(order + "HHI", tag, kind, 1)
            directory += struct.pack(order + "HH", value, 0) if kind == 3 else struct.pack(order + "I", value)
    magic = b"II*\0" if order == "<" else b"MM\0*"
    after = struct.pack(f"{order}I{bands}H", 0, *[bits] * bands)
    return magic + struct.pack(order + "I", start) + body + directory + after


@functools.cache
def real_files() -> Mapping[str, bytes]:
    """Return a file of each format, and of the ways to write some; the name begins with that of the format."""
    set_up(ImageLimits())
    image = quarters()
    frames = [image, image.transpose(Image.Transpose.ROTATE_180), picture(size=SIZE)]
    animated: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": 40, "loop": 0}
    files = {name: encoded(image, fmt.pillow) for name, fmt in FORMATS.items() if name != "heic"}
    files |= {
        "heic": base64.b64decode(_HEIC),
        "png-palette": encoded(image.quantize(16)),
        "png-interlaced": interlaced_png(image),
        "png-deep": encoded(picture("I;16", SIZE)),
        "png-animated": encoded(image, **animated),
        "jpeg-progressive": encoded(image, "JPEG", progressive=True),
        "jpeg-cmyk": encoded(image.convert("CMYK"), "JPEG"),
        "jpeg-mpo": encoded(image, "MPO", save_all=True, append_images=frames[1:]),
        "jpeg-exif": encoded(stored(6)[0], "JPEG", exif=stored(6)[1]),
        "webp-lossless": encoded(image, "WEBP", lossless=True, exif=exif_bytes()),
        "webp-animated": encoded(image, "WEBP", **animated),
        "avif-animated": encoded(image, "AVIF", **animated),
        "gif-animated": encoded(image, "GIF", **animated),
        "tiff-lzw": encoded(image, "TIFF", compression="tiff_lzw"),
        "tiff-jpeg": encoded(image, "TIFF", compression="jpeg"),
        "tiff-deep": tiff(np.asarray(picture("I;16", SIZE)), ">"),
        "bmp-palette": encoded(image.quantize(16), "BMP"),
        "ico-bitmap": encoded(image, "ICO", bitmap_format="bmp", sizes=[(32, 32)]),
        "jp2-codestream": encoded(image, "JPEG2000", no_jp2=True),
        "jxl-boxes": encoded(image, "JXL", use_container=True, exif=exif_bytes()),
    }
    return files
