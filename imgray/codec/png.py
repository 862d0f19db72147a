"""PNG, written fast and small: the filter and the way to compress are chosen by looking at the image.

Pillow tries five filters on every row in one way for all images; on photographs nearly all of the time goes there, and
into a search for repetitions that are not in a photograph. Here, a few bands of rows are filtered and compressed in
each way, and the whole image in the way that was best. Always lossless. (PNG, third edition: W3C, 2025.)
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from zlib_ng import zlib_ng

from imgray.codec.formats import PNG_MAGIC

Bytes = npt.NDArray[np.uint8]

NONE, SUB, UP, AVERAGE, PAETH = range(5)
"""Filter types of PNG, by their number. One is chosen for the whole image."""

_COLOUR_TYPES = {"1": (1, 0), "L": (8, 0), "LA": (8, 4), "P": (8, 3), "RGB": (8, 2), "RGBA": (8, 6), "I;16": (16, 0)}
"""Bit depth and colour type by Pillow's mode."""

_BLOCK_BYTES = 128 * 1024  # rows filtered at a time, so that they stay in the processor's cache
_BANDS = 4
_LEAST_ROWS = 3  # of a band
_PROBE_SHARE, _PROBE_BYTES = 1 / 24, 24 * 1024  # of the rows that are looked at first
_PHOTO_SHARE, _PHOTO_BYTES = 1 / 12, 48 * 1024  # of those that a photograph is tried with
_TRIAL_SHARE, _TRIAL_BYTES = 1 / 10, 160 * 1024  # of those that a graphic is tried with: it compresses in no time
_GRAPHIC = 0.4  # a picture that shrinks below this part, unfiltered, repeats itself
_PLAIN_GRAPHIC = 0.1  # one that shrinks below this part does so fast, however thorough the search
_PAETH_ON_GRAPHICS, _PAETH_ON_PHOTOGRAPHS = (
    1.3,
    1.02,
)  # how much smaller Paeth's filter must be: it is the slowest by far
_RUNS_WORTH = 1.015  # run lengths alone are several times as fast as a search: on photographs they may cost this much

_SEARCH = (5, zlib_ng.Z_DEFAULT_STRATEGY)
_FASTER_SEARCH = (4, zlib_ng.Z_DEFAULT_STRATEGY)
_RUNS = (6, zlib_ng.Z_RLE)
_GLANCE = (2, zlib_ng.Z_DEFAULT_STRATEGY)
"""Level and strategy of zlib-ng: a search for repetitions (above 5, time doubles for a percent), none, a quick one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to filter and compress: a filter type, and zlib's level and strategy."""

    filter: int
    level: int
    strategy: int


