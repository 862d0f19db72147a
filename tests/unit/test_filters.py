from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from goldens import assert_golden, processed, scene
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from pictures import picture
from PIL import Image, ImageOps

from imgray.catalogue import BUILT_IN
from imgray.errors import BadArgumentError
from imgray.operations import Context
from imgray.picture import Picture, Source

Levels = npt.NDArray[Any]

NEUTRAL = [
    "blur:0",
    "box-blur:0",
    "sharpen:5,0",
    "sharpen:5,150,255",
    "median:1",
    "minimum:1",
    "maximum:1",
    "convolve:0:0:0:0:1:0:0:0:0",
    "convolve:0:0:0:0:-2:0:0:0:0",
    "pixelate:1",
    "vignette:0",
    "noise:0",
    "noise:0,uniform",
]
SMOOTHING = [
    "blur:3",
    "box-blur:2.5",
    "sharpen:4,300,0",
    "median:5",
    "minimum:7",
    "maximum:7",
    "convolve:1:1:1:1:1:1:1:1:1",
    "pixelate:7",
    "redact:0:0:200:200,blur",
    "redact:3:5:9:9,pixelate",
]
KEEPING_ALPHA = [
    "sharpen",
    "median",
    "minimum",
    "maximum:5",
    "edge",
    "edge:laplacian",
    "emboss",
    "convolve:1:2:1:2:4:2:1:2:1",
    "vignette",
    "noise",
]
KEEPING_16_BITS = [
    "median",
    "minimum",
    "maximum",
    "pixelate:3",
    "vignette",
    "noise",
    "redact:1:1:9:9,blur",
    "redact:1:1:9:9,pixelate",
    "redact:1:1:9:9",
]
shapes = st.tuples(st.integers(1, 14), st.integers(1, 14))
seeds = st.integers(0, 1000)


def grey(levels: Any) -> Image.Image:
    return Image.fromarray(np.asarray(levels, np.uint8))


def levels_of(image: Image.Image) -> npt.NDArray[np.int64]:
    return np.asarray(image).astype(np.int64)


