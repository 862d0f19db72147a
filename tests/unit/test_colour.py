"""Operations on colours and levels."""

from __future__ import annotations

import numpy as np
import pytest
from goldens import assert_golden, processed, scene
from hypothesis import given
from hypothesis import strategies as st
from pictures import picture
from PIL import Image

from imgray.catalogue import BUILT_IN
from imgray.errors import BadArgumentError
from imgray.operations import Context
from imgray.picture import Picture, Source

NEUTRAL_CURVES = ["brightness:1", "contrast:1", "contrast:1,0", "gamma:1", "levels", "levels:0,255,1,0,255"]
NEUTRAL_FOR_GREY = ["saturation:1", "saturation:0", "hue:90", "clahe:1", "opacity:1", "flatten", "permute:rgba"]
NEUTRAL_FOR_COLOURS = [
    "clahe:1,3",
    "flatten",
    "hue:-360",
    "hue:0",
    "hue:360",
    "levels:0,255",
    "matrix:1:0:0:0:0:1:0:0:0:0:1:0",
    "matrix:1:0:0:0:1:0:0:0:1",
    "matrix:1:0:0:0:0:0:1:0:0:0:0:0:1:0:0:0:0:0:1:0",
    "opacity:1",
    "permute:rgb",
    "permute:rgba",
    "posterize:256",
    "saturation:1",
    "sepia:0",
    "tint:red,0",
]
ALPHA_KEPT = [
    "brightness:2",
    "clahe:3,2",
    "duotone:black,red",
    "equalize",
    "hue:90",
    "invert",
    "normalize",
    "permute:bgr",
    "posterize:2",
    "quantize:4",
    "saturation:3",
    "sepia",
    "threshold",
    "tint:blue,1",
]
LUMA = np.array([0.299, 0.587, 0.114])


def levels_of(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def deep(*levels: int) -> Image.Image:
    return Image.fromarray(np.array([levels], np.uint16))


def grey(*levels: int) -> Image.Image:
    return Image.fromarray(np.array([levels], np.uint8))


def pixels(*colours: tuple[int, ...]) -> Image.Image:
    return Image.fromarray(np.array([colours], np.uint8))


def film(pipeline: str, *frames: Image.Image) -> list[Image.Image]:
    """Run the operations of a pipeline on an animation."""
    current = Picture(frames, Source("gif", frames[0].size, frames[0].mode), (40,) * len(frames))
    for operation in BUILT_IN.parse(pipeline).operations:
        current = operation.run(current, Context())
    return list(current.frames)


def assert_same(image: Image.Image, expected: Image.Image) -> None:
    assert (image.mode, image.size) == (expected.mode, expected.size)
    assert image.tobytes() == expected.tobytes()


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("pipeline", NEUTRAL_CURVES)
def test_a_neutral_curve_changes_no_pixel_in_any_depth(pipeline: str, mode: str) -> None:
    assert_same(processed(pipeline, picture(mode)), picture(mode))


@pytest.mark.parametrize("mode", ["L", "I;16"])
@pytest.mark.parametrize("pipeline", NEUTRAL_FOR_GREY)
def test_grey_stays_as_it_is_where_there_is_nothing_to_do(pipeline: str, mode: str) -> None:
    assert_same(processed(pipeline, picture(mode)), picture(mode))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("pipeline", NEUTRAL_FOR_COLOURS)
def test_neutral_arguments_change_no_pixel(pipeline: str, mode: str) -> None:
    if (pipeline, mode) != ("flatten", "RGBA"):
        assert_same(processed(pipeline, picture(mode)), picture(mode))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("pipeline", ALPHA_KEPT)
def test_alpha_is_kept(pipeline: str, mode: str) -> None:
    image = picture(mode)
    assert_same(processed(pipeline, image).getchannel("A"), image.getchannel("A"))


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ("brightness:-1", "factor"),
        ("contrast:101", "factor"),
        ("clahe:0.5", "clip"),
        ("clahe:2,17", "tiles"),
        ("depth:12", "bits"),
        ("duotone:black,ff000080", "opaque"),
        ("flatten:00000000", "opaque"),
        ("gamma:0", "gamma"),
        ("hue:361", "degrees"),
        ("levels:200,200", "black must be below white"),
        ("levels:0,256", "white"),
        ("matrix:1:0:0", "9, 12 or 20 numbers with a colon between any two; there are 3"),
        ("matrix:1001:0:0:0:1:0:0:0:1", "from -1000 to 1000"),
        ("matrix:nan:0:0:0:1:0:0:0:1", "finite"),
        ("normalize:50", "cutoff"),
        ("opacity:1.5", "factor"),
        ("permute:rg", "channels"),
        ("permute:rgx", "channels"),
        ("posterize:1", "levels"),
        ("quantize:1", "colours"),
        ("quantize:257", "colours"),
        ("saturation:-1", "factor"),
        ("sepia:2", "amount"),
        ("threshold:256", "level"),
        ("tint:ff000080", "opaque"),
    ],
)
def test_what_is_out_of_bounds_is_refused_with_the_reason(pipeline: str, message: str) -> None:
    with pytest.raises(BadArgumentError, match=message):
        BUILT_IN.parse(pipeline)


