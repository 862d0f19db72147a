"""TIFF, BMP and ICO."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import numpy as np
from real_files import chunk, png, quarters, real_files, tiff

from hostile.kinds import Hostile, either, found, refused, taken
from hostile.png_and_gif import BOMB, png_claiming
from imgray.errors import (
    ImageCorruptError,
    ImageTruncatedError,
    MetadataTooLargeError,
    TooManyPixelsError,
    TooWideError,
)

NINE_BY_NINE = [(256, 4, 1, 9), (257, 4, 1, 9)]


def files() -> Mapping[str, Hostile]:
    return {**_tiffs(), **_tiff_directories(), **_bmps(), **_icos()}


def directory(entries: list[tuple[int, int, int, int]], body: bytes = b"") -> bytes:
    """Write a TIFF: tag, type, count and value of each entry; its content stands from the eighth byte on."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + struct.pack("<H", len(entries)) + packed + bytes(4)


def deflated(size: tuple[int, int], strip: bytes) -> bytes:
    entries = [(256, 4, 1, size[0]), (257, 4, 1, size[1]), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1)]
    entries += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, size[1]), (279, 4, 1, len(strip))]
    return directory(entries, strip)


def _tiffs() -> Mapping[str, Hostile]:
    real = tiff(np.asarray(quarters((20, 10))), photometric=2)
    at = int.from_bytes(real[4:8], "little")

    def claiming(width: int, height: int) -> bytes:
        sides = struct.pack("<I", width) + real[at + 14 : at + 22] + struct.pack("<I", height)
        return real[: at + 10] + sides + real[at + 26 :]

    elsewhere = struct.pack("<HHII", 273, 4, 1, 2**31)
    return {
        "tiff-huge": refused(claiming(100_000, 100_000), TooWideError),
        "tiff-large": refused(claiming(60_000, 60_000), TooManyPixelsError),
        "tiff-of-hardly-any-data": found(claiming(7000, 7000)),
        "tiff-of-huge-tiles": refused(
            directory([*NINE_BY_NINE, (322, 4, 1, 65_520), (323, 4, 1, 65_520)]), TooManyPixelsError
        ),
        "tiff-that-inflates-beyond-its-size": either(deflated((100, 100), zlib.compress(bytes(50_000_000)))),
        "tiff-that-inflates-to-less": found(deflated((7000, 7000), zlib.compress(bytes(1000)))),
        "tiff-whose-pixels-are-elsewhere": refused(
            real.replace(struct.pack("<HHII", 273, 4, 1, 8), elsewhere), ImageTruncatedError
        ),
    }


def _tiff_directories() -> Mapping[str, Hostile]:
    real = tiff(np.asarray(quarters((20, 10))), photometric=2)
    at = int.from_bytes(real[4:8], "little")
    end = at + 2 + 12 * int.from_bytes(real[at : at + 2], "little")
    shared = [*NINE_BY_NINE, *((50_000 + number, 1, 4_000_000, 8) for number in range(2000))]
    many = struct.pack("<Q", 16) + struct.pack("<Q", 2**60) + bytes(5_000_000)
    return {
        "tiff-cyclic": taken(real[:end] + struct.pack("<I", at) + real[end + 4 :]),
        "tiff-of-too-many-entries": refused(real[:at] + b"\xff\xff" + bytes(800_000), ImageCorruptError),
        "tiff-of-a-million-strips": refused(
            directory([*NINE_BY_NINE, (273, 4, 1_000_000, 8)], bytes(4_000_000)), ImageCorruptError
        ),
        "tiff-whose-tags-share-megabytes": refused(directory(shared, bytes(4_000_000)), MetadataTooLargeError),
        "tiff-tag-of-four-gigabytes": found(directory([*NINE_BY_NINE, (270, 2, 2**32 - 1, 8)])),
        "tiff-directory-elsewhere": refused(b"II*\0\xff\xff\xff\xff" + bytes(100), ImageTruncatedError),
        "tiff-directory-in-its-header": refused(b"II*\0\0\0\0\0"),
        "bigtiff-of-absurdly-many-entries": refused(b"II+\0\x08\0\0\0" + many, ImageCorruptError),
        "bigtiff-directory-elsewhere": refused(b"II+\0\x08\0\0\0" + struct.pack("<Q", 2**63), ImageTruncatedError),
    }


