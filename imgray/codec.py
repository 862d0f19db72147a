"""Bytes to pixels and back: sniff, inspect, decode, encode. The only module that gives hostile bytes to a decoder.

Whatever the bytes, each function answers, or raises an `ImageError`; nothing else escapes.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from imgray.errors import (
    EmptyImageError,
    ImageCorruptError,
    ImageError,
    ImageTruncatedError,
    NotAnImageError,
    TooLargeForFormatError,
    TooManyPixelsError,
)

HEAD_BYTES = 256
"""How many leading bytes `sniff` looks at."""


@dataclass(frozen=True, slots=True)
class Format:
    """An image file format that imgray reads and, if ``writes``, makes, with sides up to ``max_side`` pixels."""

    name: str
    pillow: str
    content_type: str
    extensions: tuple[str, ...]
    writes: bool
    max_side: int = 2**31 - 1


FORMATS = {
    fmt.name: fmt
    for fmt in (
        Format("png", "PNG", "image/png", (".png", ".apng"), writes=True),
        Format("jpeg", "JPEG", "image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif"), writes=True, max_side=65_500),
        Format("webp", "WEBP", "image/webp", (".webp",), writes=True, max_side=16_383),
        Format("gif", "GIF", "image/gif", (".gif",), writes=False),
        Format("bmp", "BMP", "image/bmp", (".bmp", ".dib"), writes=False),
        Format("tiff", "TIFF", "image/tiff", (".tif", ".tiff"), writes=False),
    )
}
IMAGE_EXTENSIONS = frozenset(extension for fmt in FORMATS.values() for extension in fmt.extensions)
_BY_PILLOW = {fmt.pillow: fmt for fmt in FORMATS.values()} | {"MPO": FORMATS["jpeg"]}
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_MAGIC = (
    (_PNG_MAGIC, "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
)
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
"""Sizes of the second header of a BMP; its magic alone, "BM", is how many a text begins."""

_MODES_KEPT = {
    "png": {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"},
    "jpeg": {"L", "RGB", "CMYK"},
    "webp": {"RGB", "RGBA"},
}
"""Pixel modes that each written format can hold as they are."""

_ICC_SPACE = {
    "1": b"GRAY",
    "L": b"GRAY",
    "LA": b"GRAY",
    "P": b"RGB ",
    "RGB": b"RGB ",
    "RGBA": b"RGB ",
    "CMYK": b"CMYK",
}
_ICC_SPACE_AT = slice(16, 20)  # "data colour space" in the profile header, ICC.1:2022 table 17


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What an image's header says."""

    format: str
    width: int
    height: int

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Encoded:
    """An image as bytes, with what a reader of them wants to know first."""

    data: bytes
    format: str
    width: int
    height: int

    @property
    def content_type(self) -> str:
        """The media type of the bytes."""
        return FORMATS[self.format].content_type


def sniff(head: bytes) -> str | None:
    """Name the format that the first `HEAD_BYTES` of a file announce, or None."""
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "bmp"
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


def inspect(data: bytes | bytearray | memoryview, max_pixels: int) -> ImageInfo:
    """Read an image's header, and see whether its container visibly ends too early; decompress nothing.

    Raises:
        ImageError: the bytes are no image, too large, truncated or corrupt as far as the header tells.
    """
    with _errors_named(data), _opened(io.BytesIO(data), max_pixels) as image:
        info = _info(image)
    _check_end(data, info.format)
    return info


def decode(file: BinaryIO, max_pixels: int) -> Image.Image:
    """Decode a whole image, upright: an EXIF orientation is applied. Of an animation, the first frame.

    The result's ``format`` is the imgray name of the format it was read from.

    Raises:
        ImageError: the bytes are no image, too large, truncated or corrupt.
    """
    head = file.read(HEAD_BYTES)
    file.seek(0)
    with _errors_named(head), _opened(file, max_pixels) as image:
        name = _BY_PILLOW[str(image.format)].name
        image.load()
        with contextlib.suppress(Exception):  # nonsense in the metadata does not hurt the pixels
            ImageOps.exif_transpose(image, in_place=True)
        plain = _plain(image)
        plain.format = name
        return plain


def _plain(image: Image.Image) -> Image.Image:
    """Turn what only some operations would understand into what all do: a colour key, the other byte order."""
    if image.mode in {"I;16B", "I;16L", "I;16N"}:
        image = image.convert("I").convert("I;16")
    if image.mode in {"1", "L", "RGB"} and image.has_transparency_data:
        return image.convert("LA" if image.mode == "L" else "RGBA")
    if image.mode != "P":
        image.info.pop("transparency", None)
    return image


