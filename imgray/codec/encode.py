"""Pixels to bytes, in each format that imgray writes."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from PIL import Image

from imgray.codec.colour import fits
from imgray.codec.formats import FORMATS, RESULTS
from imgray.codec.palette import with_palette
from imgray.codec.png import encode_png
from imgray.errors import EncodingFailedError, ImageError, OutOfMemoryError, OutputTooLargeError, TooLargeForFormatError
from imgray.modes import as_rgb, flatten
from imgray.picture import Picture

_MODES_KEPT = {
    "png": {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"},
    "jpeg": {"L", "RGB", "CMYK"},
    "webp": {"RGB", "RGBA"},
    "avif": {"L", "RGB", "RGBA"},
    "gif": {"1", "L", "P", "RGB"},
    "tiff": {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"},
    "bmp": {"1", "L", "RGB"},
    "ico": {"RGB", "RGBA"},
    "jp2": {"L", "LA", "RGB", "RGBA", "I;16"},
}
"""Pixel modes that each written format can hold as they are."""

_TAKES_EXIF = {"jpeg", "png", "webp", "avif", "tiff"}
_TAKES_XMP = {"jpeg", "webp", "avif"}
_SUBSAMPLING = {"444": "4:4:4", "422": "4:2:2", "420": "4:2:0"}
_MOST_PLAYS = 65_535  # that GIF and WebP can tell
_AVIF_SPEED = 8  # of 0 to 10: half the time of the default 6, and a few percent more bytes


@dataclass(frozen=True, slots=True)
class Encoding:
    """How to encode.

    Attributes:
        format: a name in `FORMATS` that ``writes``.
        quality: 1 to 100, for lossy formats.
        lossless: WebP and JPEG 2000.
        progressive: JPEG.
        subsampling: of the chroma: JPEG and AVIF.
        max_bytes: lower the quality until the result is no larger; 0: no limit.
        metadata: write the EXIF and XMP metadata of the source, in the formats that take them.
    """

    format: str
    quality: int = 85
    lossless: bool = False
    progressive: bool = False
    subsampling: Literal["444", "422", "420"] = "420"
    max_bytes: int = 0
    metadata: bool = False


@dataclass(frozen=True, slots=True)
class Encoded:
    """An output as bytes, with what a reader of them wants to know first: its format, and the size of the image."""

    data: bytes
    format: str
    width: int
    height: int

    @property
    def content_type(self) -> str:
        """The media type of the bytes."""
        return RESULTS[self.format].content_type


def encode(picture: Picture, encoding: Encoding) -> Encoded:
    """Encode a picture; modes that the format cannot hold are converted, transparency is kept where it can be.

    Of an animation, a format that cannot hold one gets the first frame.

    Raises:
        TooLargeForFormatError: a side is longer than the format can tell.
        OutputTooLargeError: it does not get as small as ``max_bytes``.
        EncodingFailedError: the encoder refused it.
    """
    fmt = FORMATS[encoding.format]
    width, height = picture.size
    if max(width, height) > fmt.max_side:
        raise TooLargeForFormatError(width, height, fmt.name, fmt.max_side)
    frames = picture.frames if fmt.animates else picture.frames[:1]
    prepared = picture.with_frames([_as_mode_for(frame, fmt.name) for frame in frames])
    try:
        data = _save(prepared, encoding)
        if encoding.max_bytes and len(data) > encoding.max_bytes:
            data = _search(prepared, encoding, len(data))
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # encoders have their own opinions on sizes and modes
        if "memory" in str(error).lower():
            raise OutOfMemoryError from error
        raise EncodingFailedError(fmt.name, str(error) or type(error).__name__) from error
    return Encoded(data, fmt.name, width, height)


def _search(picture: Picture, encoding: Encoding, size_bytes: int) -> bytes:
    """Find the highest quality with which the result is small enough."""
    best = b""
    low, high = 1, encoding.quality - 1
    while low <= high:
        quality = (low + high) // 2
        data = _save(picture, replace(encoding, quality=quality))
        if len(data) <= encoding.max_bytes:
            best, low = data, quality + 1
        else:
            size_bytes, high = min(size_bytes, len(data)), quality - 1
    if not best:
        raise OutputTooLargeError(size_bytes, encoding.max_bytes)
    return best


def _save(picture: Picture, encoding: Encoding) -> bytes:
    name = encoding.format
    first = picture.frames[0]
    options = _OPTIONS[name](encoding)
    if picture.icc and fits(picture.icc, first.mode):
        options["icc_profile"] = picture.icc
    if encoding.metadata and picture.source.exif and name in _TAKES_EXIF:
        options["exif"] = picture.source.exif
        if name == "tiff":  # libtiff, which compresses, cannot write the directories that EXIF has inside
            options["compression"] = "raw"
    if encoding.metadata and picture.source.xmp and name in _TAKES_XMP:
        options["xmp"] = picture.source.xmp
    if name == "png" and not picture.animated:
        return encode_png(first, options.get("icc_profile", b""), options.get("exif", b""))
    if name == "ico":
        options["sizes"] = [first.size]
    if picture.animated:
        options |= _animation(picture, name)
    buffer = io.BytesIO()
    first.save(buffer, format=FORMATS[name].pillow, **options)
    return buffer.getvalue()


def _animation(picture: Picture, name: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "save_all": True,
        "append_images": list(picture.frames[1:]),
        "duration": list(picture.durations_ms),
    }
    plays = 1 if picture.loop is None else min(picture.loop, _MOST_PLAYS)
    if name == "gif":  # which says how often it is shown again; for once, nothing
        options |= {"disposal": 2} | ({} if plays == 1 else {"loop": max(plays - 1, 0)})
    elif name != "avif":
        options["loop"] = plays
    return options


def _jpeg(encoding: Encoding) -> dict[str, Any]:
    return {
        "quality": encoding.quality,
        "progressive": encoding.progressive,
        "subsampling": _SUBSAMPLING[encoding.subsampling],
    }


def _webp(encoding: Encoding) -> dict[str, Any]:
    return {"quality": encoding.quality, "lossless": encoding.lossless, "exact": encoding.lossless, "method": 3}


def _avif(encoding: Encoding) -> dict[str, Any]:
    return {
        "quality": encoding.quality,
        "subsampling": _SUBSAMPLING[encoding.subsampling],
        "speed": _AVIF_SPEED,
        "max_threads": 1,  # each worker has a core
    }


def _jp2(encoding: Encoding) -> dict[str, Any]:
    if encoding.lossless:
        return {"irreversible": False}
    # The quality of a JPEG of the same number, about, as a ratio of signal to noise in decibels.
    return {"irreversible": True, "quality_mode": "dB", "quality_layers": [24 + 0.18 * encoding.quality]}


_OPTIONS: Mapping[str, Callable[[Encoding], dict[str, Any]]] = {
    "png": lambda _: {"compress_type": 3},  # only animations: see `imgray.codec.png`
    "jpeg": _jpeg,
    "webp": _webp,
    "avif": _avif,
    "gif": lambda _: {"optimize": False},
    "tiff": lambda _: {"compression": "tiff_adobe_deflate"},
    "bmp": lambda _: {},
    "ico": lambda _: {"bitmap_format": "png"},
    "jp2": _jp2,
}


def _as_mode_for(image: Image.Image, fmt: str) -> Image.Image:
    if image.mode in _MODES_KEPT[fmt] and not (image.mode == "P" and _loses_transparency(image, fmt)):
        prepared = image
    elif image.mode == "I" and "I;16" in _MODES_KEPT[fmt]:
        prepared = image.convert("I;16")
    elif image.mode == "1" and "L" in _MODES_KEPT[fmt]:
        prepared = image.convert("L")
    else:
        prepared = as_rgb(image)
        if prepared.mode == "RGBA" and "RGBA" not in _MODES_KEPT[fmt]:
            prepared = with_palette(prepared) if fmt == "gif" else flatten(prepared)
    if prepared.info.keys() - {"transparency"}:  # Pillow writes some of what it finds there: a JPEG's comment, say
        prepared = prepared.copy()
        prepared.info = {key: value for key, value in prepared.info.items() if key == "transparency"}
    return prepared


def _loses_transparency(image: Image.Image, fmt: str) -> bool:
    """Say whether the alpha of a palette's colours is more than the format holds: GIF has one transparent colour."""
    if fmt == "png" or not image.has_transparency_data:
        return False
    return fmt != "gif" or not isinstance(image.info.get("transparency"), int)
