"""What pipelines tell of a picture instead of showing it."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import encoded, picture
from PIL import ExifTags, Image, ImageCms, ImageEnhance
from PIL.TiffImagePlugin import IFDRational

from imgray.catalogue import BUILT_IN
from imgray.codec import Encoded, decode
from imgray.errors import BadArgumentError, PipelineError
from imgray.modes import flatten
from imgray.operations import Context, Fact
from imgray.picture import Picture, Source
from imgray.samples import sunset
from imgray.samples import test_card as draw_test_card

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
FACTS = ["info:5,true,true", "blurhash:9,9", "thumbhash", "phash"]


def mosaic(channels: int = 3, seed: int = 5, side: int = 10) -> Image.Image:
    """Lay out 8 x 6 tiles of random colours; no resampling, so that it is the same with every version of Pillow."""
    tiles = np.random.default_rng(seed).integers(0, 256, (6, 8, channels), dtype=np.uint8)
    return Image.fromarray(np.kron(tiles, np.ones((side, side, 1), np.uint8)))


def output(pipeline: str, of: Image.Image | Picture | bytes) -> Encoded:
    parsed = BUILT_IN.parse(pipeline)
    if isinstance(of, bytes):
        of = decode(of, Context().limits, parsed.reading, parsed.enough)
    return parsed.run(of if isinstance(of, Picture) else Picture.of(of), Context())


def facts(pipeline: str, of: Image.Image | Picture | bytes) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(output(pipeline, of).data, parse_constant=refuse)


def with_exif(**values: Any) -> bytes:
    """Encode a picture with EXIF, by the names of the tags."""
    exif = Image.Exif()
    for name, value in values.items():
        if name.startswith("GPS"):
            exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS[name].value] = value
        elif name in {"ExposureTime", "UserComment", "LensModel", "MakerNote", "LensSpecification"}:
            exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base[name].value] = value
        else:
            exif[ExifTags.Base[name].value] = value
    return encoded(picture(), "JPEG", exif=exif)


# What all have in common.


@pytest.mark.parametrize("pipeline", FACTS)
def test_a_fact_is_a_json_text_about_a_picture_of_a_size(pipeline: str) -> None:
    told = output(pipeline, picture(size=(7, 5)))
    assert told.content_type == "application/json"
    assert (told.width, told.height) == (7, 5)
    assert told.data.startswith(b'{\n  "')
    assert told.data.endswith(b"\n}\n")
    assert BUILT_IN.parse(pipeline).output_format("jpeg") == "json"


@pytest.mark.parametrize("pipeline", FACTS)
def test_a_fact_can_only_stand_last(pipeline: str) -> None:
    with pytest.raises(PipelineError, match="can only stand last"):
        BUILT_IN.parse(f"{pipeline}/swap:rg")


@pytest.mark.parametrize("pipeline", FACTS)
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (30, 20)])
@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA"])
def test_nothing_to_be_seen_can_be_told_of(pipeline: str, size: tuple[int, int], mode: str) -> None:
    clear = Image.new("RGBA", size, (200, 100, 50, 0))
    image = clear.convert("LA").convert("PA") if mode == "PA" else clear.convert(mode)
    assert facts(pipeline, image)


@pytest.mark.parametrize("name", ["blurhash", "thumbhash", "phash"])
def test_only_info_looks_at_more_than_one_frame(name: str) -> None:
    assert BUILT_IN.parse(name).reading.frames == 1
    assert BUILT_IN.parse("info").reading.frames == 1
    assert BUILT_IN.parse("info:animation=true").reading.frames is None


# Placeholders.


@pytest.mark.parametrize(
    ("components", "text"),
    [
        ("4,3", "LIF?Ol.4:$@a8J$.T8Ok%zo#t%#S"),
        ("1,1", "00F?Ol"),
        ("5,2", "DIF?Ol.4:$@a$a8J$.T8OkSP"),
    ],
)
def test_a_blurhash_is_that_of_other_programs(components: str, text: str) -> None:
    """The texts are those of the packages blurhash 1.1.5 and blurhash-python 1.2.2."""
    assert facts(f"blurhash:{components}", mosaic()) == {"blurhash": text}


@given(across=st.integers(1, 9), down=st.integers(1, 9))
def test_a_blurhash_says_how_many_components_it_has(across: int, down: int) -> None:
    text = facts(f"blurhash:{across},{down}", picture(size=(9, 9)))["blurhash"]
    assert len(text) == 4 + 2 * across * down
    assert DIGITS.index(text[0]) == across - 1 + (down - 1) * 9


def blurhash_mean(text: str) -> list[int]:
    number = 0
    for digit in text[2:6]:
        number = number * 83 + DIGITS.index(digit)
    return list(number.to_bytes(3))


@given(colour=st.tuples(*[st.integers(0, 255)] * 3), size=st.sampled_from([(1, 1), (30, 20), (240, 320)]))
def test_a_blurhash_has_the_mean_colour_in_it(colour: tuple[int, int, int], size: tuple[int, int]) -> None:
    assert blurhash_mean(facts("blurhash:2,2", Image.new("RGB", size, colour))["blurhash"]) == list(colour)


def test_the_mean_of_a_blurhash_is_that_of_the_light() -> None:
    half_white = Image.fromarray(np.kron([[0, 255], [255, 0]], np.ones((9, 9))).astype(np.uint8))
    assert blurhash_mean(facts("blurhash", half_white)["blurhash"]) == [188, 188, 188]  # IEC 61966-2-1 of one half


def test_a_blurhash_lays_transparency_on_white() -> None:
    image = mosaic(4, 7)
    assert facts("blurhash", image) == facts("blurhash", flatten(image))
    assert facts("blurhash", image) != facts("blurhash", image.convert("RGB"))


@pytest.mark.parametrize(
    ("image", "text"),
    [
        (mosaic(), "HegFJYp8ZsXIZmePm8mofatQhw9q"),
        (mosaic(4, 7), "3QeGDIgYDuaLdngnmcYM+WyXY4mGmGmfBQ=="),
    ],
    ids=["opaque", "transparent"],
)
def test_a_thumbhash_is_that_of_other_programs(image: Image.Image, text: str) -> None:
    """The texts are those of the package thumbhash-python 1.0.1."""
    assert facts("thumbhash", image) == {"thumbhash": text}


def thumbhash_mean(data: bytes) -> list[float]:
    """Read the mean colour, 0 to 1, as the reference's thumbHashToAverageRGBA does."""
    head = int.from_bytes(data[:5], "little")
    luminance, yellow, red = (head & 63) / 63, (head >> 6 & 63) / 31.5 - 1, (head >> 12 & 63) / 31.5 - 1
    blue = luminance - 2 / 3 * yellow
    return [(3 * luminance - blue + red) / 2, (3 * luminance - blue + red) / 2 - red, blue]