def squares(levels: Levels, size: int) -> Levels:
    """Return the square around each pixel; the outermost levels go on beyond the border."""
    padded = np.pad(levels, size // 2, mode="edge")
    return sliding_window_view(padded, (size, size)).reshape(*levels.shape, size * size)


def half_transparent(size: tuple[int, int] = (24, 16)) -> Image.Image:
    """Return orange on the left, and on the right nothing, with blue under it."""
    image = Image.new("RGBA", size, (0, 0, 255, 0))
    image.paste((255, 128, 0, 255), (0, 0, size[0] // 2, size[1]))
    return image


def frames(pipeline: str, *images: Image.Image) -> tuple[Image.Image, ...]:
    source = Source("gif", images[0].size, images[0].mode, len(images))
    animation = Picture(images, source, (100,) * len(images))
    for operation in BUILT_IN.parse(pipeline).operations:
        animation = operation.run(animation, Context())
    return animation.frames


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
@pytest.mark.parametrize("pipeline", NEUTRAL)
def test_neutral_arguments_change_nothing_that_is_visible(pipeline: str, mode: str) -> None:
    image = picture(mode)
    result = processed(pipeline, image)
    assert result.mode == mode
    visible = np.asarray(image.convert("RGBA"))[..., 3] > 0
    assert visible.all() == (mode in {"L", "RGB"})
    assert np.array_equal(np.asarray(result)[visible], np.asarray(image)[visible])


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (30, 20)])
@pytest.mark.parametrize("pipeline", SMOOTHING)
def test_one_colour_stays_that_colour_up_to_the_border(pipeline: str, size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (200, 100, 255))
    assert processed(pipeline, image).tobytes() == image.tobytes()


@pytest.mark.parametrize("pipeline", SMOOTHING)
def test_what_is_transparent_lends_no_colour(pipeline: str) -> None:
    result = np.asarray(processed(pipeline, half_transparent()))
    red, green, blue = np.moveaxis(result[result[..., 3] > 10], -1, 0)[:3]
    assert red.min() > 240
    assert np.ptp(green.astype(int)) < 30
    assert blue.max() == 0


@pytest.mark.parametrize("pipeline", ["edge", "edge:laplacian"])
def test_what_is_transparent_shows_no_edge(pipeline: str) -> None:
    result = np.asarray(processed(pipeline, half_transparent()))
    assert result[..., :3][result[..., 3] > 0].max() <= 2


def test_what_is_transparent_casts_no_relief() -> None:
    result = np.asarray(processed("emboss", half_transparent()))
    assert {127, 128} >= set(result[..., :3][result[..., 3] > 0].flat)


@pytest.mark.parametrize("size", [(1, 1), (5, 3)])
@pytest.mark.parametrize("pipeline", [*SMOOTHING, *KEEPING_ALPHA])
def test_an_image_without_anything_visible_stays_so(pipeline: str, size: tuple[int, int]) -> None:
    assert processed(pipeline, Image.new("RGBA", size, (9, 9, 9, 0))).getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("pipeline", KEEPING_ALPHA)
def test_alpha_is_kept(pipeline: str, mode: str) -> None:
    image = picture(mode)
    result = processed(pipeline, image)
    assert result.mode == mode
    assert result.getchannel("A").tobytes() == image.getchannel("A").tobytes()
    assert result.tobytes() != image.tobytes()


@pytest.mark.parametrize("pipeline", KEEPING_16_BITS)
def test_16_bit_grey_stays_16_bit_grey(pipeline: str) -> None:
    image = picture("I;16")
    result = processed(pipeline, image)
    assert result.mode == "I;16"
    assert not np.array_equal(np.asarray(result), np.asarray(image))
    eight = np.asarray(processed(pipeline, grey(np.asarray(image) >> 8)))
    assert np.abs((np.asarray(result) >> 8).astype(int) - eight).max() <= 2


@pytest.mark.parametrize("pipeline", ["blur", "sharpen", "edge", "emboss", "convolve:1:1:1:1:1:1:1:1:1"])
def test_16_bit_grey_is_scaled_where_it_must_become_8_bit(pipeline: str) -> None:
    image = picture("L")
    deep = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    assert processed(pipeline, deep).tobytes() == processed(pipeline, image).tobytes()


def test_a_blurred_step_is_the_integral_of_a_gaussian() -> None:
    radius, middle = 5, 60
    image = grey(np.repeat(np.arange(2 * middle)[None, :] >= middle, 9, axis=0) * 255)
    expected = [127.5 * (1 + math.erf((x + 0.5 - middle) / radius / 2**0.5)) for x in range(2 * middle)]
    result = levels_of(processed(f"blur:{radius}", image))
    assert np.abs(result - expected).max() <= 3
    assert (result == result[0]).all()


def test_transparency_is_blurred_as_well() -> None:
    alpha = levels_of(processed("blur:2", half_transparent()).getchannel("A"))[8]
    assert alpha[0] == 255
    assert alpha[-1] == 0
    assert np.all(np.diff(alpha) <= 0)
    assert 64 < alpha[11] < 192


@given(shapes, seeds)
def test_box_blur_is_the_mean_of_the_square(size: tuple[int, int], seed: int) -> None:
    image = picture("L", size, seed)
    expected = squares(np.asarray(image), 3).mean(axis=-1)
    assert np.abs(levels_of(processed("box-blur:1", image)) - expected).max() <= 1


def test_sharpening_overshoots_on_both_sides_of_a_step_and_leaves_the_rest() -> None:
    step = grey([[100] * 20 + [150] * 20] * 3)
    line = levels_of(processed("sharpen:2,100,0", step))[1]
    assert line[19] < 90
    assert line[20] > 160
    assert (line[:8] == 100).all()
    assert (line[-8:] == 150).all()


def test_sharpening_leaves_small_differences_to_the_threshold() -> None:
    faint = grey([[100] * 20 + [104] * 20] * 3)
    assert processed("sharpen:2,300,4", faint).tobytes() == faint.tobytes()
    assert processed("sharpen:2,300,0", faint).tobytes() != faint.tobytes()


@given(shapes, st.sampled_from([3, 5, 7, 9]), seeds, st.sampled_from(["L", "I;16"]))
def test_median_is_the_median_of_the_square(size: tuple[int, int], side: int, seed: int, mode: str) -> None:
    image = picture(mode, size, seed)
    expected = np.median(squares(np.asarray(image), side), axis=-1)
    assert np.array_equal(np.asarray(processed(f"median:{side}", image)), expected)


@given(shapes, st.sampled_from([3, 5, 9, 11, 23, 99]), seeds, st.sampled_from(["L", "I;16"]))
def test_minimum_and_maximum_are_those_of_the_square(size: tuple[int, int], side: int, seed: int, mode: str) -> None:
    image = picture(mode, size, seed)
    around = squares(np.asarray(image), side)
    assert np.array_equal(np.asarray(processed(f"minimum:{side}", image)), around.min(axis=-1))
    assert np.array_equal(np.asarray(processed(f"maximum:{side}", image)), around.max(axis=-1))


@pytest.mark.parametrize("pipeline", ["minimum:5", "maximum:5", "median:5", "edge", "emboss:90", "noise:0", "vignette"])
def test_each_channel_is_filtered_by_itself(pipeline: str) -> None:
    image = picture("RGB")
    for own, alone in zip(processed(pipeline, image).split(), image.split(), strict=True):
        assert own.tobytes() == processed(pipeline, alone).tobytes()


@pytest.mark.parametrize(("pipeline", "level"), [("minimum:5", 80), ("maximum:5", 180)])
def test_the_extreme_is_that_of_what_is_visible(pipeline: str, level: int) -> None:
    image = Image.new("LA", (5, 1), (80, 255))
    for x, pixel in enumerate([(80, 255), (0, 0), (180, 1), (255, 0), (120, 255)]):
        image.putpixel((x, 0), pixel)
    assert processed(pipeline, image).getpixel((2, 0)) == (level, 1)


@given(shapes, seeds, st.sampled_from([3, 5]), st.sampled_from([None, 7, -0.5]))
def test_a_kernel_lies_on_the_image_as_it_is_written(
    size: tuple[int, int], seed: int, side: int, given_scale: float | None
) -> None:
    kernel = np.random.default_rng(seed).integers(-5, 6, side * side)
    scale = given_scale or int(kernel.sum()) or 1
    image = picture("L", size, seed)
    expected = np.clip(squares(levels_of(image), side) @ kernel / scale + 20, 0, 255)
    text = f"convolve:{':'.join(map(str, kernel))},offset=20" + (f",scale={given_scale}" if given_scale else "")
    assert np.abs(levels_of(processed(text, image)) - expected).max() <= 0.51


def test_a_kernel_with_one_weight_moves_the_image() -> None:
    moved = processed("convolve:0:1:0:0:0:0:0:0:0", grey([[1, 2], [3, 4], [5, 6]]))
    assert np.asarray(moved).tolist() == [[1, 2], [1, 2], [3, 4]]


@pytest.mark.parametrize("weight", ["0.1:0.2:-0.3", "-1:2:-1"])
def test_a_kernel_whose_sum_is_nothing_is_not_divided(weight: str) -> None:
    image = picture("L")
    kernel = f"0:0:0:{weight}:0:0:0"
    assert processed(f"convolve:{kernel}", image).tobytes() == processed(f"convolve:{kernel},1", image).tobytes()


@pytest.mark.parametrize("method", ["sobel", "laplacian"])
def test_a_step_from_black_to_white_is_a_white_edge_and_a_flat_part_is_black(method: str) -> None:
    step = grey([[0] * 5 + [255] * 5] * 6)
    for turned in (step, ImageOps.mirror(step), step.transpose(Image.Transpose.ROTATE_90)):
        result = levels_of(processed(f"edge:{method}", turned))
        assert result.max() == 255
        assert (result > 0).sum() == (6 * 2 if method == "sobel" else 6)


def test_edges_are_as_bright_in_every_direction() -> None:
    y, x = np.mgrid[-30:31, -30:31]
    cone = grey(np.clip(200 - 4 * np.hypot(x, y), 0, 255))
    ring = levels_of(processed("edge:sobel,400", cone))[(np.hypot(x, y) > 8) & (np.hypot(x, y) < 28)]
    assert np.abs(ring - 32).max() <= 4


def test_the_amount_makes_edges_brighter() -> None:
    step = grey([[100] * 5 + [110] * 5] * 6)
    assert levels_of(processed("edge:sobel,100", step)).max() == 10
    assert levels_of(processed("edge:sobel,500", step)).max() == 50


@pytest.mark.parametrize(
    ("angle", "lit", "dark"),
    [(0, (10, 5), (10, 14)), (90, (14, 10), (5, 10)), (180, (10, 14), (10, 5)), (270, (5, 10), (14, 10))],
)
def test_a_relief_is_lit_from_where_the_angle_says(angle: int, lit: tuple[int, int], dark: tuple[int, int]) -> None:
    block = Image.new("L", (20, 20), 100)
    block.paste(150, (5, 5, 15, 15))
    relief = processed(f"emboss:{angle}", block)
    assert [relief.getpixel(at) for at in (lit, dark, (1, 1), (10, 10))] == [178, 78, 128, 128]


def test_a_relief_without_height_is_flat() -> None:
    assert processed("emboss:amount=0", picture("L")).getextrema() == (128, 128)


@given(shapes, st.integers(2, 20), seeds, st.sampled_from(["L", "I;16"]))
def test_a_block_has_the_mean_of_its_own_pixels(size: tuple[int, int], block: int, seed: int, mode: str) -> None:
    image = picture(mode, size, seed)
    before, after = levels_of(image), levels_of(processed(f"pixelate:{block}", image))
    for top in range(0, size[1], block):
        for left in range(0, size[0], block):
            where = slice(top, top + block), slice(left, left + block)
            assert np.abs(after[where] - before[where].mean()).max() <= 1
            assert np.ptp(after[where]) == 0


def test_large_blocks_of_white_are_white() -> None:
    white = Image.new("L", (1010, 1005), 255)
    assert processed("pixelate:1000", white).getextrema() == (255, 255)


def test_a_vignette_leaves_the_middle_and_darkens_the_corners_by_its_amount() -> None:
    light = levels_of(processed("vignette:60,40", Image.new("L", (301, 201), 200)))
    assert light[100, 150] == 200
    assert light[90:111, 130:171].min() == 200
    assert [light[0, 0], light[0, -1], light[-1, 0], light[-1, -1]] == [80] * 4
    assert np.all(np.diff([light[y, round(y * 1.5)] for y in range(101)]) >= 0)
    assert np.array_equal(light, light[::-1, ::-1])


@pytest.mark.parametrize("kind", ["gaussian", "uniform"])
@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_noise_has_the_amount_and_no_bias(mode: str, kind: str) -> None:
    plain = Image.new(mode, (700, 500), 32_768 if mode == "I;16" else "#808080")
    levels = levels_of(processed(f"noise:8,{kind}", plain)) / (65_535 if mode == "I;16" else 255)
    deviation = 0.08 if kind == "gaussian" else 0.08 / 3**0.5
    assert abs(levels.mean() - 0.5) < 0.003
    assert levels.std() == pytest.approx(deviation, rel=0.02)
    if kind == "uniform":
        assert np.abs(levels - 0.5).max() < 0.083
    for first, second in itertools.pairwise(levels):
        assert not np.array_equal(first, second)
    assert np.unique(levels[:, 0]).size > 20


def test_noise_is_the_same_for_the_same_seed_and_other_for_another() -> None:
    plain = Image.new("L", (6, 1), 128)
    assert np.asarray(processed("noise", plain)).tolist() == [[129, 154, 164, 137, 153, 129]]
    assert processed("noise:seed=1", plain).tobytes() != processed("noise", plain).tobytes()
    assert processed("noise", plain).tobytes() == processed("noise", plain).tobytes()


def test_each_channel_gets_its_own_noise_unless_it_is_monochrome() -> None:
    plain = Image.new("RGB", (50, 50), (128, 128, 128))
    red, green, blue = np.moveaxis(levels_of(processed("noise", plain)), -1, 0) - 128
    for first, second in ((red, green), (green, blue), (blue, red)):
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.1
    red, green, blue = np.moveaxis(levels_of(processed("noise:monochrome=true", plain)), -1, 0)
    assert red.std() > 20
    assert np.array_equal(red, green)
    assert np.array_equal(green, blue)


def test_all_frames_get_the_same_noise() -> None:
    plain = Image.new("RGB", (20, 20), (128, 128, 128))
    first, second = frames("noise", plain, plain.copy())
    assert first.tobytes() == second.tobytes()


def test_noise_stays_within_the_range() -> None:
    result = levels_of(processed("noise:100", grey([[0, 255] * 50] * 100)))
    assert result[:, 0::2].mean() < 128 < result[:, 1::2].mean()
    assert {0, 255} <= set(result.flat)


@pytest.mark.parametrize("mode", ["fill", "pixelate", "blur"])
def test_redaction_changes_the_regions_and_nothing_else(mode: str) -> None:
    image = picture("RGB", (60, 50))
    before, after = np.asarray(image), np.asarray(processed(f"redact:5:6:20:30:40:0:300:12,{mode}", image))
    inside = np.zeros((50, 60), bool)
    inside[6:36, 5:25] = inside[0:12, 40:60] = True
    assert np.array_equal(after[~inside], before[~inside])
    assert (after != before).any(axis=-1)[inside].mean() > 0.98


@pytest.mark.parametrize("mode", ["pixelate", "blur"])
@pytest.mark.parametrize("kind", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_of_a_region_nothing_is_left_but_the_means_of_few_cells(kind: str, mode: str) -> None:
    image = picture(kind, (120, 80))
    shuffled = np.array(image)
    rng = np.random.default_rng(5)
    for top in range(10, 40, 10):  # six cells across, three down
        for left in range(20, 80, 10):
            cell = shuffled[top : top + 10, left : left + 10]
            cell[:] = rng.permutation(cell.reshape(100, -1)).reshape(cell.shape)
    other = Image.fromarray(shuffled)
    assert other.mode == kind
    assert other.tobytes() != image.tobytes()
    first, second = (processed(f"redact:20:10:60:30,{mode}", one).crop((20, 10, 80, 40)) for one in (image, other))
    assert np.abs(levels_of(first) - levels_of(second)).max() <= 6  # each pass rounds, and so does alpha
    if mode == "pixelate":
        pixels = np.asarray(first).reshape(60 * 30, -1)
        assert len(np.unique(pixels, axis=0)) <= 18


@pytest.mark.parametrize("mode", ["fill", "pixelate", "blur"])
def test_colours_hidden_under_transparency_are_gone_as_well(mode: str) -> None:
    hidden = Image.new("RGBA", (40, 40), (1, 2, 3, 0))
    hidden.paste((77, 88, 99, 0), (12, 12, 20, 20))
    result = processed(f"redact:10:10:20:20,{mode}", hidden).crop((10, 10, 30, 30))
    assert not {(77, 88, 99, 0), (1, 2, 3, 0)} & {pixel for _, pixel in result.getcolors() or []}


def test_colours_of_a_palette_are_gone_as_well() -> None:
    image = Image.new("P", (40, 40), 0)
    image.putpalette([10, 10, 10, 77, 88, 99])
    image.paste(1, (12, 12, 20, 20))
    result = processed("redact:10:10:20:20", image)
    assert result.mode == "RGB"
    assert result.palette is None
    assert {pixel for _, pixel in result.getcolors() or []} == {(10, 10, 10), (0, 0, 0)}


@pytest.mark.parametrize("mode", ["pixelate", "blur"])
@pytest.mark.parametrize("region", ["3:3:2:2", "3:3:15:1", "3:3:1:15", "3:3:7:7"])
def test_a_small_region_becomes_one_colour(region: str, mode: str) -> None:
    image = picture("RGB", (20, 20))
    left, top, width, height = map(int, region.split(":"))
    part = (left, top, left + width, top + height)
    assert len(processed(f"redact:{region},{mode}", image).crop(part).getcolors() or []) == 1


@pytest.mark.parametrize(
    ("mode", "colour", "kind", "pixel"),
    [
        ("L", "black", "L", 0),
        ("L", "808080", "L", 128),
        ("L", "red", "RGB", (255, 0, 0)),
        ("L", "80808040", "LA", (128, 64)),
        ("LA", "white", "LA", (255, 255)),
        ("LA", "red", "RGBA", (255, 0, 0, 255)),
        ("I;16", "ff0000", "RGB", (255, 0, 0)),
        ("I;16", "010101", "I;16", 257),
        ("I;16", "ffffff80", "LA", (255, 128)),
        ("RGB", "12345678", "RGBA", (0x12, 0x34, 0x56, 0x78)),
        ("RGBA", "12345678", "RGBA", (0x12, 0x34, 0x56, 0x78)),
        ("RGBA", "00000000", "RGBA", (0, 0, 0, 0)),
        ("RGBA", "123456", "RGBA", (0x12, 0x34, 0x56, 255)),
        ("CMYK", "red", "RGB", (255, 0, 0)),
        ("1", "white", "L", 255),
    ],
)
def test_a_region_is_filled_with_exactly_the_colour(
    mode: str, colour: str, kind: str, pixel: int | tuple[int, ...]
) -> None:
    result = processed(f"redact:2:2:5:5,fill,{colour}", picture(mode))
    assert result.mode == kind
    assert {result.getpixel((x, y)) for x in range(2, 7) for y in range(2, 7)} == {pixel}


@pytest.mark.parametrize(
    ("region", "part"),
    [
        ("-5:-5:8:9", (0, 0, 3, 4)),
        ("0.9:0.9:0.2:0.2", (0, 0, 2, 2)),
        ("2.5:3:1:1", (2, 3, 4, 4)),
        ("8:8:1000000:1000000", (8, 8, 10, 10)),
        ("-999999:5:1000000:1", (0, 5, 1, 6)),
    ],
)
def test_a_region_is_cut_at_the_border_and_covers_every_pixel_that_it_touches(
    region: str, part: tuple[int, int, int, int]
) -> None:
    expected = Image.new("L", (10, 10), 255)
    expected.paste(0, part)
    assert processed(f"redact:{region}", Image.new("L", (10, 10), 255)).tobytes() == expected.tobytes()


@pytest.mark.parametrize("region", ["40:0:5:5", "0:24:5:5", "-5:0:5:5", "0:-9:5:9"])
def test_regions_outside_change_nothing(region: str) -> None:
    original = Picture.of(picture("P", (40, 24)))
    (operation,) = BUILT_IN.parse(f"redact:{region}").operations
    assert operation.run(original, Context()) is original


def test_redaction_drops_metadata_that_may_hold_a_preview() -> None:
    image = picture()
    original = Picture((image,), replace(Picture.of(image).source, exif=b"Exif\0\0preview", xmp=b"<preview/>"))
    (redaction,) = BUILT_IN.parse("redact:1:1:5:5").operations
    source = redaction.run(original, Context()).source
    assert (source.exif, source.xmp) == (b"", b"")
    assert redaction(image).tobytes() != image.tobytes()


@pytest.mark.parametrize("mode", ["fill", "pixelate", "blur"])
def test_every_frame_is_redacted(mode: str) -> None:
    images = [picture("RGB", seed=seed) for seed in (1, 2, 3)]
    for before, after in zip(images, frames(f"redact:4:4:16:16,{mode}", *images), strict=True):
        assert after.tobytes() == processed(f"redact:4:4:16:16,{mode}", before).tobytes()
        assert after.crop((4, 4, 20, 20)).tobytes() != before.crop((4, 4, 20, 20)).tobytes()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("blur:-1", "greater than or equal to 0"),
        ("blur:251", "less than or equal to 250"),
        ("blur:nan", "finite number"),
        ("box-blur:251", "less than or equal to 250"),
        ("sharpen:2,1001", "less than or equal to 1000"),
        ("median:4", "give an odd number, as 3 or 5"),
        ("median:11", "less than or equal to 9"),
        ("minimum:2", "give an odd number, as 1 or 3"),
        ("maximum:101", "less than or equal to 99"),
        ("maximum:0", "greater than or equal to 1"),
        ("edge:canny", "'sobel' or 'laplacian'"),
        ("emboss:400", "less than or equal to 360"),
        ("convolve:1:2:3:4", "the kernel has 4 numbers: give 9 (3 by 3) or 25 (5 by 5)"),
        ("convolve:1:2:3:4:5:6:7:8:inf", "finite number"),
        ("convolve:1:2:3:4:5:6:7:8:10001", "give weights from -10000 to 10000"),
        ("convolve:1:2:3:4:5:6:7:8:9,0", "scale must not be 0"),
        ("convolve", "kernel: field required"),
        ("pixelate:0", "greater than or equal to 1"),
        ("pixelate:1001", "less than or equal to 1000"),
        ("vignette:101", "less than or equal to 100"),
        ("noise:101", "less than or equal to 100"),
        ("noise:10,salt", "'gaussian' or 'uniform'"),
        ("noise:seed=4294967296", "less than or equal to 4294967295"),
        ("redact", "regions: field required"),
        ("redact:1:2:3", "give four numbers for each region"),
        ("redact:1:2:3:4:5", "give four numbers for each region"),
        ("redact:1:2:0:4", "must be greater than 0"),
        ("redact:1:2:3:-4", "must be greater than 0"),
        ("redact:1000001:2:3:4", "at most 1000000 pixels"),
        ("redact:1:2:3:4,fill,nocolour", "give a colour by name"),
        ("redact:" + ":".join(["1:2:3:4"] * 101), "at most 400 items"),
    ],
)
def test_arguments_out_of_bounds_are_refused_in_plain_words(text: str, words: str) -> None:
    with pytest.raises(BadArgumentError) as caught:
        BUILT_IN.parse(text)
    assert words in str(caught.value)


