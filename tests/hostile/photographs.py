"""JPEG and WebP."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from real_files import real_files

from hostile.kinds import Hostile, either, found, noise, refused, taken
from imgray.errors import (
    ImageCorruptError,
    ImageTruncatedError,
    MetadataTooLargeError,
    TooManyPixelsError,
    TooManyScansError,
    TooWideError,
)


def files() -> Mapping[str, Hostile]:
    return {**_jpegs(), **_jpeg_segments(), **_webps()}


def _jpegs() -> Mapping[str, Hostile]:
    real, progressive = real_files()["jpeg"], real_files()["jpeg-progressive"]
    scan = progressive.rindex(b"\xff\xda")
    size = real.index(b"\xff\xc0") + 5

    def claiming(height: int, width: int) -> bytes:
        return real[:size] + struct.pack("!HH", height, width) + real[size + 4 :]

    return {
        "jpeg-of-thousands-of-scans": refused(
            progressive[:-2] + progressive[scan:-2] * 3000 + b"\xff\xd9", TooManyScansError
        ),
        "jpeg-of-many-scans": taken(progressive[:-2] + progressive[scan:-2] * 200 + b"\xff\xd9"),
        "jpeg-huge": refused(claiming(65_535, 65_535), TooManyPixelsError),
        "jpeg-of-no-size": refused(claiming(0, 64), ImageCorruptError),
        "jpeg-of-hardly-any-data": either(claiming(7000, 7000)),
        "jpeg-of-twelve-bits": found(real[: size - 1] + b"\x0c" + real[size:], ImageCorruptError),
        "jpeg-without-tables": either(real.replace(b"\xff\xc4", b"\xff\xfe")),
        "jpeg-with-a-zip-behind": taken(real + b"PK\3\4" + noise(1000)),
        "jpeg-of-three-bytes": refused(b"\xff\xd8\xff", ImageCorruptError),
        "jpeg-of-noise": refused(b"\xff\xd8\xff" + noise(10_000)),
    }


def _jpeg_segments() -> Mapping[str, Hostile]:
    real, mpo = real_files()["jpeg"], real_files()["jpeg-mpo"]
    comment = b"\xff\xfe\xff\xff" + b"c" * 65_533
    count = mpo.index(b"\x01\xb0", mpo.index(b"MPF\0")) + 8
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 5000) + struct.pack("<HHII", 270, 2, 60_000, 8) * 5000
    return {
        "jpeg-of-endless-comments": refused(real[:2] + comment * 100 + real[2:], MetadataTooLargeError),
        "jpeg-of-endless-markers": refused(real[:2] + b"\xff\xd8" * 500_000 + real[2:], ImageCorruptError),
        "jpeg-segment-longer-than-the-file": refused(real[:4] + b"\xff\xff" + real[6:]),
        "jpeg-segments-of-no-length": either(real[:2] + b"\xff\xe0\0\0" + real[2:]),
        "jpeg-of-absurd-exif": taken(real[:2] + b"\xff\xe1" + struct.pack("!H", len(exif) + 2) + exif + real[2:]),
        "jpeg-mpo-of-absurdly-many": either(mpo[:count] + b"\xff\xff\xff\xff" + mpo[count + 4 :]),
    }


def riff(body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _webps() -> Mapping[str, Hostile]:
    real, animated = real_files()["webp"], real_files()["webp-animated"]
    metadata = b"EXIF" + struct.pack("<I", 5_000_000) + bytes(5_000_000)

    def on_canvas(side: bytes) -> bytes:
        return riff(b"VP8X" + struct.pack("<IB3x", 10, 2) + side * 2 + real[12:])

    return {
        "webp-of-a-huge-canvas": refused(on_canvas(b"\xff\x3f\0"), TooManyPixelsError),
        "webp-of-a-canvas-beyond-the-format": refused(on_canvas(b"\xff\xff\xff"), TooWideError),
        "webp-of-a-canvas-smaller-than-its-frames": found(animated[:24] + b"\1\0\0" * 2 + animated[30:]),
        "webp-longer-than-its-file": refused(real[:4] + b"\xff\xff\xff\x7f" + real[8:], ImageTruncatedError),
        "webp-shorter-than-its-file": found(real[:4] + b"\x20\0\0\0" + real[8:]),
        "webp-of-no-length": refused(real[:4] + bytes(4) + real[8:]),
        "webp-of-endless-chunks": refused(riff(real[12:] + b"JUNK\0\0\0\0" * 300_000), ImageCorruptError),
        "webp-of-metadata": refused(riff(real[12:] + metadata), MetadataTooLargeError),
        "webp-of-another-chunk": refused(riff(b"JUNK\0\0\0\0" + real[12:]), ImageCorruptError),
        "webp-of-noise": either(real[:60] + noise(len(real) - 60)),
    }