@given(
    colour=st.tuples(*[st.integers(0, 255)] * 3),
    alpha=st.integers(20, 255),
    size=st.sampled_from([(40, 20), (20, 40), (30, 30), (250, 100), (100, 250)]),
)
def test_a_thumbhash_tells_mean_opacity_and_shape(
    colour: tuple[int, int, int], alpha: int, size: tuple[int, int]
) -> None:
    data = base64.b64decode(facts("thumbhash", Image.new("RGBA", size, (*colour, alpha)))["thumbhash"])
    head = int.from_bytes(data[:5], "little")
    assert thumbhash_mean(data) == pytest.approx([level / 255 for level in colour], abs=0.05)
    assert head >> 23 & 1 == (alpha < 255)
    if alpha < 255:
        assert (data[5] & 15) / 15 == pytest.approx(alpha / 255, abs=0.04)
    longer, shorter = (5 if alpha < 255 else 7), head >> 24 & 7
    assert head >> 39 == (size[0] > size[1])
    assert shorter / longer == pytest.approx(min(size) / max(size), abs=0.11)


@pytest.mark.parametrize("name", ["blurhash", "thumbhash"])
def test_an_even_picture_has_the_same_placeholder_at_any_size_above_the_small_copy(name: str) -> None:
    hashes = [facts(name, Image.new("RGB", size, "teal")) for size in [(100, 100), (101, 101), (640, 640)]]
    assert hashes[0] == hashes[1] == hashes[2]


