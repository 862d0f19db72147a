"""A PNG's rows by libdeflate and libpng: the same pixels and the same errors as by Pillow alone, whatever the file."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import encoded, picture
from PIL import Image
from real_files import chunk, interlaced_png, png

from imgray.codec import ImageLimits, decode, rows
from imgray.codec.reading import Reading
from imgray.errors import ImageError

pytest.importorskip("imagecodecs")

LIMITS = ImageLimits()
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
SLOWER = {(2, 16), (6, 16)}
"""Kinds that are left to Pillow: rare, and with more bytes a pixel than libpng's kinds of 8 bits have."""

PALETTE = chunk(b"PLTE", bytes(range(256)) * 3)
KEYS = {0: struct.pack("!H", 1), 2: struct.pack("!3H", 1, 2, 3), 3: bytes(range(0, 256, 16))}


@contextmanager
def pillow_alone() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "_codecs", lambda: None)
        yield


def verdict(data: bytes, reading: Reading = Reading()) -> object:  # noqa: B008  # a frozen value
    try:
        frame = decode(data, LIMITS, reading).frames[0]
    except ImageError as error:
        return error.code, str(error)
    return frame.mode, frame.size, frame.tobytes(), frame.getpalette()


def loaded_here(data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as image:
        return rows.load_rows(image, memoryview(data))


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, tuple[int, int]]:
    """Draw a PNG of any kind, with any filters."""
    colour_type = draw(st.sampled_from(sorted(DEPTHS)))
    depth = draw(st.sampled_from(DEPTHS[colour_type]))
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 12))
    row_bytes = (width * depth * CHANNELS[colour_type] + 7) // 8
    made = np.random.default_rng(draw(st.integers(0, 2**32))).bytes(row_bytes * height)
    extra = [PALETTE] if colour_type == 3 else []
    if colour_type in KEYS and draw(st.booleans()):
        extra.append(chunk(b"tRNS", KEYS[colour_type][: 2**depth] if colour_type == 3 else KEYS[colour_type]))
    lines = [made[at : at + row_bytes] for at in range(0, len(made), row_bytes)]
    filters = bytes(draw(st.lists(st.integers(0, 4), min_size=1, max_size=6)))
    return png((width, height), depth, colour_type, lines, *extra, filters=filters), (colour_type, depth)


@given(files(), st.sampled_from([1, 60, 2**18]))
def test_all_kinds_of_pixels_and_filters_are_read_as_pillow_does(
    drawn: tuple[bytes, tuple[int, int]], band_bytes: int
) -> None:
    data, kind = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "_BAND_BYTES", band_bytes)  # so that filters reach over from one band to the next
        assert loaded_here(data) == (kind not in SLOWER)
        here = verdict(data)
    with pillow_alone():
        assert not loaded_here(data)
        assert verdict(data) == here


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "I;16"])
def test_a_picture_of_many_bands_is_read_as_pillow_does(mode: str) -> None:
    image = picture(size=(900, 700))
    image = (
        Image.fromarray(np.arange(630_000, dtype="<u2").reshape(700, 900)) if mode == "I;16" else image.convert(mode)
    )
    data = encoded(image, "PNG")
    assert loaded_here(data)
    here = verdict(data)
    with pillow_alone():
        assert verdict(data) == here


def damaged() -> dict[str, bytes]:
    lines = [bytes(range(at, at + 30)) for at in range(20)]
    good = png((10, 20), 8, 2, lines, filters=b"\4")
    pixels = zlib.compress(b"".join(b"\4" + line for line in lines))
    head, tail = good[:33], chunk(b"IEND", b"")

    def of(*parts: bytes) -> bytes:
        return head + b"".join(chunk(b"IDAT", part) for part in parts) + tail

    assert of(pixels) == good
    return {
        "checksum": of(pixels[:-1] + bytes([pixels[-1] ^ 1])),
        "cut": of(pixels[:-20]),
        "flipped": of(pixels[:30] + bytes([pixels[30] ^ 255]) + pixels[31:]),
        "nothing": of(b""),
        "no pixels": head + tail,
        "noise": of(b"this is not compressed at all"),
        "one row too few": png((10, 20), 8, 2, lines[:-1]),
        "one row too many": png((10, 20), 8, 2, [*lines, lines[0]]),
        "parts": of(pixels[:5], b"", pixels[5:]),
        "something between": of(pixels[:5])[:-12] + chunk(b"tEXt", b"a\0b") + of(pixels[5:])[33:],
        "two headers": good[:33] + chunk(b"IHDR", struct.pack("!IIBB3x", 10, 20, 8, 0)) + good[33:],
        "unknown filter": png((10, 20), 8, 2, lines, filters=b"\0\5"),
        "more after the end": of(pixels + b"more"),
    }


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("name", damaged())
def test_a_damaged_file_is_judged_by_pillow(name: str, *, partial: bool) -> None:
    data, reading = damaged()[name], Reading(partial=partial)
    here = verdict(data, reading)
    with pillow_alone():
        assert verdict(data, reading) == here


def test_interlaced_files_and_other_formats_are_left_to_others() -> None:
    assert not loaded_here(interlaced_png(picture(size=(20, 20)).convert("RGB")))
    assert not loaded_here(encoded(picture(), "JPEG"))


def test_what_stands_after_the_pixels_is_read() -> None:
    image = picture(size=(30, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    late = chunk(b"eXIf", exif.tobytes()[6:])
    data = encoded(image, "PNG")
    turned = decode(data[:-12] + late + data[-12:], LIMITS).frames[0]
    assert loaded_here(data[:-12] + late + data[-12:])
    assert turned.size == (20, 30)
    assert turned.tobytes() == image.transpose(Image.Transpose.ROTATE_270).tobytes()
