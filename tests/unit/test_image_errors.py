"""What is said of bytes that are no image, too large a one, or only a part of one; at the door, and by the decoder."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import encoded, picture
from PIL import Image
from real_files import CORNERS, SIZE, corners, png, quarters, real_files

from imgray.codec import ImageLimits, Reading, decode, inspect, sniff
from imgray.errors import (
    EmptyImageError,
    FormatNotInstalledError,
    ImageCorruptError,
    ImageError,
    ImageTruncatedError,
    MetadataTooLargeError,
    NotAnImageError,
    OutOfMemoryError,
    TooManyPixelsError,
    TooWideError,
)

Attempt = Callable[..., object]

LIMITS = ImageLimits()
PARTIAL = Reading(partial=True)
BOTH = pytest.mark.parametrize("attempt", [inspect, decode])
SHOWS_PARTS: dict[str, dict[str, Any]] = {
    "png": {},
    "jpeg": {},
    "jpeg-progressive": {"progressive": True},
    "gif": {},
    "tiff": {},
    "tiff-lzw": {"compression": "tiff_lzw"},
    "bmp": {},
}
"""Files of which a part is an image, and how Pillow writes them."""


@BOTH
@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"", EmptyImageError, "0 bytes"),
        (b"hello, world", NotAnImageError, "looks like text"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", NotAnImageError, "SVG is not supported"),
        (b"%PDF-1.7", NotAnImageError, "It is a PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", NotAnImageError, "not an image"),
        (bytes(range(128, 256)), NotAnImageError, "not an image"),
        (b"\x89PNG\r\n\x1a\n", ImageCorruptError, "starts as png"),
        (b"GIF89a", ImageCorruptError, "starts as gif"),
        (png((100_000, 1), 8, 0, [b""]), TooWideError, "100000 by 1 pixels; a side may have 65,535"),
        (png((10_000, 10_000), 8, 0, [b""]), TooManyPixelsError, "10000 by 10000 pixels; the limit is 50,000,000"),
    ],
)
def test_what_is_no_image_has_an_error_of_its_own(
    data: bytes, kind: type[ImageError], words: str, attempt: Attempt
) -> None:
    with pytest.raises(kind) as caught:
        attempt(data, LIMITS)
    assert words in str(caught.value)


@BOTH
@pytest.mark.parametrize("name", real_files())
def test_limits_are_kept_by_every_format(name: str, attempt: Attempt) -> None:
    data = real_files()[name]
    info = inspect(data, LIMITS)
    attempt(data, ImageLimits(max_pixels=info.pixels))
    with pytest.raises(TooManyPixelsError, match=f"limit is {info.pixels - 1:,}"):
        attempt(data, ImageLimits(max_pixels=info.pixels - 1))
    with pytest.raises(TooWideError, match=f"a side may have {max(info.width, info.height) - 1}"):
        attempt(data, ImageLimits(max_side=max(info.width, info.height) - 1))


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_metadata_over_the_limit_are_refused(fmt: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 20_000
    data = encoded(picture(), fmt, exif=exif)
    decode(data, ImageLimits(max_metadata_bytes=25_000))
    with pytest.raises(MetadataTooLargeError, match=r"limit is 10,000"):
        decode(data, ImageLimits(max_metadata_bytes=10_000))
    if fmt != "AVIF":  # where only a decoder tells them from pixels
        with pytest.raises(MetadataTooLargeError):
            inspect(data, ImageLimits(max_metadata_bytes=10_000))


def test_a_profile_larger_than_what_pillow_takes_is_read_if_the_limit_says_so() -> None:
    data = encoded(picture(), icc_profile=b"x" * 3_000_000)
    assert decode(data, LIMITS).size == (32, 24)


@BOTH
@pytest.mark.parametrize(
    "name", ["png", "jpeg", "gif", "webp", "tiff", "bmp", "avif", "heic", "ico", "jp2", "jxl-boxes"]
)
@pytest.mark.parametrize("part", [0.6, 0.9])
def test_a_truncated_file_is_said_to_be_truncated(name: str, part: float, attempt: Attempt) -> None:
    data = real_files()[name]
    with pytest.raises(ImageTruncatedError, match="Send the whole file"):
        attempt(data[: int(len(data) * part)], LIMITS)


@pytest.mark.parametrize("name", SHOWS_PARTS)
def test_what_there_is_of_a_truncated_file_can_be_read(name: str) -> None:
    image = quarters((256, 192))
    whole = encoded(image, name.partition("-")[0].upper(), **SHOWS_PARTS[name])
    cut = without_end(whole) if name.startswith("tiff") else whole[: len(whole) * 3 // 4]
    inspect(cut, LIMITS, PARTIAL)
    read = decode(cut, LIMITS, PARTIAL).frames[0]
    assert read.size == image.size
    shown = corners(read)[2:] if name == "bmp" else corners(read)[:2]  # whose lowest row comes first
    np.testing.assert_allclose(shown, CORNERS[2:] if name == "bmp" else CORNERS[:2], atol=12)


def without_end(data: bytes) -> bytes:
    """Cut pixels out of a TIFF that has its directory at the end, or before them."""
    start = int.from_bytes(data[4:8], "little")
    if start < len(data) // 2:
        return data[: len(data) * 3 // 4]
    return data[: start - start // 4] + b"\xff" * (start // 4) + data[start:]


def test_a_whole_file_is_not_read_otherwise_when_parts_would_do() -> None:
    for data in real_files().values():
        usual, partial = decode(data, LIMITS), decode(data, LIMITS, PARTIAL)
        assert [frame.tobytes() for frame in usual.frames] == [frame.tobytes() for frame in partial.frames]


@pytest.mark.parametrize("name", real_files())
def test_what_a_part_is_read_of_leaves_nothing_behind(name: str) -> None:
    data = real_files()[name]
    for part in range(1, 8):
        cut = data[: len(data) * part // 8]
        for attempt in (inspect, decode):
            try:
                attempt(cut, LIMITS, PARTIAL)
            except ImageError as error:
                assert str(error)
    assert decode(data, LIMITS).size == (SIZE if not name.startswith("ico") else decode(data, LIMITS).size)
    with pytest.raises(ImageTruncatedError):
        decode(real_files()["jpeg"][:-100], LIMITS)


@BOTH
def test_a_format_that_is_not_installed_is_named(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(FormatNotInstalledError, match=r"HEIC image; this service cannot read it"):
        attempt(real_files()["heic"], LIMITS)


def test_what_a_decoder_says_of_memory_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise RuntimeError("bad_alloc")

    monkeypatch.setattr(Image.Image, "load", fails)
    with pytest.raises(OutOfMemoryError):
        decode(real_files()["png"], LIMITS)


def test_a_panic_of_a_decoder_in_rust_is_an_error_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):  # as it is called
        pass

    def panics(*_: object, **__: object) -> None:
        raise PanicException("index out of bounds")

    monkeypatch.setattr(Image, "open", panics)
    with pytest.raises(ImageCorruptError, match="index out of bounds"):
        decode(real_files()["png"], LIMITS)


@given(name=st.sampled_from(sorted(real_files())), data=st.data())
def test_damaged_files_give_an_image_or_an_image_error(name: str, data: st.DataObject) -> None:
    damaged = bytearray(real_files()[name])
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(len(damaged) // 4, len(damaged))) :]
    for attempt in (inspect, decode):
        try:
            attempt(damaged, LIMITS)
        except ImageError as error:
            assert str(error)


@given(st.binary(max_size=200))
def test_any_bytes_give_an_image_or_an_image_error(data: bytes) -> None:
    for attempt in (inspect, decode):
        try:
            attempt(data, LIMITS)
        except ImageError as error:
            assert str(error)


def test_a_text_that_begins_like_a_bitmap_is_none() -> None:
    assert sniff(b"BMW notes: the brakes are due in May") is None
