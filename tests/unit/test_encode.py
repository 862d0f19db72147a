"""Writing a picture: every mode in every format, with what is asked for and without what is not."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from pictures import encoded, picture
from PIL import Image
from PIL.TiffImagePlugin import IFDRational
from real_files import exif_bytes, quarters

from imgray.codec import FORMATS, Encoding, ImageLimits, decode, encode
from imgray.errors import OutputTooLargeError, TooLargeForFormatError
from imgray.picture import Picture

LIMITS = ImageLimits()
MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16", "I", "F"]
WRITABLE = [fmt.name for fmt in FORMATS.values() if fmt.writes]
LOSSLESS = {
    "png": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "tiff": ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"],
    "bmp": ["1", "L", "P", "RGB"],
    "gif": ["1", "L", "P"],
    "ico": ["RGB", "RGBA"],
}
"""Modes in which a format holds an image as it is."""
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>'


def written(image: Image.Image, encoding: Encoding) -> Picture:
    return decode(encode(Picture.of(image), encoding).data, LIMITS)


@pytest.mark.parametrize("fmt", WRITABLE)
@pytest.mark.parametrize("mode", [*MODES, "YCbCr", "HSV"])
def test_every_mode_can_be_written_in_every_format(fmt: str, mode: str) -> None:
    image = picture(mode) if mode != "HSV" else picture("RGB").convert("HSV")
    before = image.tobytes()
    result = encode(Picture.of(image), Encoding(fmt))
    assert (result.format, result.width, result.height) == (fmt, 32, 24)
    assert result.content_type == FORMATS[fmt].content_type
    assert decode(result.data, LIMITS).size == (32, 24)
    assert image.tobytes() == before


@pytest.mark.parametrize(("fmt", "mode"), [(fmt, mode) for fmt, modes in LOSSLESS.items() for mode in modes])
def test_what_a_format_holds_is_written_without_loss(fmt: str, mode: str) -> None:
    image = picture(mode)
    again = written(image, Encoding(fmt, quality=1)).frames[0]
    if again.mode == mode:
        assert np.array_equal(np.asarray(again), np.asarray(image))
    assert np.array_equal(np.asarray(shown(again)), np.asarray(shown(image)))


def shown(image: Image.Image) -> Image.Image:
    return image if image.mode in {"I;16", "I", "F"} else image.convert("RGBA")


@pytest.mark.parametrize("fmt", ["webp", "jp2"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_lossless_is_lossless(fmt: str, mode: str) -> None:
    image = picture(mode)
    assert np.array_equal(np.asarray(written(image, Encoding(fmt, lossless=True)).frames[0]), np.asarray(image))


@pytest.mark.parametrize("fmt", ["webp", "avif", "png", "gif", "tiff", "ico", "jp2"])
def test_transparency_is_kept(fmt: str) -> None:
    image = quarters((64, 64)).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 32, 32))
    alpha = written(image, Encoding(fmt)).frames[0].convert("RGBA").getchannel("A")
    assert alpha.getpixel((8, 8)) in range(4 if fmt == "jp2" else 1)  # whose alpha is lossy, too
    assert alpha.getpixel((56, 56)) == 255


@pytest.mark.parametrize("colours", [1, 2, 254, 255])
def test_a_gif_keeps_every_colour_of_an_image_with_few_enough(colours: int) -> None:
    rng = np.random.default_rng(colours)
    palette = rng.integers(0, 256, (colours, 3), dtype=np.uint8)
    size = (100, 100)  # such that all are there
    pixels = np.dstack([palette[rng.integers(0, colours, size)], rng.choice([0, 255], size).astype(np.uint8)])
    again = np.asarray(written(Image.fromarray(pixels), Encoding("gif")).frames[0].convert("RGBA"))
    visible = pixels[..., 3] > 0
    assert np.array_equal(again[..., 3], pixels[..., 3])
    assert np.array_equal(again[visible], pixels[visible])


def test_in_a_gif_what_is_hardly_visible_is_not_at_all() -> None:
    edge = Image.new("RGBA", (2, 1), (255, 0, 0, 127))
    edge.putpixel((1, 0), (0, 255, 0, 128))
    shown = written(edge, Encoding("gif")).frames[0].convert("RGBA")
    assert (shown.getpixel((0, 0))[3:], shown.getpixel((1, 0))) == ((0,), (0, 255, 0, 255))  # type: ignore[index]


@pytest.mark.parametrize("fmt", ["jpeg", "bmp"])
def test_where_there_is_no_alpha_what_is_transparent_becomes_white(fmt: str) -> None:
    image = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    assert written(image, Encoding(fmt)).frames[0].convert("RGBA").getpixel((8, 8)) == (255, 255, 255, 255)


@pytest.mark.parametrize("fmt", ["jpeg", "webp", "avif", "jp2"])
def test_less_quality_makes_fewer_bytes(fmt: str) -> None:
    image = Picture.of(picture(size=(200, 200)))
    sizes = [len(encode(image, Encoding(fmt, quality=quality)).data) for quality in (10, 50, 95)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2]


@pytest.mark.parametrize("fmt", ["jpeg", "webp", "avif", "jp2"])
def test_the_quality_is_lowered_until_the_result_is_small_enough(fmt: str) -> None:
    image = Picture.of(picture(size=(200, 200)))
    usual = len(encode(image, Encoding(fmt)).data)
    smallest = len(encode(image, Encoding(fmt, quality=1)).data)
    most = (usual + smallest) // 2
    result = encode(image, Encoding(fmt, max_bytes=most)).data
    assert smallest <= len(result) <= most
    assert decode(result, LIMITS).size == (200, 200)
    assert encode(image, Encoding(fmt, max_bytes=usual)).data == encode(image, Encoding(fmt)).data
    with pytest.raises(OutputTooLargeError, match=r"max_bytes is 100"):
        encode(image, Encoding(fmt, max_bytes=100))


def test_the_highest_quality_that_fits_is_found() -> None:
    image = Picture.of(picture(size=(64, 64)))
    most = len(encode(image, Encoding("jpeg", quality=37)).data)
    found = encode(image, Encoding("jpeg", quality=85, max_bytes=most)).data
    assert found in {encode(image, Encoding("jpeg", quality=quality)).data for quality in range(37, 40)}


def test_progressive_and_subsampling_do_what_they_say() -> None:
    image = Picture.of(quarters())
    assert Image.open(io.BytesIO(encode(image, Encoding("jpeg", progressive=True)).data)).info.get("progressive")
    assert "progressive" not in Image.open(io.BytesIO(encode(image, Encoding("jpeg")).data)).info
    sizes = [
        len(encode(Picture.of(picture(size=(64, 64))), Encoding("jpeg", subsampling=subsampling)).data)
        for subsampling in ("420", "422", "444")
    ]
    assert sizes == sorted(set(sizes))


FILES_WITH_METADATA: dict[str, dict[str, Any]] = {
    "jpeg": {"exif": exif_bytes(6), "xmp": XMP, "comment": b"secret"},
    "tiff": {"tiffinfo": {270: "where I live", 700: XMP, 33723: b"secret", 34377: b"8BIMsecret"}},
    "webp": {"exif": exif_bytes(6), "xmp": XMP},
    "avif": {"exif": exif_bytes(6), "xmp": XMP},
    "gif": {"comment": b"secret"},
}


@pytest.mark.parametrize("fmt", WRITABLE)
@pytest.mark.parametrize("source_format", FILES_WITH_METADATA)
def test_metadata_are_stripped(source_format: str, fmt: str) -> None:
    options = FILES_WITH_METADATA[source_format]
    source = decode(encoded(quarters(), FORMATS[source_format].pillow, **options), LIMITS)
    data = encode(source, Encoding(fmt)).data
    assert b"where I live" not in data
    assert b"secret" not in data
    assert b"xmpmeta" not in data
    again = decode(data, LIMITS).source
    assert (again.exif, again.xmp, again.icc) == (b"", b"", b"")


@pytest.mark.parametrize("fmt", ["jpeg", "png", "webp", "avif", "tiff"])
@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_metadata_are_kept_on_demand_but_for_the_orientation(source_format: str, fmt: str) -> None:
    source = decode(encoded(quarters(), source_format, exif=exif_bytes(6)), LIMITS)
    again = decode(encode(source, Encoding(fmt, metadata=True)).data, LIMITS)
    exif = Image.Exif()
    exif.load(again.source.exif)
    assert dict(exif) == {0x010E: "where I live"}
    assert again.size == source.size


@pytest.mark.parametrize("fmt", ["jpeg", "webp", "avif"])
def test_xmp_is_kept_on_demand(fmt: str) -> None:
    source = decode(encoded(quarters(), "JPEG", xmp=XMP), LIMITS)
    assert decode(encode(source, Encoding(fmt, metadata=True)).data, LIMITS).source.xmp == XMP


def test_what_the_camera_says_is_kept_with_what_the_image_is() -> None:
    exif = Image.Exif()
    exif[0x010F] = "maker"
    exif.get_ifd(0x8769)[0x829A] = IFDRational(1, 250)
    exif.get_ifd(0x8825)[1] = "N"
    for fmt in ("JPEG", "TIFF", "AVIF"):
        kept = Image.Exif()
        kept.load(decode(encoded(quarters(), fmt, exif=exif.tobytes()), LIMITS).source.exif)
        assert (kept[0x010F], kept.get_ifd(0x8825)[1]) == ("maker", "N")
        assert float(kept.get_ifd(0x8769)[0x829A]) == pytest.approx(1 / 250)


@pytest.mark.parametrize(("fmt", "side"), [("webp", 16_384), ("jpeg", 65_501), ("ico", 257), ("avif", 32_769)])
def test_a_side_that_a_format_cannot_tell_is_refused(fmt: str, side: int) -> None:
    with pytest.raises(TooLargeForFormatError, match=fmt):
        encode(Picture.of(Image.new("L", (side, 1))), Encoding(fmt))


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1)])
@pytest.mark.parametrize("fmt", [fmt for fmt in WRITABLE if fmt != "ico"])
def test_extreme_shapes_are_written(fmt: str, size: tuple[int, int]) -> None:
    assert written(Image.new("RGB", size, "red"), Encoding(fmt)).size == size