@pytest.mark.parametrize(
    ("pipeline", "golden"),
    [
        ("clahe:256,1", "clahe-unlimited"),
        ("equalize:separate", "equalize-separate"),
        ("levels:0,255,1,255,80", "levels-negative"),
        ("matrix:0:0:0:0:1:0:0:0:0:0.5:0:0:0:0:0:0.299:0.587:0.114:0:0", "matrix-luma-to-alpha"),
        ("normalize:10,separate", "normalize-separate"),
        ("quantize:8,false/permute:rgb1", "quantize-plain"),
    ],
)
def test_a_variant_gives_its_golden_image(pipeline: str, golden: str, *, write_goldens: bool) -> None:
    assert_golden(golden, processed(pipeline), write=write_goldens)


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        ("bgr", (30, 20, 10, 40)),
        ("rrr", (10, 10, 10, 40)),
        ("0g1", (0, 20, 255, 40)),
        ("aaa", (40, 40, 40, 40)),
        ("rgbr", (10, 20, 30, 10)),
        ("rgb0", (10, 20, 30, 0)),
        ("rgb1", (10, 20, 30)),
    ],
)
def test_permute_puts_each_channel_where_its_letter_stands(channels: str, expected: tuple[int, ...]) -> None:
    assert processed(f"permute:{channels}", pixels((10, 20, 30, 40))).getpixel((0, 0)) == expected


def test_permute_takes_what_has_no_alpha_as_opaque() -> None:
    assert_same(processed("permute:ar0", pixels((10, 20, 30))), pixels((255, 10, 0)))
    assert_same(processed("permute:rgbg", pixels((10, 20, 30))), pixels((10, 20, 30, 20)))
    assert_same(processed("permute:bgr1", picture("I;16")), picture("I;16"))


def test_permute_keeps_the_shape_of_grey_that_is_hidden() -> None:
    assert processed("permute:rgbr", grey(7)).getpixel((0, 0)) == (7, 7, 7, 7)
    assert processed("permute:r00", grey(7)).getpixel((0, 0)) == (7, 0, 0)


def test_matrix_gives_each_channel_by_its_row() -> None:
    image = pixels((10, 20, 30))
    assert_same(processed("matrix:0:0:1:1:0:0:0.5:0.5:0.5", image), pixels((30, 10, 30)))
    assert_same(processed("matrix:1:0:0:0.2:0:-1:0:1:0:0:9:0", image), pixels((61, 235, 255)))


def test_a_matrix_of_20_mixes_alpha_with_colours() -> None:
    alpha_to_red = "0:0:0:1:0:0:1:0:0:0:0:0:1:0:0:0:0:0:0.5:0.1"
    assert_same(processed(f"matrix:{alpha_to_red}", pixels((10, 20, 30, 100))), pixels((100, 20, 30, 76)))
    assert_same(processed(f"matrix:{alpha_to_red}", pixels((10, 20, 30))), pixels((255, 20, 30, 153)))


@given(st.lists(st.floats(-2, 2), min_size=15, max_size=15))
def test_a_matrix_of_20_that_keeps_alpha_makes_the_same_of_opaque_images_with_alpha_and_without(
    numbers: list[float],
) -> None:
    pipeline = "matrix:" + ":".join(map(str, [*numbers, 0, 0, 0, 1, 0]))
    image = picture("RGB", (5, 70))
    plain, with_alpha = processed(pipeline, image), processed(pipeline, image.convert("RGBA"))
    assert (plain.mode, with_alpha.mode) == ("RGB", "RGBA")
    assert np.abs(levels_of(plain) - levels_of(with_alpha)[..., :3]).max() <= 1