def encode_png(image: Image.Image, icc: bytes = b"", exif: bytes = b"") -> bytes:
    """Write an image as PNG.

    Args:
        image: in mode 1, L, LA, P, RGB, RGBA or I;16.
        icc: a colour profile to go with it.
        exif: EXIF metadata to go with it.
    """
    depth, colour_type = _COLOUR_TYPES[image.mode]
    parts = [PNG_MAGIC, _chunk(b"IHDR", struct.pack("!IIBBBBB", *image.size, depth, colour_type, 0, 0, 0))]
    if icc:
        parts.append(_chunk(b"iCCP", b"ICC\0\0" + zlib.compress(icc)))
    if image.mode == "P":
        parts += _palette(image)
    if exif:
        parts.append(_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
    parts += [_chunk(b"IDAT", _compress(image, choose(image))), _chunk(b"IEND", b"")]
    return b"".join(parts)


def choose(image: Image.Image) -> Plan:
    """Look at a few bands of an image, and choose how to write it."""
    if image.mode in {"1", "P"}:  # neighbouring numbers of colours have nothing to do with each other
        return Plan(NONE, *_SEARCH)
    step = _pixel_bytes(image)
    probe = _sample(image, _PROBE_SHARE, _PROBE_BYTES)
    plain = _filtered_bands(probe, step, NONE)
    ratio = _size(plain, _GLANCE) / sum(band.size for band in plain)
    if ratio > _GRAPHIC:
        return _for_photograph(_sample(image, _PHOTO_SHARE, _PHOTO_BYTES), step)
    trial = _sample(image, _TRIAL_SHARE, _TRIAL_BYTES)
    best = min((NONE, SUB, UP), key=lambda kind: _size(_filtered_bands(trial, step, kind), _GLANCE))
    usual, paeth = (_size(_filtered_bands(probe, step, kind), _GLANCE) for kind in (best, PAETH))
    if paeth * _PAETH_ON_GRAPHICS < usual:
        best = PAETH
    return Plan(best, *(_SEARCH if ratio < _PLAIN_GRAPHIC else _FASTER_SEARCH))


def _for_photograph(probe: list[Bytes], step: int) -> Plan:
    """Choose by trying everything on a little."""
    filtered = {kind: _filtered_bands(probe, step, kind) for kind in (SUB, UP, AVERAGE, PAETH)}
    runs, runs_kind = _best_kind(filtered, _RUNS)
    search, search_kind = _best_kind(filtered, _FASTER_SEARCH)
    return Plan(runs_kind, *_RUNS) if runs <= search * _RUNS_WORTH else Plan(search_kind, *_FASTER_SEARCH)


def _best_kind(filtered: dict[int, list[Bytes]], how: tuple[int, int]) -> tuple[float, int]:
    """Return what the smallest size is, and the filter type that it takes."""
    sizes = {kind: float(_size(bands, how)) for kind, bands in filtered.items()}
    sizes[PAETH] *= _PAETH_ON_PHOTOGRAPHS
    kind = min(sizes, key=lambda kind: sizes[kind])
    return sizes[kind], kind


def _sample(image: Image.Image, share: float, most_bytes: int) -> list[Bytes]:
    """Return bands of rows from all over the image, each with the row above it."""
    row_bytes = _row_bytes(image)
    rows = max(min(int(image.height * share), most_bytes // row_bytes) // _BANDS, _LEAST_ROWS)
    tops = {(image.height - rows) * number // (_BANDS - 1) for number in range(_BANDS)}
    return [_rows(image, max(top, 0), min(max(top, 0) + rows, image.height)) for top in sorted(tops)]


def _filtered_bands(bands: list[Bytes], step: int, kind: int) -> list[Bytes]:
    return [_filtered(band, step, kind) for band in bands]


def _size(filtered: list[Bytes], how: tuple[int, int]) -> int:
    """Return how many bytes filtered bands have when they are compressed."""
    compressor = _compressor(*how)
    return sum(len(compressor.compress(band)) for band in filtered) + len(compressor.flush())


def _compressor(level: int, strategy: int) -> Any:  # noqa: ANN401  # zlib_ng does not name its type
    return zlib_ng.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL + 1, strategy)


def _compress(image: Image.Image, plan: Plan) -> bytes:
    compressor = _compressor(plan.level, plan.strategy)
    rows = max(_BLOCK_BYTES // _row_bytes(image), 1)
    parts = [
        compressor.compress(
            _filtered(_rows(image, top, min(top + rows, image.height)), _pixel_bytes(image), plan.filter)
        )
        for top in range(0, image.height, rows)
    ]
    return b"".join([*parts, compressor.flush()])


def _pixel_bytes(image: Image.Image) -> int:
    """Return the distance to the left neighbour: bytes of a pixel."""
    return 2 if image.mode == "I;16" else len(image.getbands())


def _row_bytes(image: Image.Image) -> int:
    return (image.width + 7) // 8 if image.mode == "1" else image.width * _pixel_bytes(image)


def _rows(image: Image.Image, top: int, bottom: int) -> Bytes:
    """Return rows as they stand in a PNG, of shape (bottom - top + 1, bytes): first that above ``top``, or zeros."""
    above = 1 if top else 0
    part = image.crop((0, top - above, image.width, bottom))
    raw = part.tobytes("raw", "I;16B") if image.mode == "I;16" else part.tobytes()
    rows = np.frombuffer(raw, np.uint8).reshape(part.height, -1)
    return rows if above else np.vstack([np.zeros_like(rows[:1]), rows])


def _filtered(rows: Bytes, step: int, kind: int) -> Bytes:
    """Filter all rows but the first, which is that above them.

    Args:
        rows: of shape (n + 1, bytes).
        step: bytes of a pixel.
        kind: a filter type.

    Returns:
        Shape (n, 1 + bytes): each row after its filter type.
    """
    out = np.empty((rows.shape[0] - 1, rows.shape[1] + 1), np.uint8)
    out[:, 0] = kind
    out[:, 1:] = _residues(rows[1:], rows[:-1], step, kind)
    return out


def _residues(rows: Bytes, above: Bytes, step: int, kind: int) -> Bytes:
    """Subtract from each byte what the filter predicts of it (PNG, section 9.2)."""
    if kind == NONE:
        return rows
    if kind == UP:
        return rows - above
    left = np.zeros_like(rows)
    left[:, step:] = rows[:, :-step]
    if kind == SUB:
        return rows - left
    if kind == AVERAGE:
        half: Bytes = (left >> 1) + (above >> 1) + (left & above & 1)  # without the ninth bit
        return rows - half
    corner = np.zeros_like(rows)
    corner[:, step:] = above[:, :-step]
    return rows - _paeth(left, above, corner)


def _paeth(left: Bytes, above: Bytes, corner: Bytes) -> Bytes:
    """Return whichever neighbour is nearest to left + above - corner (PNG, section 9.4)."""
    to_left = np.subtract(above, corner, dtype=np.int16)
    to_above = np.subtract(left, corner, dtype=np.int16)
    to_corner = np.abs(to_left + to_above)
    np.abs(to_left, out=to_left)
    np.abs(to_above, out=to_above)
    nearest = np.where(to_above <= to_corner, above, corner)
    np.minimum(to_above, to_corner, out=to_above)
    return np.where(to_left <= to_above, left, nearest)


def _palette(image: Image.Image) -> list[bytes]:
    palette = bytes(image.getpalette("RGB") or b"")
    transparency = image.info.get("transparency")
    parts = [_chunk(b"PLTE", palette)]
    if image.palette is not None and image.palette.mode == "RGBA":
        transparency = bytes(image.getpalette("RGBA") or b"")[3::4]
    if isinstance(transparency, int):
        transparency = b"\xff" * transparency + b"\0"
    if transparency:
        parts.append(_chunk(b"tRNS", bytes(transparency)[: len(palette) // 3]))
    return parts


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib_ng.crc32(data, zlib_ng.crc32(kind)))
