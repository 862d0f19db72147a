"""PNG, APNG and GIF."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import numpy as np
from animations import Part, apng, gif, sub_blocks
from real_files import chunk, png

from hostile.kinds import DAMAGED, Hostile, either, found, noise, refused, taken
from imgray.errors import (
    ImageCorruptError,
    ImageTruncatedError,
    MetadataTooLargeError,
    TooManyFramesError,
    TooManyPixelsError,
    TooWideError,
)

PIXEL = [b"abc"]
END = chunk(b"IEND", b"")
BOMB = zlib.compress(b"a" * 20_000_000)
MEGABYTE = zlib.compress(bytes(1_000_000))


def files() -> Mapping[str, Hostile]:
    return {**_pngs(), **_text_bombs(), **_apngs(), **_gifs(), **_endless_gifs()}


def png_claiming(width: int, height: int) -> bytes:
    """Make a PNG of a size, with hardly any data."""
    data = png((1, 1), 8, 2, [bytes(100)])
    return data[:8] + chunk(b"IHDR", struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0)) + data[33:]


def _pngs() -> Mapping[str, Hostile]:
    whole = png((4000, 4000), 8, 2, [bytes(12_000)] * 4000)
    header = whole[:33]
    return {
        "png-huge": refused(png_claiming(100_000, 100_000), TooWideError),
        "png-large": refused(png_claiming(60_000, 60_000), TooManyPixelsError),
        "png-of-no-size": refused(png_claiming(0, 5), ImageCorruptError),
        "png-of-hardly-any-data": found(png_claiming(7000, 7000)),
        "png-that-inflates-a-thousandfold": taken(whole),
        "png-without-end": refused(header + chunk(b"IDAT", zlib.compress(bytes(100))), ImageTruncatedError),
        "png-of-endless-chunks": refused(png((1, 1), 8, 2, PIXEL, chunk(b"abCd", b"") * 300_000), ImageCorruptError),
        "png-chunk-longer-than-the-file": refused(
            header + b"\x7f\xff\xff\xfftEXt" + bytes(1_000_000), ImageTruncatedError
        ),
        "png-of-an-unknown-depth": found(png((1, 1), 7, 2, PIXEL), ImageCorruptError),
        "png-without-its-palette": found(png((1, 1), 8, 3, [b"\0"])),
        "png-text-named-like-a-field": either(
            png((1, 1), 8, 2, PIXEL, chunk(b"tEXt", b"transparency\0x"), chunk(b"tEXt", b"bbox\0y"))
        ),
        "png-interlaced-by-a-text": either(png((9, 9), 8, 2, [bytes(27)] * 9, chunk(b"tEXt", b"interlace\0x"))),
    }


def _text_bombs() -> Mapping[str, Hostile]:
    text = b"Comment\0\0" + BOMB
    plain = png((1, 1), 8, 2, PIXEL)

    def holding(*chunks: bytes) -> Hostile:
        return refused(png((1, 1), 8, 2, PIXEL, *chunks), MetadataTooLargeError)

    return {
        "png-text-bomb": holding(chunk(b"zTXt", text)),
        "png-text-bomb-after-pixels": refused(plain[:-12] + chunk(b"zTXt", text) + END, MetadataTooLargeError),
        "png-text-bomb-with-a-long-name": holding(chunk(b"zTXt", b"n" * 500 + text)),
        "png-international-text-bomb": holding(chunk(b"iTXt", b"Title\0\7\0\0\0" + BOMB)),
        "png-profile-bomb": holding(chunk(b"iCCP", b"ICC\0\0" + BOMB)),
        "png-many-text-bombs": holding(*[chunk(b"zTXt", b"\0\0" + MEGABYTE)] * 4000),
        "png-many-international-text-bombs": holding(*[chunk(b"iTXt", b"T\0\1\0\0\0" + MEGABYTE)] * 4000),
        "png-many-profile-bombs": holding(*[chunk(b"iCCP", b"ICC\0\0" + MEGABYTE)] * 4000),
        "png-of-endless-text": holding(chunk(b"tEXt", b"Comment\0" + bytes(5_000_000))),
    }


def transparent(size: tuple[int, int], at: tuple[int, int] = (0, 0)) -> Part:
    return Part(np.zeros((size[1], size[0], 4), np.uint8), at)


def _apngs() -> Mapping[str, Hostile]:
    dot, large = transparent((1, 1)), transparent((1000, 1000))
    control = chunk(b"acTL", struct.pack("!II", 2, 0))
    return {
        "apng-that-claims-frames": taken(apng((1, 1), [dot, dot], count=2**31 - 1)),
        "apng-of-many-frames": refused(apng((1, 1), [dot] * 5000), TooManyFramesError),
        "apng-of-many-pixels": refused(apng((1000, 1000), [large] * 60), TooManyPixelsError),
        "apng-frame-outside": found(apng((4, 4), [transparent((4, 4)), transparent((2, 2), (3, 3))])),
        "apng-frame-of-no-size": found(apng((4, 4), [transparent((4, 4)), transparent((3, 0))])),
        "apng-whose-control-is-cut": found(png((1, 1), 8, 2, PIXEL, control, chunk(b"fcTL", bytes(7)))),
        "apng-of-controls-alone": either(png((1, 1), 8, 2, PIXEL, control, *[chunk(b"fcTL", bytes(26))] * 100)),
        "apng-data-before-its-header": refused(
            b"\x89PNG\r\n\x1a\n" + chunk(b"fdAT", bytes(20)) + png((1, 1), 8, 2, PIXEL)[8:], ImageCorruptError
        ),
    }


DOT = Part(np.full((1, 1, 4), 255, np.uint8))
ONE = gif((1, 1), [DOT])
HEAD, FRAME = ONE[: 13 + 768], ONE[13 + 768 : -1]


def _gifs() -> Mapping[str, Hostile]:
    screen = b"GIF89a\x01\0\x01\0\0\0\0"
    huge = b",\0\0\0\0\xff\xff\xff\xff\0\x02\x01\0\0"
    far = b",\xff\xff\xff\xff\x01\0\x01\0\0\x02\x01\0\0"
    cleared = b"!\xf9\x04\x08\0\0\0\0"  # the frame that follows is to be cleared after it was shown
    codes = b"GIF89a\x40\0\x40\0\0\0\0,\0\0\0\0\x40\0\x40\0\0"
    return {
        "gif-of-many-frames": refused(HEAD + FRAME * 20_000 + b";", TooManyFramesError),
        "gif-of-a-huge-screen": refused(b"GIF89a\xff\xff\xff\xff" + ONE[10:], TooManyPixelsError),
        "gif-whose-first-frame-is-huge": refused(screen + cleared + huge + b";", TooManyPixelsError),
        "gif-whose-second-frame-is-huge": refused(HEAD + FRAME + cleared + huge + FRAME + b";", TooManyPixelsError),
        "gif-whose-first-frame-is-far-away": refused(screen + cleared + far + b";", TooWideError),
        "gif-whose-second-frame-is-far-away": either(HEAD + FRAME + cleared + far + b";"),
        "gif-of-random-codes": either(codes + b"\x08" + sub_blocks(noise(4000)) + b";"),
        "gif-of-codes-of-absurdly-many-bits": either(codes + b"\xff" + sub_blocks(noise(4000)) + b";"),
        "gif-without-a-frame": refused(HEAD + b";", ImageCorruptError),
        "gif-of-trailing-garbage": taken(ONE + b"?" * 1_000_000),
    }


def _endless_gifs() -> Mapping[str, Hostile]:
    return {
        "gif-of-endless-frames": refused(HEAD + FRAME * 200_000 + b";", TooManyFramesError, ImageCorruptError),
        "gif-of-endless-extensions": refused(HEAD + b"!\xfe" + b"\x01x" * 5_000_000, *DAMAGED, MetadataTooLargeError),
        "gif-of-many-extensions": refused(HEAD + b"!\xfe\x01x\0" * 300_000, *DAMAGED, MetadataTooLargeError),
        "gif-of-large-extensions": refused(HEAD + b"!\xfe" + sub_blocks(bytes(5_000_000)), MetadataTooLargeError),
        "gif-of-endless-crumbs": refused(ONE[:-4] + b"\x01x" * 10_000_000, ImageCorruptError),
        "gif-of-garbage": refused(HEAD + b"?" * 20_000_000, ImageTruncatedError),
    }