def test_sepia_gives_the_browns_of_the_filter_effects() -> None:
    image = pixels((100, 100, 100), (255, 0, 0))
    assert_same(processed("sepia", image), pixels((135, 120, 94), (100, 89, 69)))
    assert_same(processed("sepia:0.5", image), pixels((118, 110, 97), (178, 44, 35)))


def test_without_saturation_there_is_luma_left() -> None:
    left = levels_of(processed("saturation:0"))
    assert np.abs(left - levels_of(processed("grayscale"))[..., np.newaxis]).max() <= 1


@pytest.mark.parametrize("pipeline", ["hue:77", "hue:-140", "saturation:0.4", "saturation:1.3", "tint:green,1"])
def test_what_changes_colours_keeps_luma(pipeline: str) -> None:
    pale = levels_of(processed("saturation:0.2", picture())) // 3 + 80
    image = Image.fromarray(pale.astype(np.uint8))
    assert np.abs((levels_of(processed(pipeline, image)) - pale) @ LUMA).max() <= 1.5


def test_hue_turns_red_to_green_to_blue_and_leaves_grey() -> None:
    red, green, _ = levels_of(processed("hue:120", pixels((130, 100, 100))))[0, 0]
    assert green - red == 30
    red, _, blue = levels_of(processed("hue:240", pixels((130, 100, 100))))[0, 0]
    assert blue - red == 30
    assert_same(processed("hue:33", pixels((90, 90, 90))), pixels((90, 90, 90)))


def test_hues_turned_three_times_by_a_third_are_back() -> None:
    pale = Image.fromarray((levels_of(picture()) // 4 + 100).astype(np.uint8))
    assert np.abs(levels_of(processed("hue:120/hue:120/hue:120", pale)) - levels_of(pale)).max() <= 2


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_inverting_twice_gives_the_image_back(mode: str) -> None:
    once = processed("invert", picture(mode))
    assert once.tobytes() != picture(mode).tobytes()
    assert_same(processed("invert", once), picture(mode))


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ("invert", (255, 155, 0)),
        ("brightness:1.5", (0, 150, 255)),
        ("brightness:1,20", (20, 120, 255)),
        ("brightness:0.5,-10", (0, 40, 118)),
        ("contrast:0", (128, 128, 128)),
        ("contrast:2", (0, 72, 255)),
        ("contrast:2,100", (0, 100, 255)),
        ("gamma:2", (0, 160, 255)),
        ("gamma:0.5", (0, 39, 255)),
        ("levels:50,150", (0, 128, 255)),
        ("levels:0,255,2", (0, 160, 255)),
        ("levels:0,255,1,100,200", (100, 139, 200)),
        ("levels:0,255,1,255,0", (255, 155, 0)),
        ("posterize:2", (0, 0, 255)),
        ("posterize:3", (0, 128, 255)),
        ("posterize:4", (0, 85, 255)),
        ("threshold:100", (0, 255, 255)),
        ("threshold:100.5", (0, 0, 255)),
        ("threshold:0", (255, 255, 255)),
    ],
)
def test_each_level_goes_where_it_should(pipeline: str, expected: tuple[int, ...]) -> None:
    assert_same(processed(pipeline, grey(0, 100, 255)), grey(*expected))


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ("invert", (65535, 65434, 0)),
        ("brightness:2", (0, 202, 65535)),
        ("brightness:1,1", (257, 358, 65535)),
        ("levels:0,1", (0, 25755, 65535)),
        ("levels:0.2,1", (0, 15810, 65535)),
        ("posterize:2", (0, 0, 65535)),
    ],
)
def test_16_bit_grey_keeps_its_fine_levels(pipeline: str, expected: tuple[int, ...]) -> None:
    assert_same(processed(pipeline, deep(0, 101, 65535)), deep(*expected))


def test_a_gamma_and_its_reciprocal_undo_each_other() -> None:
    there_and_back = processed("gamma:1.6/gamma:0.625", picture("I;16"))
    assert np.abs(levels_of(there_and_back) - levels_of(picture("I;16"))).max() <= 2


@given(st.integers(2, 256))
def test_posterize_leaves_so_many_levels_and_does_no_more_when_repeated(levels: int) -> None:
    ramp = grey(*range(256))
    once = processed(f"posterize:{levels}", ramp)
    assert len(set(once.tobytes())) == levels
    assert_same(processed(f"posterize:{levels}", once), once)


