"""Reading an image: whatever the format and the way it is stored, what comes out is what is meant."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from pictures import encoded, picture
from PIL import Image
from real_files import CORNERS, SIZE, chunk, corners, interlaced_png, png, quarters, real_files, stored, tiff

from imgray.codec import FORMATS, HEAD_BYTES, Encoding, ImageLimits, Reading, decode, encode, inspect, sniff

LIMITS = ImageLimits()
ORIENTED = ["jpeg", "png", "webp", "tiff", "avif"]


def read(data: bytes, reading: Reading = Reading()) -> Image.Image:  # noqa: B008  # a frozen value
    return decode(data, LIMITS, reading).frames[0]


def assert_upright(image: Image.Image, size: tuple[int, int] = SIZE) -> None:
    assert image.size == size
    np.testing.assert_allclose(corners(image), CORNERS, atol=12)


@pytest.mark.parametrize("name", real_files())
def test_every_format_is_recognised_by_its_content_and_decoded(name: str) -> None:
    data = real_files()[name]
    fmt = name.partition("-")[0]
    assert sniff(data[:HEAD_BYTES]) == fmt
    picture = decode(data, LIMITS)
    assert (picture.source.format, picture.animated) == (fmt, name.endswith("animated"))
    info = inspect(data, LIMITS)
    assert (info.format, info.frames) == (fmt, len(picture.frames))
    assert {key for frame in picture.frames for key in frame.info} <= {"transparency"}
    if fmt != "ico" and not name.endswith("deep"):
        assert_upright(picture.frames[0])


@pytest.mark.parametrize("name", sorted(real_files().keys() - {"heic", "jpeg-exif"}))
def test_the_size_is_known_before_anything_is_decompressed(name: str) -> None:
    data = real_files()[name]
    info = inspect(data, LIMITS)
    assert (info.width, info.height) == decode(data, LIMITS).size


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: memoryview(b"__" + data + b"__")[2:-2]])
def test_bytes_may_come_in_any_shape(kind: type[bytes]) -> None:
    assert_upright(read(kind(real_files()["png"])))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fmt", ORIENTED)
def test_an_exif_orientation_is_applied_once(fmt: str, orientation: int) -> None:
    image, exif = stored(orientation)
    data = encoded(image, FORMATS[fmt].pillow, exif=exif)
    upright = decode(data, LIMITS)
    assert_upright(upright.frames[0])
    assert upright.full_size == upright.source.size == SIZE
    again = encode(upright, Encoding(fmt, metadata=True)).data
    assert_upright(read(again))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fmt", ORIENTED)
def test_an_exif_orientation_can_be_left_alone(fmt: str, orientation: int) -> None:
    image, exif = stored(orientation)
    data = encoded(image, FORMATS[fmt].pillow, exif=exif)
    lying = read(data, Reading(orient=False))
    assert lying.size == image.size
    np.testing.assert_allclose(corners(lying), corners(image), atol=12)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_that_is_reduced_while_it_is_decoded_is_upright_too(orientation: int) -> None:
    image, exif = stored(orientation, (640, 480))
    data = encoded(image, "JPEG", exif=exif)
    enough = {(640, 480): (100, 75)}  # asked for the upright size
    reduced = decode(data, LIMITS, enough=enough.__getitem__)
    assert (reduced.full_size, reduced.source.size) == ((640, 480), (640, 480))
    assert_upright(reduced.frames[0], (160, 120))  # a quarter: no eighth is as large as what is needed


@pytest.mark.parametrize("enough", [(640, 480), (400, 300), None])
def test_a_jpeg_is_not_reduced_below_what_is_enough(enough: tuple[int, int] | None) -> None:
    data = encoded(quarters((640, 480)), "JPEG")
    assert decode(data, LIMITS, enough=lambda _: enough).size == (640, 480)


def test_heic_is_turned_by_its_boxes_and_not_by_exif_too() -> None:
    assert_upright(read(real_files()["heic"]))


def test_an_orientation_after_the_pixels_of_a_png_counts() -> None:
    image, exif = stored(6)
    data = encoded(image)
    late = data[:-12] + chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")) + data[-12:]
    assert_upright(read(late))


def test_an_orientation_that_only_xmp_tells_is_ignored_as_browsers_do() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    for fmt in ("JPEG", "TIFF"):
        assert_upright(read(encoded(quarters(), fmt, **({"xmp": xmp} if fmt == "JPEG" else {"tiffinfo": {700: xmp}}))))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_makes_no_sense_is_ignored(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for fmt in ("JPEG", "PNG", "TIFF"):
        assert_upright(read(encoded(quarters(), fmt, exif=exif)))


def test_nonsense_in_the_metadata_does_not_hurt_the_pixels() -> None:
    for fmt in ("JPEG", "PNG", "WEBP"):
        assert_upright(read(encoded(quarters(), fmt, exif=b"Exif\0\0nonsense")))


def test_a_text_in_a_png_does_not_pass_for_something_else() -> None:
    texts = [
        chunk(b"tEXt", key + b"\0nonsense") for key in (b"icc_profile", b"loop", b"duration", b"xmp", b"dpi", b"gamma")
    ]
    picture = decode(png((1, 1), 8, 2, [b"abc"], *texts), LIMITS)
    assert (picture.loop, picture.source.icc, picture.frames[0].getpixel((0, 0))) == (None, b"", tuple(b"abc"))


def test_an_interlaced_png_is_read_exactly() -> None:
    image = picture(size=(33, 21))
    assert np.array_equal(np.asarray(read(interlaced_png(image))), np.asarray(image))


def test_a_progressive_jpeg_is_the_same_as_one_that_is_not() -> None:
    image = picture(size=(33, 21))
    usual, progressive = (read(encoded(image, "JPEG", progressive=value)) for value in (False, True))
    assert np.array_equal(np.asarray(usual), np.asarray(progressive))


@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bit_grey_is_kept_in_either_byte_order(order: str) -> None:
    levels = np.array([[0, 300, 65535], [257, 32896, 1]], dtype=np.uint16)
    for data in (tiff(levels, order), png((3, 2), 16, 0, [row.astype(">u2").tobytes() for row in levels])):
        image = read(data)
        assert (image.mode, np.asarray(image).tolist()) == ("I;16", levels.tolist())
        reduced = read(encode(decode(data, LIMITS), Encoding("webp", lossless=True)).data)
        assert np.asarray(reduced)[..., 0].tolist() == [[0, 1, 255], [1, 128, 0]]  # scaled, not clipped


def test_sixteen_bit_colour_is_reduced_and_not_clipped() -> None:
    levels = np.array([[[0, 300, 65535], [256, 32768, 1]]], dtype=np.uint16)
    expected = [[[0, 1, 255], [1, 128, 0]]]
    for data in (tiff(levels, photometric=2), png((2, 1), 16, 2, [levels.astype(">u2").tobytes()])):
        assert np.asarray(read(data)).tolist() == expected


def test_a_tiff_of_few_levels_in_many_bits_becomes_sixteen_bit_grey_and_one_of_more_does_not() -> None:
    few, many, negative = (tiff_of("I", values) for values in ([0, 65535, 7], [0, 65536, 7], [-1, 5, 7]))
    assert read(few).mode == "I;16"
    assert (read(many).mode, read(negative).mode) == ("I", "I")


def tiff_of(mode: str, values: list[int]) -> bytes:
    image = Image.new(mode, (len(values), 1))
    image.putdata(values)
    return encoded(image, "TIFF")


def test_a_palette_with_transparency_keeps_it() -> None:
    image = Image.new("P", (3, 1))
    image.putdata([0, 1, 2])
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    for transparency, alpha in ((1, [255, 0, 255]), (b"\xff\x80\x00", [255, 128, 0])):
        palette = read(encoded(image, transparency=transparency))
        assert palette.mode == "P"
        rgba = np.asarray(palette.convert("RGBA"))[0]
        assert rgba[:, 3].tolist() == alpha
        assert rgba[:, :3].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]


@pytest.mark.parametrize(
    ("depth", "colour_type", "row", "key", "expected"),
    [
        (1, 0, b"\x40", [1], [(0, 255), (255, 0)]),
        (2, 0, b"\x70", [3], [(85, 255), (255, 0)]),
        (4, 0, b"\x3f", [3], [(51, 0), (255, 255)]),
        (8, 0, b"\x07\x08", [7], [(7, 0), (8, 255)]),
        (16, 0, b"\x01\x2c\x01\x2d", [300], [(1, 0), (1, 255)]),
        (8, 2, b"\1\2\3\1\2\4", [1, 2, 3], [(1, 2, 3, 0), (1, 2, 4, 255)]),
        (16, 2, b"\1\x34\2\x34\3\x34\7\x34\2\x34\3\x34", [0x134, 0x234, 0x334], [(1, 2, 3, 0), (7, 2, 3, 255)]),
    ],
)
def test_a_transparent_colour_becomes_alpha_so_that_no_operation_moves_it(
    depth: int, colour_type: int, row: bytes, key: list[int], expected: list[tuple[int, ...]]
) -> None:
    transparency = chunk(b"tRNS", struct.pack(f"!{len(key)}H", *key))
    image = read(png((2, 1), depth, colour_type, [row], transparency))
    shown = image.convert("LA") if image.mode == "RGBA" and len(expected[0]) == 2 else image
    assert [shown.getpixel((0, 0)), shown.getpixel((1, 0))] == expected


def test_lab_colours_become_srgb() -> None:
    red = Image.new("LAB", (2, 2), (138, 81 + 128, 70 + 128))  # CIELAB of sRGB red: about 54, 81, 70
    image = read(encoded(red, "TIFF"))
    assert image.mode == "RGB"
    np.testing.assert_allclose(corners(image)[0], (255, 0, 0), atol=16)


def test_of_a_tiff_with_several_pages_the_first_is_read() -> None:
    pages = [Image.new("RGB", (5, 3), "red"), Image.new("RGB", (9, 9), "blue")]
    picture = decode(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]), LIMITS)
    assert (picture.size, picture.animated, picture.frames[0].getpixel((0, 0))) == ((5, 3), False, (255, 0, 0))


@pytest.mark.parametrize("bitmap_format", ["png", "bmp"])
def test_of_an_ico_with_several_sizes_the_largest_is_read(bitmap_format: str) -> None:
    image = quarters((64, 64)).convert("RGBA")
    image.putpixel((0, 0), (0, 0, 0, 0))
    data = encoded(image, "ICO", sizes=[(16, 16), (64, 64), (32, 32)], bitmap_format=bitmap_format)
    assert inspect(data, LIMITS).width == 64
    icon = read(data)
    assert (icon.mode, icon.size, icon.getchannel("A").getpixel((0, 0))) == ("RGBA", (64, 64), 0)
    assert icon.getpixel((63, 63)) == (*CORNERS[3], 255)


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1)])
@pytest.mark.parametrize("fmt", ["png", "jpeg", "webp", "avif", "gif", "tiff", "bmp", "jp2", "jxl"])
def test_extreme_shapes_are_read(fmt: str, size: tuple[int, int]) -> None:
    if fmt == "jxl" and size != (1, 1):
        size = (size[0] // 10 or 1, size[1] // 10 or 1)  # its encoder takes its time
    assert read(encoded(Image.new("RGB", size, "red"), FORMATS[fmt].pillow)).size == size
