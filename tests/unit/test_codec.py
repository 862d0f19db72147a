"""Hostile and unusual bytes: each gives an image, or an `ImageError` with its own code; nothing else."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import encoded, picture
from PIL import Image

from imgray.codec import FORMATS, HEAD_BYTES, decode, encode, inspect, sniff
from imgray.errors import (
    EmptyImageError,
    ImageCorruptError,
    ImageError,
    ImageTruncatedError,
    NotAnImageError,
    TooLargeForFormatError,
    TooManyPixelsError,
)

MAX_PIXELS = 1_000_000
WRITABLE = [fmt.name for fmt in FORMATS.values() if fmt.writes]
REAL = {name: encoded(picture(), fmt.pillow) for name, fmt in FORMATS.items()}


def read(data: bytes) -> Image.Image:
    return decode(io.BytesIO(data), MAX_PIXELS)


def png_of(width: int, height: int) -> bytes:
    """Make a PNG header that announces a size, with hardly any data behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))

    header = struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_recognised_by_its_content_and_decoded(name: str) -> None:
    assert sniff(REAL[name][:HEAD_BYTES]) == name
    info = inspect(REAL[name], MAX_PIXELS)
    assert (info.format, info.width, info.height) == (name, 32, 24)
    image = read(REAL[name])
    assert (image.format, image.size) == (name, (32, 24))


@pytest.mark.parametrize("fmt", WRITABLE)
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_every_mode_can_be_written(fmt: str, mode: str) -> None:
    result = encode(picture(mode), fmt, quality=80, lossless=False)
    assert read(result.data).size == (32, 24)
    assert (result.format, result.width, result.height) == (fmt, 32, 24)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_png_is_lossless(mode: str) -> None:
    image = picture(mode)
    again = read(encode(image, "png", quality=1, lossless=False).data)
    assert np.array_equal(np.asarray(again.convert(mode)), np.asarray(image))


def test_lossless_webp_is_lossless() -> None:
    image = picture("RGBA")
    again = read(encode(image, "webp", quality=1, lossless=True).data)
    visible = np.asarray(image)[..., 3] > 0
    assert np.array_equal(np.asarray(again)[visible], np.asarray(image)[visible])


def test_an_exif_orientation_is_applied() -> None:
    image = Image.new("RGB", (4, 2))
    image.putpixel((0, 0), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right to show
    upright = read(encoded(image, exif=exif))
    assert upright.size == (2, 4)
    assert upright.getpixel((1, 0)) == (255, 0, 0)


def test_metadata_is_dropped_and_a_fitting_colour_profile_kept() -> None:
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    profile = b"\0" * 16 + b"RGB " + b"\0" * 108
    image = read(encoded(picture(), "JPEG", exif=exif, icc_profile=profile, comment=b"secret"))
    result = read(encode(image, "jpeg", quality=80, lossless=False).data)
    assert result.info.get("icc_profile") == profile
    assert "exif" not in result.info
    assert "comment" not in result.info
    grey = read(encode(image.convert("L"), "png", quality=80, lossless=False).data)
    assert "icc_profile" not in grey.info


def test_sixteen_bit_grey_is_scaled_to_eight_bits_and_not_clipped() -> None:
    image = Image.fromarray(np.array([[0, 32768, 65535]], dtype=np.uint16))
    result = read(encode(image, "webp", quality=100, lossless=True).data)
    assert [pixel[0] for pixel in np.asarray(result)[0]] == [0, 127, 255]


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
        (png_of(100_000, 100_000), TooManyPixelsError, "100000 by 100000 pixels"),
        (png_of(1000, 1001), TooManyPixelsError, "limit is 1,000,000"),
    ],
)
def test_what_is_no_image_has_an_error_of_its_own(data: bytes, kind: type[ImageError], words: str) -> None:
    for attempt in (lambda: inspect(data, MAX_PIXELS), lambda: read(data)):
        with pytest.raises(kind) as caught:
            attempt()
        assert words in str(caught.value)


@pytest.mark.parametrize("name", ["png", "jpeg"])
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_a_truncated_file_is_said_to_be_truncated_at_the_door_and_by_the_decoder(name: str, part: float) -> None:
    image = picture(size=(300, 200))
    data = encoded(image, FORMATS[name].pillow)
    data = data[: int(len(data) * part)]
    for attempt in (lambda: inspect(data, MAX_PIXELS), lambda: read(data)):
        with pytest.raises(ImageTruncatedError, match="Send the whole file"):
            attempt()


@given(name=st.sampled_from(sorted(REAL)), data=st.data())
def test_damaged_files_give_an_image_or_an_image_error(name: str, data: st.DataObject) -> None:
    damaged = bytearray(REAL[name])
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(len(damaged) // 4, len(damaged))) :]
    for attempt in (lambda: inspect(damaged, MAX_PIXELS), lambda: read(bytes(damaged))):
        try:
            attempt()
        except ImageError as error:
            assert str(error)


@given(st.binary(max_size=200))
def test_any_bytes_give_an_image_or_an_image_error(data: bytes) -> None:
    try:
        read(data)
    except ImageError as error:
        assert str(error)


def test_a_colour_key_becomes_alpha_so_that_no_operation_moves_it() -> None:
    image = Image.new("RGB", (2, 1), (255, 0, 0))
    image.putpixel((1, 0), (0, 255, 0))
    keyed = read(encoded(image, transparency=(255, 0, 0)))
    assert (keyed.mode, keyed.getpixel((0, 0)), keyed.getpixel((1, 0))) == ("RGBA", (255, 0, 0, 0), (0, 255, 0, 255))
    grey = read(encoded(Image.new("L", (1, 1), 7), transparency=7))
    assert (grey.mode, grey.getpixel((0, 0))) == ("LA", (7, 0))


def test_sixteen_bit_grey_is_kept_in_either_byte_order() -> None:
    levels = np.array([[0, 300, 65535]], dtype=np.uint16)
    tags = ((256, 3, 3), (257, 3, 1), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 3, 1), (279, 4, 6))
    entries = b"".join(
        struct.pack(">HHI", tag, kind, 1) + (struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", value))
        for tag, kind, value in tags
    )
    body = struct.pack(">2sHI", b"MM", 42, 14) + levels.astype(">u2").tobytes()
    tiff = body + struct.pack(">H", len(tags)) + entries + struct.pack(">I", 0)
    image = read(tiff)
    assert (image.mode, np.asarray(image).tolist()) == ("I;16", levels.tolist())


@pytest.mark.parametrize(("fmt", "side"), [("webp", 16_384), ("jpeg", 65_501)])
def test_a_side_that_a_format_cannot_tell_is_refused(fmt: str, side: int) -> None:
    with pytest.raises(TooLargeForFormatError, match=fmt):
        encode(Image.new("L", (side, 1)), fmt, quality=80, lossless=False)


def test_nonsense_in_the_metadata_does_not_hurt_the_pixels() -> None:
    assert read(encoded(picture(), exif=b"Exif\0\0nonsense")).size == (32, 24)


def test_a_text_that_begins_like_a_bitmap_is_none() -> None:
    assert sniff(b"BMW notes: the brakes are due in May") is None