def test_threshold_goes_by_luma_and_compares_16_bits() -> None:
    assert_same(processed("threshold:100", pixels((0, 180, 0), (0, 0, 255))), grey(255, 0))
    assert_same(processed("threshold:100", deep(25699, 25700)), grey(0, 255))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_normalize_uses_the_whole_range(mode: str) -> None:
    dull = processed("levels:0,255,1,90,150", picture(mode))
    assert dull.getextrema() != processed("normalize:0", dull).getextrema()
    assert set(np.ravel(processed("normalize:0", dull).getextrema()).tolist()) == {0, 255}


def test_normalize_stretches_16_bits_finely() -> None:
    assert_same(processed("normalize:0", deep(1000, 1001, 1003)), deep(0, 21845, 65535))


def test_normalize_lets_few_outliers_be() -> None:
    image = grey(0, *[100] * 50, *[150] * 49)
    assert_same(processed("normalize:0", image), grey(0, *[170] * 50, *[255] * 49))
    assert_same(processed("normalize:1", image), grey(0, *[0] * 50, *[255] * 49))


def test_normalize_removes_a_cast_only_channel_by_channel() -> None:
    cast = pixels((100, 50, 10), (200, 100, 20))
    assert_same(processed("normalize:0,separate", cast), pixels((0, 0, 0), (255, 255, 255)))
    assert_same(processed("normalize:0", cast), pixels((121, 54, 0), (255, 121, 13)))


@pytest.mark.parametrize("pipeline", ["normalize", "normalize:0,separate", "equalize", "equalize:separate"])
@pytest.mark.parametrize("image", [grey(7, 7), deep(700, 700), pixels((9, 9, 9), (9, 9, 9))], ids=["L", "I;16", "RGB"])
def test_levels_that_are_all_the_same_stay(pipeline: str, image: Image.Image) -> None:
    assert_same(processed(pipeline, image), image)


def test_equalize_spreads_levels_by_how_many_pixels_have_them() -> None:
    assert_same(processed("equalize", grey(10, 20, 20, 30, 40)), grey(0, 128, 128, 191, 255))
    assert_same(processed("equalize", deep(10, 20, 20, 30, 40)), deep(0, 32768, 32768, 49151, 65535))


def test_equalize_keeps_greys_grey_unless_channels_are_separate() -> None:
    image = pixels((50, 60, 70), (60, 60, 60), (70, 80, 90))
    together = processed("equalize", image)
    assert np.ptp(levels_of(together)[0, 1]) == 0
    assert_same(processed("equalize:separate", image), pixels((0, 0, 128), (128, 0, 0), (255, 255, 255)))


@pytest.mark.parametrize("pipeline", ["normalize:0", "equalize", "clahe:256,1", "quantize:2,false"])
def test_what_cannot_be_seen_has_no_part_in_the_decision(pipeline: str) -> None:
    rng = np.random.default_rng(3)
    colours = rng.integers(90, 160, (8, 8, 4), np.uint8)
    colours[..., 3] = 255
    colours[:, :4, 3] = 0
    other = colours.copy()
    other[:, :4, :3] = rng.integers(0, 256, (8, 4, 3))
    first, second = (levels_of(processed(pipeline, Image.fromarray(each))) for each in (colours, other))
    assert (first[:, 4:] == second[:, 4:]).all()
    assert (first[:, 4:] != colours[:, 4:]).any()


def test_dithering_spreads_nothing_of_what_cannot_be_seen() -> None:
    colours = levels_of(picture("RGBA", (16, 16))).astype(np.uint8)
    colours[::2, :, 3] = 0
    colours[1::2, :, 3] = 255
    other = colours.copy()
    other[::2, :, :3] = 255
    first, second = (levels_of(processed("quantize:4", Image.fromarray(each))) for each in (colours, other))
    assert (first[1::2] == second[1::2]).all()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("pipeline", ["normalize:10", "equalize:separate", "clahe:4,3", "quantize:5"])