def _bmps() -> Mapping[str, Hostile]:
    real = real_files()["bmp"]

    def claiming(width: int, height: int) -> bytes:
        return real[:18] + struct.pack("<ii", width, height) + real[26:]

    def packed(rows: bytes, compression: int = 1) -> bytes:
        header = struct.pack("<IiiHHIIiiII", 40, 7000, 7000, 1, 8 // compression, compression, 0, 0, 0, 0, 0)
        return b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + 1024) + header + bytes(range(256)) * 4 + rows

    return {
        "bmp-huge": refused(claiming(2**31 - 1, 2**31 - 1), TooWideError),
        "bmp-large": refused(claiming(60_000, 60_000), TooManyPixelsError),
        "bmp-negative": refused(claiming(-64, -48), TooWideError),
        "bmp-as-negative-as-can-be": refused(claiming(64, -(2**31)), TooWideError),
        "bmp-of-no-size": refused(claiming(0, 0), ImageCorruptError),
        "bmp-of-hardly-any-data": refused(claiming(7000, 7000), ImageTruncatedError),
        "bmp-of-empty-lines": either(packed(b"\0\0" * 10_000)),
        "bmp-of-jumps": either(packed(b"\0\2\xff\xff" * 10_000)),
        "bmp-of-long-runs": either(packed(b"\xff\1" * 200_000)),
        "bmp-of-half-bytes": either(packed(b"\xff\x12" * 200_000, 2)),
        "bmp-of-nothing-after-its-header": refused(real[:54], ImageTruncatedError),
        "bmp-of-too-many-colours": either(real[:46] + b"\xff\xff\xff\xff" + real[50:]),
    }


def _icos() -> Mapping[str, Hostile]:
    small, bomb = png((1, 1), 8, 2, [b"abc"]), png_claiming(60_000, 60_000)
    text_bomb = png((1, 1), 8, 2, [b"abc"], chunk(b"zTXt", b"Comment\0\0" + BOMB))

    def bitmap(width: int, height: int) -> bytes:
        return struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)

    return {
        "ico-that-lies-about-a-png": refused(ico([bomb]), TooManyPixelsError),
        "ico-that-lies-about-a-bitmap": refused(ico([bitmap(30_000, 60_000)]), TooManyPixelsError),
        "ico-of-a-negative-bitmap": refused(ico([bitmap(-30_000, -60_000)]), TooWideError),
        "ico-whose-second-is-a-bomb": refused(ico([small, bomb]), TooManyPixelsError),
        "ico-of-a-bitmap-without-pixels": found(ico([bitmap(5000, 10_000)])),
        "ico-of-a-text-bomb": refused(ico([text_bomb]), MetadataTooLargeError),
        "ico-of-itself": refused(struct.pack("<HHHBBBBHHII", 0, 1, 1, 1, 1, 0, 0, 1, 32, 22, 0), TooWideError),
        "ico-of-nothing": refused(struct.pack("<HHHBBBBHHII", 0, 1, 1, 1, 1, 0, 0, 1, 32, 9, 99), ImageCorruptError),
        "ico-of-many": taken(ico([small] * 65_535)),
        "ico-that-is-cut": refused(ico([small])[:-20], ImageTruncatedError),
    }


def ico(pictures: list[bytes]) -> bytes:
    """Write an ICO whose directory says that each picture has one pixel."""
    entries = []
    offset = 6 + 16 * len(pictures)
    for picture in pictures:
        entries.append(struct.pack("<BBBBHHII", 1, 1, 0, 0, 1, 32, len(picture), offset))
        offset += len(picture)
    return struct.pack("<HHH", 0, 1, len(pictures)) + b"".join(entries) + b"".join(pictures)
