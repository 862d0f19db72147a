"""Animations made by code, frame by frame, and what browsers show of them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from real_files import chunk

Pixels = npt.NDArray[np.uint8]

KEEP, CLEAR, RESTORE = range(3)
"""What becomes of a frame's place after it was shown: as APNG numbers it."""

_GIF_DISPOSALS = {KEEP: 1, CLEAR: 2, RESTORE: 3}
_CODE_BITS = 8
_CODES_BEFORE_CLEARING = 2**_CODE_BITS - 3  # so that codes never get longer


@dataclass(frozen=True)
class Part:
    """A frame: RGBA pixels and where they come.

    With ``over`` they are laid over what is there, else they replace it, alpha and all. ``disposal`` None, which only
    GIF has, is as good as KEEP.
    """

    pixels: Pixels
    at: tuple[int, int] = (0, 0)
    disposal: int | None = KEEP
    over: bool = True
    duration_ms: int = 40


def composed(size: tuple[int, int], parts: Sequence[Part]) -> list[Pixels]:
    """Return what is to be seen, in the plainest way (GIF89a, section 23; PNG, section 11.3.6.2)."""
    width, height = size
    canvas = np.zeros((height, width, 4), np.uint8)
    shown = []
    for part in parts:
        before = canvas.copy()
        left, top = part.at
        place = canvas[top : top + part.pixels.shape[0], left : left + part.pixels.shape[1]]
        pixels = part.pixels[: place.shape[0], : place.shape[1]]
        place[...] = _over(place, pixels) if part.over else pixels
        shown.append(canvas.copy())
        if part.disposal == CLEAR:
            place[...] = 0
        elif part.disposal == RESTORE:
            canvas = before
    return shown


def _over(below: Pixels, above: Pixels) -> Pixels:
    """Compose with alpha (source-over of Porter and Duff, 1984)."""
    upper, lower = above[..., 3:] / 255, below[..., 3:] / 255
    alpha = upper + lower * (1 - upper)
    mixed = above[..., :3] * upper + below[..., :3] * lower * (1 - upper)
    colours = np.divide(mixed, alpha, out=np.zeros_like(mixed), where=alpha > 0)
    composed: Pixels = np.rint(np.concatenate([colours, alpha * 255], axis=2)).astype(np.uint8)
    return composed


def gif(
    size: tuple[int, int], parts: Sequence[Part], *, repeats: int | None = None, background: int = 0, own: bool = False
) -> bytes:
    """Write a GIF of frames that have fewer than 256 colours each; alpha is 0 or 255.

    Args:
        size: that of the logical screen.
        parts: the frames.
        repeats: what the extension says of them; None for no extension.
        background: the number of the background colour, which nobody shows.
        own: give each frame a colour table of its own, instead of one for all.
    """
    tables = [_table(parts)] * len(parts) if not own else [_table([part]) for part in parts]
    shared = b"" if own else _written(tables[0])
    data = b"GIF89a" + struct.pack("<HHBBB", *size, 0 if own else 0xF7, background, 0) + shared
    if repeats is not None:
        data += b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", repeats) + b"\0"
    for part, table in zip(parts, tables, strict=True):
        height, width = part.pixels.shape[:2]
        flags = (_GIF_DISPOSALS.get(part.disposal, 0) if part.disposal is not None else 0) << 2 | 1
        data += b"!\xf9\x04" + struct.pack("<BHB", flags, part.duration_ms // 10, 255) + b"\0"
        data += b"," + struct.pack("<HHHHB", *part.at, width, height, 0x87 if own else 0)
        data += (_written(table) if own else b"") + bytes([_CODE_BITS])
        numbers = [table[tuple(pixel[:3])] if pixel[3] else 255 for pixel in part.pixels.reshape(-1, 4).tolist()]
        data += sub_blocks(_codes(numbers))
    return data + b";"


def _table(parts: Sequence[Part]) -> dict[tuple[int, ...], int]:
    colours = {tuple(pixel[:3]) for part in parts for pixel in part.pixels.reshape(-1, 4).tolist() if pixel[3]}
    return {colour: number for number, colour in enumerate(sorted(colours))}


def _written(table: dict[tuple[int, ...], int]) -> bytes:
    return b"".join(bytes(colour) for colour in table).ljust(768, b"\x55")


def _codes(numbers: Sequence[int]) -> bytes:
    """Write numbers as LZW does when it never finds a repetition (GIF89a, appendix F)."""
    clear, bits = 1 << _CODE_BITS, _CODE_BITS + 1
    codes = []
    for start in range(0, len(numbers), _CODES_BEFORE_CLEARING):
        codes += [clear, *numbers[start : start + _CODES_BEFORE_CLEARING]]
    codes.append(clear + 1)
    stream = sum(code << bits * number for number, code in enumerate(codes))
    return stream.to_bytes((bits * len(codes) + 7) // 8, "little")


def sub_blocks(data: bytes, length: int = 255) -> bytes:
    """Cut data in the sub-blocks of a GIF."""
    parts = [data[start : start + length] for start in range(0, len(data), length)]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def apng(
    size: tuple[int, int],
    parts: Sequence[Part],
    *,
    plays: int = 0,
    hidden: Pixels | None = None,
    count: int | None = None,
) -> bytes:
    """Write an APNG.

    Args:
        size: that of the whole.
        parts: the frames; if none is hidden, the first must be as large as the whole.
        plays: how often it is shown, 0 for ever.
        hidden: pixels shown only by what cannot animate.
        count: how many frames it says that it has, if that is a lie.
    """
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack("!IIBBBBB", *size, 8, 6, 0, 0, 0))
    data += chunk(b"acTL", struct.pack("!II", len(parts) if count is None else count, plays))
    if hidden is not None:
        data += chunk(b"IDAT", _compressed(hidden))
    sequence = 0
    for number, part in enumerate(parts):
        height, width = part.pixels.shape[:2]
        control = (sequence, width, height, *part.at, part.duration_ms, 1000, part.disposal or 0, part.over)
        data += chunk(b"fcTL", struct.pack("!IIIIIHHBB", *control))
        sequence += 1
        if number == 0 and hidden is None:
            data += chunk(b"IDAT", _compressed(part.pixels))
        else:
            data += chunk(b"fdAT", struct.pack("!I", sequence) + _compressed(part.pixels))
            sequence += 1
    return data + chunk(b"IEND", b"")


def _compressed(pixels: Pixels) -> bytes:
    return zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))