@pytest.mark.parametrize("name", ["blurhash", "thumbhash"])
def test_a_jpeg_is_read_no_larger_than_a_placeholder_needs(name: str) -> None:
    data = encoded(sunset().resize((1600, 1200)), "JPEG", quality=95)
    pipeline = BUILT_IN.parse(name)
    read = decode(data, Context().limits, pipeline.reading, pipeline.enough)
    assert read.size == (200, 150)
    told = pipeline.run(read, Context())
    assert (told.width, told.height) == (1600, 1200)
    less, all_of_it = json.loads(told.data)[name], facts(name, decode(data, Context().limits))[name]
    if name == "blurhash":
        assert blurhash_mean(less) == pytest.approx(blurhash_mean(all_of_it), abs=2)
    else:
        means = [thumbhash_mean(base64.b64decode(text)) for text in (less, all_of_it)]
        assert means[0] == pytest.approx(means[1], abs=0.03)


# Perceptual hashes.


def test_perceptual_hashes_are_those_of_other_programs() -> None:
    """The numbers are those of the package ImageHash 4.3.2."""
    assert facts("phash", mosaic()) == {
        "phash": "ce62f0fed33a00c5",
        "dhash": "8da5a149406d6792",
        "ahash": "f5501020beb5817a",
    }


def apart(one: Any, other: Any) -> dict[str, int]:
    """Return in how many bits the hashes of two pictures differ."""
    return {kind: (int(one[kind], 16) ^ int(other[kind], 16)).bit_count() for kind in one}


@pytest.mark.parametrize(
    "altered",
    [
        lambda image: image.resize((200, 150)),
        lambda image: image.resize((640, 300)),
        lambda image: ImageEnhance.Brightness(image).enhance(0.8),
        lambda image: ImageEnhance.Contrast(image).enhance(0.7),
        lambda image: image.convert("L"),
        lambda image: Image.open(io.BytesIO(encoded(image, "JPEG", quality=15))),
    ],
    ids=["smaller", "squeezed", "darker", "paler", "grey", "jpeg"],
)
@pytest.mark.parametrize("original", [sunset().crop((0, 0, 400, 480)), draw_test_card()], ids=["sunset", "card"])
def test_a_copy_has_nearly_the_same_perceptual_hashes(original: Image.Image, altered: Any) -> None:
    assert max(apart(facts("phash", original), facts("phash", altered(original))).values()) <= 6


def test_other_pictures_have_other_perceptual_hashes() -> None:
    hashes = [facts("phash", image) for image in (sunset(), draw_test_card(), mosaic(), mosaic(seed=6))]
    for at, one in enumerate(hashes):
        for other in hashes[:at]:
            assert min(apart(one, other).values()) >= 14


@pytest.mark.parametrize("level", [0, 1, 99, 255])
def test_the_perceptual_hash_of_an_even_picture_is_not_left_to_rounding(level: int) -> None:
    constant = f"{1 << 63:016x}" if level else f"{0:016x}"
    assert facts("phash", Image.new("L", (50, 31), level)) == {"phash": constant, "dhash": "0" * 16, "ahash": "0" * 16}


def test_perceptual_hashes_see_transparency_as_white() -> None:
    image = mosaic(4, 7)
    assert facts("phash", image) == facts("phash", flatten(image))
    assert facts("phash", image) != facts("phash", image.convert("RGB"))


# Info.


def test_info_describes_picture_and_file() -> None:
    """It is pinned: keys, their order and their values are what programs rely on."""
    image = Image.new("RGBA", (4, 1), (255, 0, 0, 255))
    image.putpixel((2, 0), (0, 0, 255, 255))
    image.putpixel((3, 0), (0, 255, 0, 0))
    assert output("info", encoded(image)).data.decode() == (
        json.dumps(
            {
                "width": 4,
                "height": 1,
                "pixels": {"model": "rgb", "bits": 8, "alpha": True},
                "opaque": False,
                "grey": False,
                "mean": "#aa0055",
                "dominant": [{"colour": "#ff0000", "share": 0.6667}, {"colour": "#0000ff", "share": 0.3333}],
                "source": {
                    "format": "png",
                    "width": 4,
                    "height": 1,
                    "frames": 1,
                    "pixels": {"model": "rgb", "bits": 8},
                    "profile": None,
                    "exif": {},
                    "gps": None,
                },
            },
            indent=2,
        )
        + "\n"
    )