def test_the_first_frame_decides_for_all(pipeline: str, mode: str) -> None:
    """The second frame is another image, with the top half of the first."""
    first, second = picture(mode, (36, 30)), picture(mode, (36, 30), seed=2)
    second.paste(first.crop((0, 0, 36, 15)))
    alone = processed(pipeline, second)
    frames = film(pipeline, first, second)
    assert frames[0].mode == frames[1].mode
    top = [frame.crop((0, 0, 36, 15)).tobytes() for frame in frames]
    assert top[0] == top[1] != alone.crop((0, 0, 36, 15)).tobytes()
    assert frames[1].tobytes() != frames[0].tobytes()


def test_clahe_raises_contrast_where_it_is_low() -> None:
    ramp = np.tile(np.linspace(100, 140, 64), (64, 1))
    flat = Image.fromarray(ramp.astype(np.uint8))
    assert np.ptp(levels_of(processed("clahe:4,2", flat))) > 2 * np.ptp(levels_of(flat))


@given(st.floats(1, 20), st.integers(1, 5), st.integers(0, 1000))
def test_clahe_makes_of_a_negative_the_negative(clip: float, tiles: int, seed: int) -> None:
    image = picture("L", (23, 17), seed)
    expected = processed("invert", processed(f"clahe:{clip},{tiles}", image))
    assert np.abs(levels_of(processed(f"clahe:{clip},{tiles}/invert", image)) - levels_of(expected)).max() == 0
    of_negative = processed(f"invert/clahe:{clip},{tiles}", image)
    assert np.abs(levels_of(of_negative) - levels_of(expected)).max() <= 1


@given(st.floats(1, 8), st.integers(0, 1000))
def test_clahe_keeps_the_contrast_of_each_level_below_the_limit(clip: float, seed: int) -> None:
    narrow = levels_of(picture("L", (40, 40), seed)) // 16 + 60
    narrow[0, 1:] = np.arange(39) + 50
    after = levels_of(processed(f"clahe:{clip},1", Image.fromarray(narrow.astype(np.uint8))))
    new = {int(level): int(after[narrow == level][0]) for level in np.unique(narrow)}
    rises = [new[level + 1] - new[level] for level in new if level + 1 in new]
    assert min(rises) >= 0
    assert max(rises) <= clip / (1 - clip / 256) + 1


def test_clahe_without_limit_and_tiles_is_equalization() -> None:
    image = picture("L", (64, 64))
    assert np.abs(levels_of(processed("clahe:256,1", image)) - levels_of(processed("equalize", image))).max() <= 2