def encode(image: Image.Image, fmt: str, *, quality: int, lossless: bool) -> Encoded:
    """Encode an image; modes that the format cannot hold are converted, transparency is kept where it can be.

    Metadata is dropped, but for a colour profile that still describes the pixels.

    Args:
        image: the pixels.
        fmt: a name in `FORMATS` that ``writes``.
        quality: 1 to 100, for lossy formats.
        lossless: WebP only.

    Raises:
        TooLargeForFormatError: a side is longer than the format can tell.
    """
    limit = FORMATS[fmt].max_side
    if max(image.size) > limit:
        raise TooLargeForFormatError(image.width, image.height, fmt, limit)
    prepared = _as_mode_for(image, fmt)
    options: dict[str, Any] = {}
    if fmt == "png":
        # Z_RLE: on photographs five times as fast as zlib's default strategy and no larger (see ARCHITECTURE.md).
        options = {"compress_type": 3}
    elif fmt == "jpeg":
        options = {"quality": quality, "optimize": False}
    elif fmt == "webp":
        options = {"quality": quality, "lossless": lossless, "method": 3}
    profile = image.info.get("icc_profile")
    if profile and profile[_ICC_SPACE_AT] == _ICC_SPACE.get(prepared.mode):
        options["icc_profile"] = profile
    # Pillow writes some of what it finds here (a JPEG's comment, say); only transparency belongs to the pixels.
    prepared.info = {key: value for key, value in prepared.info.items() if key == "transparency"}
    buffer = io.BytesIO()
    prepared.save(buffer, format=FORMATS[fmt].pillow, **options)
    return Encoded(buffer.getvalue(), fmt, prepared.width, prepared.height)


def as_rgb(image: Image.Image) -> Image.Image:
    """Return the image as RGB, or as RGBA when it has transparency; the same object when it already is."""
    if image.mode in {"RGB", "RGBA"}:
        return image
    if image.mode.startswith("I;16") or image.mode in {"I", "F"}:
        return _to_8_bit(image).convert("RGB")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey levels to 8 bits; Pillow's own conversion clips them instead."""
    if image.mode == "F":
        return image.convert("L")
    return image.convert("I").point(lambda level: level * (1 / 257)).convert("L")


def _as_mode_for(image: Image.Image, fmt: str) -> Image.Image:
    if image.mode in _MODES_KEPT[fmt]:
        return image
    if image.mode == "I" and fmt == "png":
        return image.convert("I;16")
    if image.mode == "1" and "L" in _MODES_KEPT[fmt]:
        return image.convert("L")
    rgb = as_rgb(image)
    if fmt == "jpeg" and rgb.mode == "RGBA":
        return flatten(rgb)
    return rgb


def flatten(image: Image.Image, colour: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """Lay an RGBA image on a colour; the result is RGB."""
    canvas = Image.new("RGB", image.size, colour)
    canvas.paste(image, mask=image.getchannel("A"))
    return canvas


@contextmanager
def _opened(file: BinaryIO, max_pixels: int) -> Iterator[Image.Image]:
    Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit only warns; the check below is the limit
    # The list of formats keeps decoders that run other programs (EPS through Ghostscript) out of reach.
    image = Image.open(file, formats=[fmt.pillow for fmt in FORMATS.values()])
    info = _info(image)
    if info.pixels > max_pixels:
        raise TooManyPixelsError(info.width, info.height, max_pixels)
    yield image


def _info(image: Image.Image) -> ImageInfo:
    return ImageInfo(_BY_PILLOW[str(image.format)].name, image.width, image.height)


@contextmanager
def _errors_named(head: bytes | bytearray | memoryview) -> Iterator[None]:
    """Turn whatever a decoder throws into the `ImageError` that says it."""
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        if not len(head):
            raise EmptyImageError from error
        announced = sniff(bytes(head[:HEAD_BYTES]))
        if announced:
            raise ImageCorruptError(f"it starts as {announced}, but its header cannot be read") from error
        raise NotAnImageError(_hint(bytes(head[:HEAD_BYTES]))) from error
    except Exception as error:  # a decoder may throw anything at hostile bytes
        detail = str(error) or type(error).__name__
        if "truncated" in detail.lower() or isinstance(error, EOFError):
            raise ImageTruncatedError(detail) from error
        raise ImageCorruptError(detail) from error


def _hint(head: bytes) -> str:
    """Guess what it is instead, as a sentence with a space before it."""
    if b"<svg" in head.lower():
        return " SVG is not supported: it is a program to run, not an image to decode."
    if head.startswith(b"%PDF"):
        return " It is a PDF."
    return " It looks like text." if head.isascii() else ""


def _check_end(data: bytes | bytearray | memoryview, fmt: str) -> None:
    """Refuse a file whose last part is plainly missing, at the cost of a walk over chunk lengths.

    Raises:
        ImageTruncatedError: PNG without its IEND chunk, JPEG without an end-of-image marker.
    """
    view = memoryview(data)
    if fmt == "png":
        position = len(_PNG_MAGIC)
        while position + 12 <= len(view):
            length = int.from_bytes(view[position : position + 4])
            if bytes(view[position + 4 : position + 8]) == b"IEND":
                return
            position += 12 + length  # length, type, data, checksum
        raise ImageTruncatedError("the file ends before its IEND chunk")
    if fmt == "jpeg" and bytes(view[-HEAD_BYTES:]).rfind(b"\xff\xd9") < 0 and bytes(view).find(b"\xff\xd9") < 0:
        raise ImageTruncatedError("the file has no end-of-image marker")