def test_info_tells_of_the_picture_at_its_place_in_the_pipeline() -> None:
    told = facts("resize:16,8,exact/grayscale/info", encoded(picture(size=(64, 48)), "JPEG"))
    assert (told["width"], told["height"], told["grey"], told["pixels"]["model"]) == (16, 8, True, "grey")
    source = told["source"]
    assert (source["width"], source["height"], source["format"], source["pixels"]["model"]) == (64, 48, "jpeg", "rgb")


@pytest.mark.parametrize(
    ("mode", "pixels"),
    [
        ("1", {"model": "grey", "bits": 1, "alpha": False}),
        ("L", {"model": "grey", "bits": 8, "alpha": False}),
        ("LA", {"model": "grey", "bits": 8, "alpha": True}),
        ("P", {"model": "palette", "bits": 8, "alpha": False}),
        ("PA", {"model": "palette", "bits": 8, "alpha": True}),
        ("RGB", {"model": "rgb", "bits": 8, "alpha": False}),
        ("CMYK", {"model": "cmyk", "bits": 8, "alpha": False}),
        ("I;16", {"model": "grey", "bits": 16, "alpha": False}),
        ("F", {"model": "floating-point grey", "bits": 32, "alpha": False}),
        ("LAB", {"model": "lab", "bits": 8, "alpha": False}),
    ],
)
def test_info_names_modes_for_people(mode: str, pixels: dict[str, Any]) -> None:
    image = picture(mode) if mode != "LAB" else Image.new("LAB", (2, 2))
    assert facts("info", image)["pixels"] == pixels


def test_info_sees_transparency_in_a_palette() -> None:
    image = picture("P")
    image.info["transparency"] = image.getpixel((0, 0))
    told = facts("info", image)
    assert (told["pixels"]["alpha"], told["opaque"]) == (True, False)


def test_alpha_that_hides_nothing_is_opaque() -> None:
    told = facts("info", picture("RGB").convert("RGBA"))
    assert (told["pixels"]["alpha"], told["opaque"]) == (True, True)


def test_a_coloured_file_may_show_grey_only() -> None:
    assert facts("info", picture("L").convert("RGB"))["grey"]
    almost = Image.new("RGB", (300, 300), (9, 9, 9))
    almost.putpixel((250, 17), (9, 9, 10))
    assert not facts("info", almost)["grey"]
    hidden = almost.convert("RGBA")
    hidden.putpixel((250, 17), (9, 9, 200, 0))
    assert facts("info", hidden)["grey"]


def test_the_less_opaque_counts_less_in_mean_and_shares() -> None:
    image = Image.new("RGBA", (2, 1), (255, 255, 255, 255))
    image.putpixel((1, 0), (0, 0, 0, 51))
    told = facts("info", image)
    assert told["mean"] == "#d5d5d5"  # 255 * 255 / (255 + 51)
    assert told["dominant"] == [{"colour": "#ffffff", "share": 0.8333}, {"colour": "#000000", "share": 0.1667}]


def test_what_is_transparent_has_no_colours() -> None:
    told = facts("info", Image.new("RGBA", (3, 3), (1, 2, 3, 0)))
    assert (told["mean"], told["dominant"], told["grey"], told["opaque"]) == (None, [], True, False)


def test_dominant_colours_are_those_of_the_largest_areas() -> None:
    image = Image.new("RGB", (1000, 700), "#fdfcfa")
    image.paste("#e4002b", (13, 27, 513, 627))
    image.paste("#00205b", (600, 300, 900, 500))
    told = facts("info:3", image)
    assert [one["colour"] for one in told["dominant"]] == ["#fdfcfa", "#e4002b", "#00205b"]
    assert [one["share"] for one in told["dominant"]] == pytest.approx([0.486, 0.429, 0.086], abs=0.02)


def test_a_dominant_colour_is_not_mixed_with_others_like_it_or_with_what_is_not_seen() -> None:
    image = Image.new("RGBA", (10, 1), (240, 10, 10, 255))
    image.paste((250, 10, 10, 255), (0, 0, 2, 1))
    image.paste((247, 10, 10, 0), (2, 0, 7, 1))
    assert facts("info", image)["dominant"] == [{"colour": "#f00a0a", "share": 1.0}]


