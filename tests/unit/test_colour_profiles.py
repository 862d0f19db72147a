"""Colours mean what their profile says; what comes out is sRGB, unless they are to be kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pictures import encoded, picture
from PIL import Image
from profiles import P3_PRIMARIES, SRGB_PRIMARIES, cmyk_profile, grey_profile, rgb_profile

from imgray.codec import Encoding, ImageLimits, Reading, decode, encode
from imgray.picture import Picture

LIMITS = ImageLimits()
KEEP = Reading(colour="keep")
AS_SRGB = {
    (234, 51, 35): (255, 0, 0),  # in Display P3, the colours that sRGB calls red, green and blue
    (117, 251, 76): (0, 255, 0),
    (0, 0, 245): (0, 0, 255),
    (128, 128, 128): (128, 128, 128),
    (255, 255, 255): (255, 255, 255),
    (0, 0, 0): (0, 0, 0),
}
BEST: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 100, "subsampling": 0},
    "WEBP": {"lossless": True},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
}
"""How each format writes colours with the least loss."""
TAKES_PROFILES = ["PNG", "JPEG", "WEBP", "AVIF", "TIFF"]


def row(colours: list[tuple[int, ...]], mode: str = "RGB") -> Image.Image:
    """Draw colours side by side, each large enough for lossy formats."""
    image = Image.new(mode, (16 * len(colours), 16))
    for number, colour in enumerate(colours):
        image.paste(colour, (16 * number, 0, 16 * number + 16, 16))
    return image


def colours(image: Image.Image) -> list[tuple[int, ...]]:
    return [image.getpixel((x, 8)) for x in range(8, image.width, 16)]  # type: ignore[misc]


@pytest.mark.parametrize("fmt", TAKES_PROFILES)
@pytest.mark.parametrize("version", [2, 4])
def test_display_p3_becomes_srgb(version: int, fmt: str) -> None:
    profile = rgb_profile(P3_PRIMARIES, version=version)
    read = decode(encoded(row(list(AS_SRGB)), fmt, icc_profile=profile, **BEST.get(fmt, {})), LIMITS)
    np.testing.assert_allclose(
        colours(read.frames[0]), list(AS_SRGB.values()), atol=4 if fmt in {"JPEG", "AVIF"} else 3
    )
    assert (read.icc, read.source.icc) == (b"", profile)


def test_alpha_is_no_colour() -> None:
    image = row(list(AS_SRGB)).convert("RGBA")
    image.putalpha(77)
    read = decode(encoded(image, icc_profile=rgb_profile(P3_PRIMARIES)), LIMITS).frames[0]
    assert read.mode == "RGBA"
    np.testing.assert_allclose(colours(read), [(*colour, 77) for colour in AS_SRGB.values()], atol=3)


def test_the_colours_of_a_palette_are_converted_too() -> None:
    palette = row(list(AS_SRGB)).quantize(8)
    read = decode(encoded(palette, icc_profile=rgb_profile(P3_PRIMARIES)), LIMITS).frames[0]
    np.testing.assert_allclose(colours(read), list(AS_SRGB.values()), atol=3)


def test_each_frame_of_an_animation_is_converted() -> None:
    frames = [row([colour]) for colour in AS_SRGB]
    data = encoded(
        frames[0], "PNG", save_all=True, append_images=frames[1:], icc_profile=rgb_profile(P3_PRIMARIES), duration=50
    )
    read = decode(data, LIMITS)
    np.testing.assert_allclose(
        [colours(frame.convert("RGB"))[0] for frame in read.frames], list(AS_SRGB.values()), atol=3
    )


@pytest.mark.parametrize("name", ["sRGB IEC61966-2.1", "something else"])
@pytest.mark.parametrize("version", [2, 4])
def test_a_profile_that_is_as_good_as_srgb_changes_nothing_whatever_its_name(version: int, name: str) -> None:
    image = picture(size=(32, 24))
    data = encoded(image, icc_profile=rgb_profile(SRGB_PRIMARIES, version=version, name=name))
    assert np.array_equal(np.asarray(decode(data, LIMITS).frames[0]), np.asarray(image))


def test_a_profile_that_only_calls_itself_srgb_is_applied() -> None:
    data = encoded(row(list(AS_SRGB)), icc_profile=rgb_profile(P3_PRIMARIES, name="sRGB, really"))
    np.testing.assert_allclose(colours(decode(data, LIMITS).frames[0]), list(AS_SRGB.values()), atol=3)


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_linear_grey_becomes_srgb_and_stays_grey(mode: str) -> None:
    image = Image.new("L", (16, 16), 128)
    if mode == "LA":
        image.putalpha(9)
    read = decode(encoded(image, icc_profile=grey_profile(1.0)), LIMITS).frames[0]
    assert read.mode == mode
    level = read.getpixel((0, 0))
    assert level == pytest.approx(188 if mode == "L" else (188, 9), abs=1)  # 128 of 255 of the light, in sRGB


@pytest.mark.parametrize("fmt", ["JPEG", "TIFF"])
def test_inks_become_colours_by_their_profile(fmt: str) -> None:
    inks = row([(255, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 255)], "CMYK")
    read = decode(encoded(inks, fmt, icc_profile=cmyk_profile(50)), LIMITS).frames[0]
    assert read.mode == "RGB"
    np.testing.assert_allclose(colours(read), [(119,) * 3, (255,) * 3, (0,) * 3], atol=6)  # L* of 50 is grey 119


@pytest.mark.parametrize("fmt", ["JPEG", "TIFF"])
def test_inks_without_a_profile_become_the_colours_that_one_expects(fmt: str) -> None:
    """Adobe stores the inks of a JPEG inverted, as do all others since."""
    inks = row([(0, 255, 255, 0), (255, 255, 0, 0), (0, 0, 0, 0), (0, 0, 0, 255)], "CMYK")
    read = decode(encoded(inks, fmt), LIMITS).frames[0]
    assert read.mode == "RGB"
    np.testing.assert_allclose(colours(read), [(255, 0, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)], atol=4)


@pytest.mark.parametrize(
    "profile",
    [
        b"nonsense",
        b"\0" * 16 + b"RGB " + b"\0" * 108,
        rgb_profile(P3_PRIMARIES)[:200],
        rgb_profile(P3_PRIMARIES)[:-100] + b"\xff" * 100,
        grey_profile(1.0),
        cmyk_profile(50),
    ],
)
def test_a_profile_that_is_nonsense_or_of_other_colours_is_ignored(profile: bytes) -> None:
    image = picture(size=(32, 24))
    read = decode(encoded(image, icc_profile=profile), LIMITS).frames[0]
    assert (read.mode, np.array_equal(np.asarray(read), np.asarray(image))) == ("RGB", True)


@pytest.mark.parametrize("fmt", TAKES_PROFILES)
def test_colours_can_be_kept_with_their_profile(fmt: str) -> None:
    profile = rgb_profile(P3_PRIMARIES)
    image = row(list(AS_SRGB))
    kept = decode(encoded(image, icc_profile=profile), LIMITS, KEEP)
    assert (kept.icc, np.array_equal(np.asarray(kept.frames[0]), np.asarray(image))) == (profile, True)
    again = decode(encode(kept, Encoding(fmt.lower(), quality=100, subsampling="444")).data, LIMITS, KEEP)
    assert again.icc == profile
    np.testing.assert_allclose(colours(again.frames[0].convert("RGB")), list(AS_SRGB), atol=6)


def test_kept_inks_stay_inks() -> None:
    profile = cmyk_profile(50)
    inks = row([(255, 0, 0, 0), (0, 0, 0, 255)], "CMYK")
    kept = decode(encoded(inks, "TIFF", icc_profile=profile), LIMITS, KEEP)
    assert (kept.frames[0].mode, kept.icc) == ("CMYK", profile)
    again = decode(encode(kept, Encoding("jpeg", quality=100)).data, LIMITS, KEEP)
    assert (again.frames[0].mode, again.icc) == ("CMYK", profile)
    np.testing.assert_allclose(colours(again.frames[0]), colours(inks), atol=3)


def test_the_profile_of_sixteen_bit_grey_is_kept_with_it() -> None:
    profile = grey_profile(1.0)
    kept = decode(encoded(picture("I;16"), icc_profile=profile), LIMITS, KEEP)
    assert (kept.frames[0].mode, kept.icc) == ("I;16", profile)
    assert decode(encode(kept, Encoding("png")).data, LIMITS, KEEP).icc == profile


def test_a_profile_that_no_longer_describes_the_pixels_is_not_written() -> None:
    kept = decode(encoded(picture(), icc_profile=rgb_profile(P3_PRIMARIES)), LIMITS, KEEP)
    grey = kept.with_frames([kept.frames[0].convert("L")])
    assert decode(encode(grey, Encoding("png")).data, LIMITS).source.icc == b""
    assert decode(encode(Picture.of(picture()), Encoding("png")).data, LIMITS).source.icc == b""