def test_an_empty_list_of_regions_is_refused() -> None:
    with pytest.raises(BadArgumentError, match="give four numbers for each region"):
        BUILT_IN.from_json([{"op": "redact", "regions": []}])


@pytest.mark.parametrize(
    "text",
    [
        "blur",
        "blur:1.5",
        "sharpen:1,80,0",
        "sharpen:threshold=0",
        "convolve:0:-1:0:-1:5:-1:0:-1:0",
        "convolve:0:-1:0:-1:4:-1:0:-1:0,2,128",
        "edge:laplacian,200",
        "noise:20,uniform,true,7",
        "redact:1:2:3.5:4",
        "redact:-1:2:3:4:5:6:7:8,blur",
        "redact:1:2:3:4,colour=ff0000",
    ],
)
def test_the_text_of_a_filter_comes_back(text: str) -> None:
    pipeline = BUILT_IN.parse(text)
    assert str(pipeline) == text
    assert BUILT_IN.from_json(pipeline.to_json()) == pipeline


VARIANTS = {
    "blur-transparent": "blur:3",
    "edge-laplacian": "edge:laplacian,200",
    "edge-transparent": "edge:sobel,200",
    "emboss-from-the-right": "grayscale/emboss:90,200",
    "noise-monochrome": "noise:15,uniform,true",
    "redact-blur": "redact:5:35:50:40:70:20:40:60,blur",
    "redact-fill": "redact:5:35:50:40:70:20:60:60,fill,ff880080",
    "vignette-late": "vignette:100,70",
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_gives_the_golden_image(name: str, *, write_goldens: bool) -> None:
    image = None
    if name.endswith("transparent"):
        image = scene().copy()
        image.putalpha(Image.radial_gradient("L").resize(image.size).point(lambda level: 255 if level < 110 else 0))
    assert_golden(name, processed(VARIANTS[name], image), write=write_goldens)