@pytest.mark.parametrize("seed", [24, 27, 34])  # with which two groups of these colours have the same median
def test_groups_of_the_same_colour_are_one(seed: int) -> None:
    levels = np.random.default_rng(seed).integers(0, 256, (1, 60, 3)) // 100 * 100
    dominant = facts("info:16", Image.fromarray(levels.astype(np.uint8)))["dominant"]
    assert len({one["colour"] for one in dominant}) == len(dominant)
    assert sum(one["share"] for one in dominant) == pytest.approx(1, abs=0.001)


@given(count=st.integers(0, 16), mode=st.sampled_from(["1", "L", "P", "RGB", "RGBA", "I;16"]))
def test_dominant_colours_are_no_more_than_asked_for_and_in_order(count: int, mode: str) -> None:
    dominant = facts(f"info:{count}", picture(mode))["dominant"]
    shares = [one["share"] for one in dominant]
    assert len(shares) == len({one["colour"] for one in dominant}) <= count
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) <= 1.001


def test_a_histogram_counts_each_pixel_in_each_channel() -> None:
    image = picture("RGB")
    told = facts("info:histogram=true", image)["histogram"]
    assert list(told) == ["red", "green", "blue"]
    assert {name: (len(counts), sum(counts)) for name, counts in told.items()} == dict.fromkeys(told, (256, 32 * 24))
    assert told["green"] == np.bincount(np.asarray(image)[..., 1].ravel(), minlength=256).tolist()


def test_a_histogram_leaves_out_colours_that_are_not_seen() -> None:
    image = Image.new("LA", (3, 1), (7, 0))
    image.putpixel((1, 0), (200, 90))
    told = facts("info:histogram=true", image)["histogram"]
    assert {name: {level: count for level, count in enumerate(counts) if count} for name, counts in told.items()} == {
        "grey": {200: 1},
        "alpha": {0: 2, 90: 1},
    }


def test_deep_grey_is_counted_in_8_bits() -> None:
    image = Image.fromarray(np.array([[0, 65535, 257 * 100]], np.uint16))
    told = facts("info:histogram=true", image)
    assert [level for level, count in enumerate(told["histogram"]["grey"]) if count] == [0, 100, 255]


def test_info_tells_how_long_an_animation_is_when_asked() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=[100, 200, 300], loop=4)
    told = facts("info", data)
    assert (told["source"]["frames"], "animation" in told, told["mean"]) == (3, False, "#ff0000")
    assert facts("info:animation=true", data)["animation"] == {
        "frames": 3,
        "duration_ms": 600,
        "durations_ms": [100, 200, 300],
        "loop": 5,
    }
    assert facts("info:animation=true", picture())["animation"] is None


def test_exif_is_told_by_the_names_of_its_tags() -> None:
    data = with_exif(
        Make="Canon",
        ISOSpeedRatings=200,
        ExposureTime=IFDRational(1, 125),
        LensSpecification=(IFDRational(24), IFDRational(70), IFDRational(28, 10), IFDRational(28, 10)),
        UserComment=b"ASCII\0\0\0A comment\0\0",
        XPTitle="Día".encode("utf-16-le") + b"\0\0",
        MakerNote=bytes(range(256)),
        Orientation=6,
    )
    assert facts("info", data)["source"]["exif"] == {
        "Make": "Canon",
        "ISOSpeedRatings": 200,
        "XPTitle": "Día",
        "ExposureTime": 0.008,
        "LensSpecification": [24.0, 70.0, 2.8, 2.8],
        "UserComment": "A comment",
    }


