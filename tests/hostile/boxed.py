"""What is made of boxes: JPEG 2000, AVIF, HEIC and JPEG XL."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from real_files import real_files

from hostile.kinds import Hostile, either, found, noise, refused, taken
from imgray.errors import (
    ImageCorruptError,
    ImageTruncatedError,
    MetadataTooLargeError,
    TooManyFramesError,
    TooManyPixelsError,
    TooWideError,
)


def files() -> Mapping[str, Hostile]:
    return {**_jpeg_2000s(), **_avifs(), **_heics(), **_jpeg_xls()}


def changed(data: bytes, kind: bytes, skip: int, *numbers: int) -> bytes:
    """Put numbers of 32 bits so far behind the type of a box."""
    at = data.index(kind) + len(kind) + skip
    return data[:at] + struct.pack(f"!{len(numbers)}I", *numbers) + data[at + 4 * len(numbers) :]


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack("!I4s", 8 + len(body), kind) + body


def _jpeg_2000s() -> Mapping[str, Hostile]:
    real, codestream = real_files()["jp2"], real_files()["jp2-codestream"]
    start = real.index(b"jp2c") - 4

    def claiming(*numbers: int) -> bytes:
        return changed(real, b"\xff\x4f\xff\x51", 4, *numbers)

    return {
        "jp2-huge": refused(claiming(2**32 - 1, 2**32 - 1), TooWideError),
        "jp2-large": refused(claiming(60_000, 60_000), TooManyPixelsError),
        "jp2-of-huge-tiles": either(claiming(64, 48, 0, 0, 2**31, 2**31)),
        "jp2-of-tiny-tiles": found(claiming(7000, 7000, 0, 0, 1, 1)),
        "jp2-of-one-large-tile": found(claiming(7000, 7000, 0, 0, 7000, 7000)),
        "jp2-of-no-tiles": found(claiming(64, 48, 0, 0, 0, 0)),
        "jp2-that-ends-before-it-starts": refused(claiming(64, 48, 100, 100), ImageCorruptError),
        "jp2-whose-header-lies": found(changed(real, b"ihdr", 0, 2**16, 2**16), TooWideError, ImageCorruptError),
        "jp2-of-metadata": refused(real[:start] + box(b"xml ", bytes(5_000_000)) + real[start:], MetadataTooLargeError),
        "jp2-without-codestream": refused(real[:start], ImageCorruptError),
        "jp2-of-noise": either(codestream[:150] + noise(len(codestream) - 152) + b"\xff\xd9"),
        "jp2-codestream-that-is-cut": refused(codestream[:200], ImageTruncatedError),
    }


def _avifs() -> Mapping[str, Hostile]:
    real, sequence = real_files()["avif"], real_files()["avif-animated"]
    return {
        "avif-huge": refused(changed(real, b"ispe", 4, 2**31, 2**31), TooWideError),
        "avif-large": refused(changed(real, b"ispe", 4, 30_000, 30_000), TooManyPixelsError),
        "avif-that-lies-about-its-size": either(changed(real, b"ispe", 4, 7000, 7000)),
        "avif-of-absurdly-many-frames": refused(changed(sequence, b"stsz", 8, 2**32 - 1), TooManyFramesError),
        "avif-of-more-frames-than-are-there": found(changed(sequence, b"stsz", 8, 900)),
        "avif-of-endless-boxes": refused(real + box(b"free") * 300_000, ImageCorruptError),
        "avif-box-longer-than-the-file": refused(changed(real, b"mdat", -8, 2**31), ImageTruncatedError),
        "avif-of-its-first-box": refused(real[: int.from_bytes(real[:4])], ImageCorruptError),
        "avif-of-noise": either(real[:-200] + noise(200)),
    }


def _heics() -> Mapping[str, Hostile]:
    real = real_files()["heic"]
    return {
        "heic-huge": refused(changed(real, b"ispe", 4, 2**31, 2**31), TooWideError),
        "heic-large": refused(changed(real, b"ispe", 4, 30_000, 30_000), TooManyPixelsError),
        "heic-that-lies-about-its-size": either(changed(real, b"ispe", 4, 7000, 7000)),
        "heic-of-its-first-box": refused(real[: int.from_bytes(real[:4])], ImageCorruptError),
        "heic-whose-first-box-is-all": refused(bytes(4) + real[4:], ImageCorruptError),
        "heic-item-that-is-no-text": refused(real.replace(b"Exif", b"Ex\xe9f", 1), ImageCorruptError),
        "heic-of-noise": either(real[:-100] + noise(100)),
    }


def _jpeg_xls() -> Mapping[str, Hostile]:
    real, boxes = real_files()["jxl"], real_files()["jxl-boxes"]
    signature = box(b"JXL ", b"\r\n\x87\n")
    start = boxes.index(b"jxlp") - 4
    # Not small; a height of 30 bits; a ratio of 1 to 1. Bits stand from the lowest on.
    square = sum(value << at for value, at in ((0, 0), (3, 1), (2**30 - 1, 3), (1, 33)))
    large = sum(value << at for value, at in ((0, 0), (2, 1), (59_999, 3), (1, 21)))
    rest = noise(100)
    return {
        "jxl-huge": refused(b"\xff\x0a" + square.to_bytes(5, "little") + rest, TooWideError),
        "jxl-large": refused(b"\xff\x0a" + large.to_bytes(5, "little") + rest, TooManyPixelsError),
        "jxl-of-noise": either(b"\xff\x0a" + noise(2000)),
        "jxl-of-its-header": refused(real[:3], ImageCorruptError),
        "jxl-box-longer-than-the-file": refused(changed(boxes, b"jxlp", -8, 2**31), ImageTruncatedError),
        "jxl-without-codestream": refused(signature + box(b"ftyp", b"jxl \0\0\0\0jxl "), ImageCorruptError),
        "jxl-of-metadata": refused(boxes + box(b"xml ", bytes(5_000_000)), MetadataTooLargeError),
        "jxl-with-compressed-nonsense": taken(boxes[:start] + box(b"brob", b"Exif" + noise(1000)) + boxes[start:]),
        "jxl-that-was-no-jpeg": taken(boxes[:start] + box(b"jbrd", noise(1000)) + boxes[start:]),
        "jxl-of-endless-boxes": refused(boxes + box(b"free") * 300_000, ImageCorruptError),
    }