def test_clahe_changes_luma_and_leaves_chroma() -> None:
    image = Image.fromarray((levels_of(picture()) // 8 + 110).astype(np.uint8))
    before, after = levels_of(image), levels_of(processed("clahe:3,2", image))
    inside = (after.min(axis=2) > 0) & (after.max(axis=2) < 255)
    assert inside.any()
    assert (np.diff(after, axis=2) == np.diff(before, axis=2))[inside].all()
    luma = levels_of(processed("grayscale/clahe:3,2", image))
    assert np.abs(after @ LUMA - luma)[inside].max() <= 1


def test_clahe_makes_of_16_bits_what_it_makes_of_8_with_fine_levels_between() -> None:
    image = picture("L", (300, 270))
    assert (
        np.abs(
            levels_of(processed("depth:16/clahe:3,4/depth:8", image)) - levels_of(processed("clahe:3,4", image))
        ).max()
        <= 1
    )
    ramp = deep(*range(20000, 24000))
    assert len(np.unique(levels_of(processed("clahe:3,1", ramp)))) > 3900


@pytest.mark.parametrize("tiles", [1, 2, 5, 16])
def test_clahe_shows_no_seams(tiles: int) -> None:
    ramp = Image.linear_gradient("L").resize((64, 90)).rotate(90, expand=True)
    after = levels_of(processed(f"clahe:2,{tiles}", ramp))
    assert np.abs(np.diff(after, axis=1) - np.diff(levels_of(ramp), axis=1)).max() <= 6


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("colours", [2, 7, 256])
@pytest.mark.parametrize("dither", ["true", "false"])
def test_quantize_leaves_no_more_colours_than_asked(colours: int, dither: str, mode: str) -> None:
    image = picture(mode, (80, 60))
    reduced = processed(f"quantize:{colours},{dither}", image)
    assert reduced.mode == "P"
    assert 2 <= len(reduced.convert("RGB").getcolors(256) or ()) <= colours
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    reduced = processed(f"quantize:{colours},{dither}", image)
    assert reduced.mode == "RGBA"
    assert 2 <= len(reduced.convert("RGB").getcolors(256) or ()) <= colours


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_quantize_keeps_colours_that_are_few_enough_exactly(mode: str) -> None:
    neighbours = processed("saturation:0.1", picture()).convert(mode).crop((0, 0, 5, 5))
    if mode.endswith("A"):
        neighbours.putalpha(picture("L", (5, 5)))
    assert_same(processed("quantize:25", neighbours).convert(mode), neighbours)


def test_dithering_keeps_the_mean() -> None:
    ramp = Image.linear_gradient("L").convert("RGB")
    plain, dithered = (levels_of(processed(f"quantize:2,{dither}", ramp).convert("L")) for dither in ("false", "true"))
    wanted = levels_of(ramp.convert("L"))[96:160].mean(axis=1)
    assert (
        np.abs(dithered[96:160].mean(axis=1) - wanted).mean() < np.abs(plain[96:160].mean(axis=1) - wanted).mean() / 3
    )


def test_duotone_maps_black_and_white_to_its_colours_and_the_middle_between() -> None:
    image = grey(0, 51, 255)
    assert_same(processed("duotone:000064,ff8000", image), pixels((0, 0, 100), (51, 26, 80), (255, 128, 0)))


def test_tint_goes_from_black_over_the_colour_to_white() -> None:
    image = grey(0, 76, 255)
    assert_same(processed("tint:red,1", image), pixels((0, 0, 0), (255, 0, 0), (255, 255, 255)))
    assert_same(processed("tint:red,0.5", image), pixels((0, 0, 0), (165, 38, 38), (255, 255, 255)))


@pytest.mark.parametrize("colour", ["black", "white", "808080"])
def test_a_tint_of_grey_leaves_grey(colour: str) -> None:
    ramp = grey(*range(256))
    assert np.abs(levels_of(processed(f"tint:{colour},1", ramp).convert("L")) - levels_of(ramp)).max() <= 1


def test_opacity_multiplies_alpha_and_gives_one_to_what_has_none() -> None:
    assert_same(processed("opacity:0.5", pixels((1, 2, 3, 200))), pixels((1, 2, 3, 100)))
    assert_same(processed("opacity:0", pixels((1, 2, 3))), pixels((1, 2, 3, 0)))
    assert processed("opacity:0.5", picture("I;16")).mode == "LA"


def test_flatten_lays_on_a_colour() -> None:
    image = pixels((200, 100, 0, 255), (200, 100, 0, 0), (200, 100, 0, 51))
    assert_same(processed("flatten", image), pixels((200, 100, 0), (255, 255, 255), (244, 224, 204)))
    assert_same(processed("flatten:blue", image), pixels((200, 100, 0), (0, 0, 255), (40, 20, 204)))


def test_flatten_keeps_grey_grey_on_grey() -> None:
    image = Image.merge("LA", (grey(200, 200), grey(255, 0)))
    assert_same(processed("flatten:808080", image), grey(200, 128))
    assert processed("flatten:red", image).mode == "RGB"
    assert_same(processed("flatten", picture("I;16")), picture("I;16"))


def test_flatten_takes_a_palette_with_transparency() -> None:
    image = grey(0, 1).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.info["transparency"] = 1
    assert_same(processed("flatten:red", image), pixels((10, 20, 30), (255, 0, 0)))


def test_depth_scales_levels_and_back() -> None:
    ramp = grey(*range(256))
    raised = processed("depth:16", ramp)
    assert_same(raised, deep(*(level * 257 for level in range(256))))
    assert_same(processed("depth:8", raised), ramp)
    assert_same(processed("depth:16", scene()), scene())
    assert processed("depth:8", picture("I")).mode == "L"
    assert_same(processed("depth:16", picture("I;16").convert("I")), picture("I;16"))
    assert_same(processed("depth:16", picture("1")), processed("depth:16", picture("1").convert("L")))


def test_depth_takes_numbers_and_text() -> None:
    assert BUILT_IN.from_json([{"op": "depth", "bits": 8}]) == BUILT_IN.parse("depth:8")


def test_a_mask_of_luma_leaves_what_is_light() -> None:
    masked = processed("matrix:1:0:0:0:0:0:1:0:0:0:0:0:1:0:0:0.299:0.587:0.114:0:0")
    assert np.abs(levels_of(masked.getchannel("A")) - levels_of(processed("grayscale"))).max() <= 1