@pytest.mark.parametrize(("stored", "text"), [("Łukasz ☃".encode(), "Łukasz ☃"), (b"M\xfcller 70's", "Müller 70's")])
def test_text_beyond_ascii_is_read_as_utf_8_or_else_as_latin_1(stored: bytes, text: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "x" * len(stored)
    source = Source("jpeg", (32, 24), "RGB", exif=exif.tobytes().replace(b"x" * len(stored), stored))
    assert facts("info", Picture((picture(),), source))["source"]["exif"] == {"Artist": text}


def test_the_source_has_the_upright_size() -> None:
    source = facts("info", with_exif(Orientation=6))["source"]
    assert (source["width"], source["height"]) == (24, 32)


@pytest.mark.parametrize(
    ("north", "east", "below", "position"),
    [
        ("N", "E", b"\0", {"latitude": 50.082822, "longitude": 8.241667, "altitude": 117.5}),
        ("S", "W", b"\1", {"latitude": -50.082822, "longitude": -8.241667, "altitude": -117.5}),
    ],
)
def test_a_gps_position_is_told_in_degrees(north: str, east: str, below: bytes, position: dict[str, float]) -> None:
    data = with_exif(
        GPSLatitudeRef=north,
        GPSLatitude=(IFDRational(50), IFDRational(4), IFDRational(5816, 100)),
        GPSLongitudeRef=east,
        GPSLongitude=(IFDRational(8), IFDRational(145, 10), IFDRational(0)),
        GPSAltitudeRef=below,
        GPSAltitude=IFDRational(1175, 10),
    )
    source = facts("info", data)["source"]
    assert source["gps"] == position
    assert source["exif"]["GPSLatitude"] == [50.0, 4.0, 58.16]


@pytest.mark.parametrize(
    "latitude",
    [
        (IFDRational(91), IFDRational(0), IFDRational(0)),
        (IFDRational(0, 0), IFDRational(0), IFDRational(0)),
        IFDRational(50),
    ],
    ids=["beyond the pole", "no number", "no degrees and minutes"],
)
def test_a_position_that_is_nonsense_is_none(latitude: Any) -> None:
    longitude = (IFDRational(8), IFDRational(0), IFDRational(0))
    data = with_exif(GPSLatitude=latitude, GPSLatitudeRef="N", GPSLongitude=longitude, GPSLongitudeRef="E")
    assert facts("info", data)["source"]["gps"] is None


def test_exif_that_is_long_or_no_number_is_cut_or_left_out() -> None:
    data = with_exif(
        Artist="a" * 3000,
        ExposureTime=IFDRational(1, 0),
        LensSpecification=tuple(IFDRational(one, 7) for one in range(40)),
    )
    exif = facts("info", data)["source"]["exif"]
    assert list(exif) == ["Artist"]
    assert exif["Artist"] == "a" * 499 + "…"


def test_no_more_than_200_tags_are_told() -> None:
    exif = Image.Exif()
    for tag in range(0xC000, 0xC200):
        exif[tag] = 1
    told = facts("info", encoded(picture(), "JPEG", exif=exif))["source"]["exif"]
    assert len(told) == 200
    assert told["0xc000"] == 1


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(data=st.binary(max_size=80), at=st.integers(0, 400))
def test_nonsense_in_metadata_is_left_out(data: bytes, at: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Canon"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (1.0, 2.0, 3.0)
    broken = exif.tobytes()[:at] + data
    source = Source("jpeg", (32, 24), "RGB", exif=broken, icc=data)
    told = facts("info", Picture((picture(),), source))
    assert told["width"] == 32
    assert told["source"]["profile"] is None


def test_a_colour_profile_is_told_by_its_description() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    told = facts("info", encoded(picture(), "PNG", icc_profile=profile))
    assert told["source"]["profile"] == "sRGB built-in"


@pytest.mark.parametrize(
    ("pipeline", "complaint"),
    [
        ("blurhash:0", "x: input should be greater than or equal to 1"),
        ("blurhash:4,10", "y: input should be less than or equal to 9"),
        ("info:17", "colours: input should be less than or equal to 16"),
        ("info:histogram=much", "histogram: input should be a valid boolean"),
        ("thumbhash:100", "one argument too many"),
        ("phash:size=16", "there is no argument 'size'"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(pipeline: str, complaint: str) -> None:
    with pytest.raises(BadArgumentError, match=complaint):
        BUILT_IN.parse(pipeline)


def test_nothing_is_changed_on_the_way_to_a_fact() -> None:
    before = Picture.of(picture())
    operation = BUILT_IN.parse("phash").operations[0]
    assert isinstance(operation, Fact)
    assert operation.run(before, Context()) is before
