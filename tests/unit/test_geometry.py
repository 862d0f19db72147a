from __future__ import annotations

import numpy as np
import pytest
from goldens import assert_golden, processed
from hypothesis import given
from hypothesis import strategies as st
from pictures import encoded, picture
from PIL import Image, ImageDraw

from imgray.catalogue import BUILT_IN
from imgray.codec import decode
from imgray.errors import BadArgumentError, FrameNotFoundError
from imgray.modes import EVERY, TONES, suited
from imgray.operations import Context, Operation
from imgray.operations.arguments import CONTENT_AWARE
from imgray.operations.saliency import focus
from imgray.picture import Picture

MODES = sorted(EVERY)
GRAVITIES = sorted(CONTENT_AWARE)
VARIANTS = {
    "affine-background": "affine:0.5:-0.2:10:0.2:0.5:5,202060",
    "affine-shrunk": "affine:0.2:0:0:0:0.2:0",
    "crop-aspect": "crop:aspect=1:1",
    "crop-entropy": "crop:40p,40p,entropy",
    "pad-edge": "pad:160,120,mode=edge",
    "pad-mirror": "pad:160,120,mode=mirror",
    "pad-sides": "pad:sides=10:30:20:5,background=orange",
    "pad-transparent": "pad:aspect=16:9,gravity=west",
    "perspective-beside": "perspective:-0.1:0:1.2:0.2:1:1:0:1.1,background=ff000080",
    "thumbnail-attention": "thumbnail:64,64,fill,attention",
}

sizes = st.tuples(st.integers(1, 60), st.integers(1, 60))
lengths = st.one_of(st.integers(0, 90).map(str), st.integers(0, 200).map("{}p".format))
sides = st.one_of(st.integers(1, 90).map(str), st.integers(1, 200).map("{}p".format))
aspects = st.tuples(st.integers(1, 20), st.integers(1, 20)).map(lambda ratio: f"{ratio[0]}:{ratio[1]}")


def operation(text: str) -> Operation:
    (parsed,) = BUILT_IN.parse(text).operations
    return parsed


def animation(*frames: Image.Image) -> Picture:
    return Picture(frames, Picture.of(frames[0]).source, tuple(100 for _ in frames), 0)


def same(image: Image.Image, other: Image.Image) -> bool:
    """Compare what is shown, and how it is stored."""
    return (image.mode, image.size, image.getpalette(), image.tobytes()) == (
        other.mode,
        other.size,
        other.getpalette(),
        other.tobytes(),
    )


def flat(mode: str, size: tuple[int, int], level: int) -> Image.Image:
    """Make an image of one grey, in any mode."""
    if mode == "PA":
        return Image.new("L", size, level).convert("P").convert("PA")
    deep = {"I;16": level * 257, "I": level * 257}
    return Image.new(mode, size, deep[mode]) if mode in deep else Image.new("L", size, level).convert(mode)


def with_patch(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    """Make a flat image with a patch of noise."""
    image = Image.new("RGB", size, (90, 90, 90))
    image.paste(picture("RGB", (box[2] - box[0], box[3] - box[1])), box)
    return image


def refused(pipeline: str) -> str:
    with pytest.raises(BadArgumentError) as refusal:
        BUILT_IN.parse(pipeline)
    return str(refusal.value)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_gives_its_golden_image(name: str, *, write_goldens: bool) -> None:
    assert_golden(name, processed(VARIANTS[name]), write=write_goldens)


@pytest.mark.parametrize(
    "text",
    [
        *VARIANTS.values(),
        "crop:120,50p,0.3:0.7",
        "crop:10,10,x=5p,y=2",
        "frame:-1",
        "pad:200p,300,white,gravity=north",
        "resize:10,20,fill,attention",
        "trim:0,000000,3",
    ],
)
def test_the_canonical_text_means_the_same(text: str) -> None:
    pipeline = BUILT_IN.parse(text)
    assert BUILT_IN.parse(str(pipeline)) == pipeline
    assert BUILT_IN.from_json(pipeline.to_json()) == pipeline


# flip, flop


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["flip", "flop"])
def test_mirroring_twice_gives_the_image_back_in_every_mode(name: str, mode: str) -> None:
    image = picture(mode)
    once = operation(name)(image)
    assert not same(once, image)
    assert same(operation(name)(once), image)


def test_flip_exchanges_rows_and_flop_columns() -> None:
    image = Image.fromarray(np.array([[1, 2], [3, 4]], np.uint8))
    assert np.asarray(operation("flip")(image)).tolist() == [[3, 4], [1, 2]]
    assert np.asarray(operation("flop")(image)).tolist() == [[2, 1], [4, 3]]


# crop


@given(
    size=sizes,
    width=st.none() | sides,
    height=st.none() | sides,
    aspect=st.none() | aspects,
    gravity=st.sampled_from(["center", "northeast", "0.2:0.9", *GRAVITIES]),
)
def test_a_part_lies_in_the_image_and_is_as_large_as_foretold(
    size: tuple[int, int], width: str | None, height: str | None, aspect: str | None, gravity: str
) -> None:
    arguments = {"width": width, "height": height, "aspect": aspect or "1:1", "gravity": gravity}
    (crop,) = BUILT_IN.from_json([{"op": "crop", **{key: one for key, one in arguments.items() if one}}]).operations
    part = crop(Image.new("L", size, 255))
    assert part.size == crop.size_after(size)
    assert part.getextrema() == (255, 255)  # beside the image it would be black


@given(size=sizes, x=lengths, y=lengths, width=sides, height=sides)
def test_an_offset_leaves_what_lies_in_the_image(
    size: tuple[int, int], x: str, y: str, width: str, height: str
) -> None:
    crop = operation(f"crop:{width},{height},x={x},y={y}")
    part = crop(Image.new("L", size, 255))
    assert part.size == crop.size_after(size)
    assert part.getextrema() == (255, 255)


def test_a_part_is_named_by_pixels_percent_offset_or_aspect() -> None:
    image = Image.fromarray(np.arange(24 * 32, dtype=np.uint16).reshape(24, 32))
    pixels = np.asarray(image)
    for text, rows, columns in [
        ("crop:8,6", (9, 15), (12, 20)),
        ("crop:50p,25%", (9, 15), (8, 24)),
        ("crop:8,6,southeast", (18, 24), (24, 32)),
        ("crop:8,6,0:0.5", (9, 15), (0, 8)),
        ("crop:8", (0, 24), (12, 20)),
        ("crop:8,6,x=3", (0, 6), (3, 11)),
        ("crop:8,6,x=50p,y=1", (1, 7), (16, 24)),
        ("crop:8,6,x=30,y=20", (20, 24), (30, 32)),
        ("crop:x=99,y=99", (23, 24), (31, 32)),
        ("crop:aspect=1:1", (0, 24), (4, 28)),
        ("crop:10,20,aspect=2:1", (10, 15), (11, 21)),
    ]:
        part = np.asarray(operation(text)(image))
        assert np.array_equal(part, pixels[slice(*rows), slice(*columns)]), text


@pytest.mark.parametrize("mode", MODES)
def test_a_part_keeps_mode_and_palette(mode: str) -> None:
    image = picture(mode)
    assert same(operation("crop:8,6,northwest")(image), image.crop((0, 0, 8, 6)))
    assert operation("crop:100,100")(image) is image


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("crop", "give a width, a height, an aspect, or x and y"),
        ("crop:0,10", "more than 0"),
        ("crop:10,10,north,x=3", "either a gravity, or x and y"),
        ("crop:10,10,nowhere", "attention or entropy"),
        ("crop:20000", "at most 16384 pixels"),
        ("crop:aspect=16", "as 16:9"),
        ("crop:aspect=0:9", "as 16:9"),
        ("crop:aspect=5000:1", "at most 1000 to 1"),
        ("crop:aspect=1:5000", "at most 1000 to 1"),
    ],
)
def test_crop_refuses_what_means_nothing(text: str, sentence: str) -> None:
    assert sentence in refused(text)


# content-aware gravity


@pytest.mark.parametrize("gravity", GRAVITIES)
@pytest.mark.parametrize("box", [(0, 0, 60, 60), (500, 300, 560, 360), (100, 340, 160, 400), (290, 170, 350, 230)])
def test_content_aware_gravity_finds_the_only_thing_there_is(gravity: str, box: tuple[int, int, int, int]) -> None:
    image = with_patch((640, 400), box)
    cropped = np.asarray(operation(f"crop:150,150,{gravity}")(image)) != 90
    assert cropped.any(axis=2).sum() >= 0.99 * 60 * 60


@pytest.mark.parametrize("gravity", GRAVITIES)
def test_what_is_found_lies_in_the_middle_where_there_is_room(gravity: str) -> None:
    image = with_patch((640, 400), (380, 130, 440, 190))
    rows, columns = np.nonzero((np.asarray(operation(f"crop:200,160,{gravity}")(image)) != 90).any(axis=2))
    assert (rows.min() + rows.max()) / 2 == pytest.approx(80, abs=20)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(100, abs=20)


@pytest.mark.parametrize("gravity", GRAVITIES)
@pytest.mark.parametrize("mode", MODES)
def test_in_a_flat_image_the_centre_is_best(gravity: str, mode: str) -> None:
    for level in (0, 255) if mode == "1" else (0, 100, 255):
        place = focus(gravity, flat(mode, (64, 48), level), (0.25, 0.5))
        assert [float(one) for one in place.split(":")] == pytest.approx([0.5, 0.5], abs=1 / 48)


@pytest.mark.parametrize("gravity", GRAVITIES)
def test_what_is_transparent_draws_no_attention(gravity: str) -> None:
    image = picture("RGBA", (200, 100))
    image.putalpha(0)
    image.paste((0, 0, 0, 255), (150, 20, 180, 50))
    part = operation(f"crop:60,60,{gravity}")(image)
    assert np.count_nonzero(np.asarray(part.getchannel("A"))) == 30 * 30


@pytest.mark.parametrize("gravity", GRAVITIES)
def test_colours_are_looked_at_and_not_their_numbers_in_a_palette(gravity: str) -> None:
    numbers = np.random.default_rng(5).choice(np.array([0, 2], np.uint8), (200, 600))
    numbers[80:120, 480:520] = np.arange(40) % 8 // 4 * 3
    image = Image.fromarray(numbers).convert("P")
    image.putpalette([90, 90, 90, 255, 255, 255, 90, 90, 90, 120, 120, 120])
    for indexed in (image, image.convert("PA")):
        across, down = (float(one) for one in focus(gravity, indexed, (0.1, 0.3)).split(":"))
        assert (across, down) == pytest.approx((500 / 600, 0.5), abs=0.05)


def test_attention_prefers_skin_and_entropy_texture() -> None:
    image = Image.new("RGB", (300, 100), (60, 60, 60))
    rng = np.random.default_rng(3)
    image.paste(Image.fromarray(rng.integers(40, 90, (60, 60), dtype=np.uint8)).convert("RGB"), (220, 20))
    draw = ImageDraw.Draw(image)
    for ring in range(30, 0, -6):
        draw.ellipse((50 - ring, 50 - ring, 50 + ring, 50 + ring), fill=(120 + ring * 3, 88 + ring * 2, 68 + ring * 2))
    assert float(focus("attention", image, (1 / 3, 1)).partition(":")[0]) == pytest.approx(50 / 300, abs=0.03)
    assert float(focus("entropy", image, (1 / 3, 1)).partition(":")[0]) == pytest.approx(250 / 300, abs=0.03)


@pytest.mark.parametrize("gravity", GRAVITIES)
def test_a_jpeg_that_was_reduced_while_it_was_read_is_cropped_at_the_same_place(gravity: str) -> None:
    image = with_patch((1600, 1000), (1100, 300, 1300, 500)).resize((1600, 1000))
    thumbnail = operation(f"thumbnail:40,40,fill,{gravity}")
    full = decode(encoded(image, "JPEG"), Context().limits)
    reduced = decode(encoded(image, "JPEG"), Context().limits, enough=thumbnail.enough)
    assert 256 <= max(reduced.size) < max(full.size)  # it is looked at in the same size as the full one
    assert reduced.full_size == full.size
    whole, quick = (thumbnail.run(one, Context()).frames[0] for one in (full, reduced))
    assert whole.size == quick.size == (40, 40)
    assert np.abs(np.asarray(whole).astype(int) - np.asarray(quick).astype(int)).mean() < 6


@pytest.mark.parametrize("gravity", GRAVITIES)
@pytest.mark.parametrize("step", ["crop:40,40,{}", "resize:40,40,fill,{}", "thumbnail:40,40,fill,{}"])
def test_all_frames_are_cut_where_the_first_one_asks_for_it(step: str, gravity: str) -> None:
    first, second = with_patch((160, 40), (100, 0, 140, 40)), with_patch((160, 40), (0, 0, 40, 40))
    cut = operation(step.format(gravity))
    frames = cut.run(animation(first, second), Context()).frames
    assert same(frames[0], cut(first))
    assert not same(frames[1], cut(second))
    marked = second.copy()
    marked.paste((255, 255, 255), (100, 0, 140, 40))
    assert cut.run(animation(first, marked), Context()).frames[1].getpixel((20, 20)) == (255, 255, 255)


# thumbnail


@given(size=sizes, width=st.integers(1, 80), height=st.none() | st.integers(1, 80))
def test_a_thumbnail_fits_into_its_box_and_is_not_enlarged(
    size: tuple[int, int], width: int, height: int | None
) -> None:
    thumbnail = operation(f"thumbnail:{width}" + (f",{height}" if height else ""))
    small = thumbnail(Image.new("L", size)).size
    assert small == thumbnail.size_after(size)
    for side, before, box in zip(small, size, (width, height or width), strict=True):
        assert side <= min(before, box)
    assert size == small or small[0] == width or small[1] == (height or width)


@pytest.mark.parametrize(
    ("size", "expected"), [((400, 200), (60, 40)), ((30, 20), (30, 20)), ((50, 90), (50, 33)), ((60, 40), (60, 40))]
)
def test_a_filled_thumbnail_has_the_aspect_ratio_of_its_box(size: tuple[int, int], expected: tuple[int, int]) -> None:
    for text in ("thumbnail:60,40,fill", "resize:60,40,fill,enlarge=false"):
        assert operation(text).size_after(size) == expected
        assert operation(text)(picture("RGB", size)).size == expected


def test_a_thumbnail_lets_a_jpeg_be_read_in_less_than_full_size() -> None:
    thumbnail = operation("thumbnail:50")
    data = encoded(picture("RGB", (800, 400)), "JPEG")
    reduced = decode(data, Context().limits, enough=thumbnail.enough)
    assert reduced.size < (800, 400)
    assert thumbnail.run(reduced, Context()).size == (50, 25)
    assert operation("thumbnail:1000").enough((800, 400)) == (800, 400)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_not_scaled_is_only_cut(mode: str) -> None:
    image = picture(mode)
    assert same(operation("resize:31,24,fill")(image), image.crop((0, 0, 31, 24)))
    assert same(operation("thumbnail:100,100,fill,east")(image), image.crop((8, 0, 32, 24)))


def test_a_thumbnail_refuses_a_side_of_nothing() -> None:
    assert "width" in refused("thumbnail:0")
    assert "height" in refused("thumbnail:10,20000")
    assert "'fit' or 'fill'" in refused("thumbnail:10,10,exact")


# trim


@pytest.mark.parametrize("mode", MODES)
def test_trim_takes_away_what_pad_put_around(mode: str) -> None:
    image = flat(mode, (20, 10), 0)
    padded = operation("pad:sides=5:6:7:8,background=white")(image)
    trimmed = operation("trim")(padded)
    assert trimmed.size == (20, 10)
    assert same(trimmed, padded.crop((8, 5, 28, 15)))


@pytest.mark.parametrize("mode", MODES)
def test_trim_keeps_mode_and_palette(mode: str) -> None:
    image = picture(mode)
    image = image.point(lambda level: level * 257) if mode == "I" else image  # which is taken as 16 bits
    bordered = image.crop((0, 0, 40, 24))
    bordered.paste(bordered.crop((0, 0, 1, 1)).resize((8, 24)), (0, 0))
    trimmed = operation("trim:0")(bordered)
    assert trimmed.mode == mode
    assert trimmed.getpalette() == image.getpalette()
    assert trimmed.width <= 32


def test_the_threshold_says_how_alike_the_border_must_be() -> None:
    image = Image.new("L", (30, 30), 100)
    image.paste(110, (5, 5, 25, 25))
    image.paste(200, (10, 10, 20, 20))
    assert operation("trim")(image).size == (10, 10)
    assert operation("trim:9")(image).size == (20, 20)
    assert operation("trim:100")(image).size == (30, 30)


def test_the_border_may_have_a_given_colour() -> None:
    image = Image.new("RGB", (30, 30), "red")
    image.paste("blue", (5, 6, 25, 26))
    assert operation("trim:colour=red")(image).size == (20, 20)
    assert operation("trim:colour=blue")(image).size == (30, 30)
    grey = Image.new("L", (30, 30), 76)
    grey.paste(0, (5, 5, 25, 25))
    assert operation("trim:colour=4c0000")(grey).size == (30, 30)
    assert operation("trim:colour=4c4c4c")(grey).size == (20, 20)
    black = Image.new("L", (30, 30))
    black.paste(255, (5, 5, 25, 25))
    assert operation("trim:colour=00000000")(black).size == (30, 30)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_all_that_is_transparent_is_one_colour(mode: str) -> None:
    image = picture(mode, (30, 30))
    image.putalpha(0)
    inner = picture(mode.removesuffix("A"), (10, 12))
    image.paste(inner.convert(mode), (7, 9))
    for text in ("trim", "trim:colour=00000000"):
        assert same(operation(text)(image), inner.convert(mode))


@pytest.mark.parametrize("mode", MODES)
def test_an_image_that_is_all_border_stays_as_it_is(mode: str) -> None:
    image = picture(mode, (9, 9)).crop((0, 0, 1, 1)).resize((9, 9), Image.Resampling.NEAREST)
    assert same(operation("trim")(image), image)


def test_padding_keeps_as_much_of_the_border_as_there_is() -> None:
    image = Image.new("L", (30, 30))
    image.paste(255, (2, 10, 20, 20))
    assert same(operation("trim:padding=4")(image), image.crop((0, 6, 24, 24)))


def test_all_frames_are_trimmed_as_the_first() -> None:
    first, second = Image.new("L", (20, 20)), Image.new("L", (20, 20))
    first.paste(255, (4, 4, 8, 8))
    second.paste(255, (0, 0, 19, 19))
    frames = operation("trim").run(animation(first, second), Context()).frames
    assert [frame.size for frame in frames] == [(4, 4), (4, 4)]
    assert frames[1].getextrema() == (255, 255)


# pad


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("look", ["mode=mirror", "mode=edge", "mode=blur", "background=808080", "background=ff000080"])
def test_the_padded_image_is_kept_pixel_for_pixel(mode: str, look: str) -> None:
    image = picture(mode)
    pad = operation(f"pad:50,60,sides=3:9:1:40,{look}")
    padded = pad(image)
    assert padded.size == pad.size_after(image.size) == (81, 60)
    top = (60 - 28) // 2 + 3
    inner = padded.crop((40, top, 72, top + 24))
    assert same(inner, image if padded.mode == mode else suited(image, TONES).convert(padded.mode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("look", "as_numpy_calls_it"), [("mirror", "symmetric"), ("edge", "edge")])
def test_mirror_and_edge_repeat_pixels_in_every_mode(mode: str, look: str, as_numpy_calls_it: str) -> None:
    image = picture(mode, (5, 4))
    padded = operation(f"pad:sides=3:17:9:0,mode={look}")(image)
    assert (padded.mode, padded.getpalette()) == (mode, image.getpalette())
    margins = [(3, 9), (0, 17), (0, 0)][: np.asarray(image).ndim]
    assert np.array_equal(np.asarray(padded), np.pad(np.asarray(image), margins, mode=as_numpy_calls_it))  # type: ignore[call-overload]


def test_the_new_room_has_the_background_and_as_few_bands_as_it_needs() -> None:
    for mode, colour, result, pixel in [
        ("L", "808080", "L", 128),
        ("L", "ff0000", "RGB", (255, 0, 0)),
        ("L", "ff000000", "LA", (255, 0)),
        ("L", "ff000080", "RGBA", (255, 0, 0, 128)),
        ("RGB", "00000000", "RGBA", (0, 0, 0, 0)),
        ("RGBA", "0000ff", "RGBA", (0, 0, 255, 255)),
        ("P", "0000ff", "RGB", (0, 0, 255)),
        ("1", "ffffff", "L", 255),
        ("I;16", "808080", "I;16", 128 * 257),
        ("I;16", "0000ff", "RGB", (0, 0, 255)),
    ]:
        padded = operation(f"pad:sides=1,background={colour}")(picture(mode))
        assert (padded.mode, padded.getpixel((0, 0))) == (result, pixel), (mode, colour)


def test_an_image_that_is_large_enough_stays_as_it_is() -> None:
    image = picture("P")
    assert same(operation("pad:20,24")(image), image)
    assert same(operation("pad:aspect=4:3")(image), image)


@pytest.mark.parametrize(
    ("text", "size", "corner"),
    [
        ("pad:42,28,white", (42, 28), (5, 2)),
        ("pad:200p,100p,white", (64, 24), (16, 0)),
        ("pad:42,28,white,gravity=southeast", (42, 28), (10, 4)),
        ("pad:42,28,white,gravity=0:0.5", (42, 28), (0, 2)),
        ("pad:sides=1,background=white", (34, 26), (1, 1)),
        ("pad:sides=1:25p,background=white", (48, 26), (8, 1)),
        ("pad:sides=1:2:3:4,background=white", (38, 28), (4, 1)),
        ("pad:aspect=2:1,background=white,gravity=east", (48, 24), (16, 0)),
        ("pad:aspect=1:1,background=white", (32, 32), (0, 4)),
        ("pad:40,30,white,sides=0:0:0:2,aspect=2:1,gravity=west", (60, 30), (2, 3)),
    ],
)
def test_sides_size_and_aspect_say_how_much_room(text: str, size: tuple[int, int], corner: tuple[int, int]) -> None:
    padded = operation(text)(Image.new("L", (32, 24), 0))
    assert padded.size == size
    assert (255 - np.asarray(padded)).any()
    assert Image.fromarray(255 - np.asarray(padded)).getbbox() == (*corner, corner[0] + 32, corner[1] + 24)


def test_a_blurred_background_takes_its_colours_from_where_it_lies() -> None:
    image = Image.new("RGB", (60, 20), "red")
    image.paste("blue", (30, 0, 60, 20))
    padded = operation("pad:60,60,mode=blur")(image)
    assert padded.getpixel((5, 5)) == (255, 0, 0)
    assert padded.getpixel((55, 55)) == (0, 0, 255)
    flat = Image.new("RGBA", (60, 20), (10, 200, 30, 255))
    assert operation("pad:90,90,mode=blur")(flat).getextrema() == ((10, 10), (200, 200), (30, 30), (255, 255))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("pad", "give a width, a height, sides or an aspect"),
        ("pad:sides=1:2:3", "one length for all sides"),
        ("pad:sides=-1", "give pixels"),
        ("pad:10,10,white,mode=edge", "background is for mode colour"),
        ("pad:20000", "at most 16384 pixels"),
        ("pad:10,10,gravity=attention", "give one of center"),
    ],
)
def test_pad_refuses_what_means_nothing(text: str, sentence: str) -> None:
    assert sentence in refused(text)


# affine and perspective


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("text", ["affine:1:0:0:0:1:0", "perspective:0:0:1:0:1:1:0:1"])
def test_the_identity_changes_nothing(text: str, mode: str) -> None:
    image = picture(mode)
    if mode in {"LA", "RGBA"}:  # through premultiplied colours, as transparency lends none to neighbours
        image.putalpha(255)
    assert same(operation(text)(image), image)


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_mirrors_and_quarter_turns_are_exact(mode: str) -> None:
    image = picture(mode)
    square = picture(mode, (16, 16))
    assert same(operation("affine:-1:0:0:0:1:0")(image), operation("flop")(image))
    assert same(operation("affine:1:0:0:0:-1:0")(image), operation("flip")(image))
    assert same(operation("affine:0:-1:0:1:0:0")(square), operation("rotate:90")(square))
    assert same(operation("perspective:0:1:0:0:1:0:1:1")(image), operation("rotate:90")(image))
    assert same(operation("perspective:1:0:0:0:0:1:1:1")(image), operation("flop")(image))


def test_a_shift_moves_right_and_down_and_leaves_the_background() -> None:
    image = picture("RGB")
    moved = operation("affine:1:0:5:0:1:3,ff0000")(image)
    assert (moved.mode, moved.size) == ("RGB", image.size)
    assert np.array_equal(np.asarray(moved)[4:, 6:], np.asarray(image)[1:-3, 1:-5])
    assert (np.asarray(moved)[:2] == (255, 0, 0)).all()
    transparent = operation("affine:1:0:5:0:1:3")(picture("L"))
    assert transparent.mode == "LA"
    assert not np.asarray(transparent.getchannel("A"))[:2].any()


def test_a_part_of_the_image_fills_the_result() -> None:
    image = picture("RGB", (40, 40)).resize((40, 40))
    image.paste("green", (10, 20, 30, 40))
    part = operation("perspective:0.25:0.5:0.75:0.5:0.75:1:0.25:1")(image)
    assert (part.mode, part.size) == ("RGB", (20, 20))
    assert (np.asarray(part)[1:-1, 1:-1] == (0, 128, 0)).all()


def test_each_point_goes_to_its_corner() -> None:
    image = Image.new("RGB", (200, 100))
    colours = ["red", "lime", "blue", "white"]
    corners = [(0.3, 0.2), (0.8, 0.1), (0.9, 0.95), (0.05, 0.7)]
    for (x, y), colour in zip(corners, colours, strict=True):
        ImageDraw.Draw(image).ellipse((x * 200 - 9, y * 100 - 9, x * 200 + 9, y * 100 + 9), fill=colour)
    text = ":".join(f"{one}" for corner in corners for one in corner)
    flat = operation(f"perspective:{text},80,60")(image)
    assert flat.size == (80, 60)
    found = [flat.getpixel(corner) for corner in ((0, 0), (79, 0), (79, 59), (0, 59))]
    assert found == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]


def test_straight_lines_stay_straight_and_meet_where_they_should() -> None:
    image = Image.new("L", (200, 200))
    quadrilateral = [(0.1, 0.2), (0.8, 0.1), (0.9, 0.9), (0.2, 0.7)]
    points = [(x * 200, y * 200) for x, y in quadrilateral]
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = points
    across, down = (cx - ax, cy - ay), (dx - bx, dy - by)
    along = ((bx - ax) * down[1] - (by - ay) * down[0]) / (across[0] * down[1] - across[1] * down[0])
    crossing = (ax + along * across[0], ay + along * across[1])
    ImageDraw.Draw(image).ellipse([crossing[0] - 3, crossing[1] - 3, crossing[0] + 3, crossing[1] + 3], fill=255)
    flat = operation(f"perspective:{':'.join(str(one) for point in quadrilateral for one in point)},100,100")(image)
    rows, columns = np.nonzero(np.asarray(flat) > 128)
    assert (columns.mean(), rows.mean()) == pytest.approx((49.5, 49.5), abs=1.5)


@pytest.mark.parametrize(
    ("arguments", "size"),
    [("", (161, 82)), (",40", (40, 20)), (",height=40", (78, 40)), (",40,90", (40, 90))],
)
def test_the_size_follows_from_the_points_or_is_given(arguments: str, size: tuple[int, int]) -> None:
    image = Image.new("L", (200, 100))
    for corners in ("0.1:0.1:0.9:0.3:0.9:0.9:0.2:0.9", "0.9:0.9:0.2:0.9:0.1:0.1:0.9:0.3"):  # and turned by a half
        perspective = operation(f"perspective:{corners}{arguments}")
        assert perspective(image).size == perspective.size_after(image.size) == size


@pytest.mark.parametrize("text", ["affine:0.1:0:0:0:0.1:0,808080", "perspective:0:0:1:0:1:1:0:1,16,12"])
def test_what_becomes_much_smaller_is_averaged_first(text: str) -> None:
    checkers = Image.fromarray((np.indices((120, 160)).sum(axis=0) % 2 * 255).astype(np.uint8))
    levels = np.asarray(operation(text)(checkers)).astype(int)
    assert np.abs(levels - 128).max() <= 2


@pytest.mark.parametrize("text", ["affine:0.7:-0.4:0:0.4:0.7:0", "perspective:-0.2:0:1:0:1:1.3:0:1"])
def test_edges_are_smooth_and_what_is_transparent_lends_no_colour(text: str) -> None:
    image = Image.new("RGBA", (60, 60), (255, 0, 0, 255))
    image.paste((0, 255, 0, 0), (20, 20, 40, 40))
    red, green, _, alpha = operation(text)(image).split()
    seen = np.asarray(alpha) > 8
    assert np.asarray(green)[seen].max() == 0
    assert np.asarray(red)[seen].min() == 255
    assert len(np.unique(np.asarray(alpha))) > 10


def test_deep_grey_stays_deep_where_nothing_beside_it_is_seen() -> None:
    levels = np.linspace(20_000, 40_000, 64, dtype=np.uint16)
    image = Image.fromarray(np.tile(levels, (64, 1)))
    enlarged = operation("affine:2:0:0:0:2:0")(image)
    assert enlarged.mode == "I;16"
    assert len(np.unique(np.asarray(enlarged))) > 40
    assert np.asarray(enlarged).min() > 20_000
    assert operation("affine:0.5:0:0:0:0.5:0,black")(image).mode == "L"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("affine:1:0:0:0:1", "give six numbers"),
        ("affine:1:2:0:2:4:0", "singular"),
        ("affine:0:0:0:0:0:0", "singular"),
        ("affine:1000:0:0:0:1:0", "100 at most"),
        ("affine:1:0:99999:0:1:0", "16384 at most"),
        ("affine:1:0:nan:0:1:0", "finite number"),
        ("perspective:0:0:1:0", "give eight numbers"),
        ("perspective:0:0:1:0:1:1:0:5", "from -1 to 2"),
        ("perspective:0:0:1:1:1:0:0:1", "convex quadrilateral"),
        ("perspective:0:0:1:0:0.2:0.2:0:1", "convex quadrilateral"),
        ("perspective:0:0:0.5:0:1:0:0:1", "convex quadrilateral"),
        ("perspective:0:0:0:0:0:0:0:0", "convex quadrilateral"),
    ],
)
def test_what_cannot_be_undone_is_refused(text: str, sentence: str) -> None:
    assert sentence in refused(text)


@given(size=sizes, matrix=st.lists(st.floats(-100, 100).map(lambda one: round(one, 2)), min_size=6, max_size=6))
def test_any_matrix_that_is_not_refused_gives_an_image_of_the_same_size(
    size: tuple[int, int], matrix: list[float]
) -> None:
    try:
        (affine,) = BUILT_IN.from_json([{"op": "affine", "matrix": matrix}]).operations
    except BadArgumentError as error:
        assert "singular" in str(error)
        return
    assert affine(Image.new("RGB", size)).size == size


@given(size=sizes, corners=st.lists(st.integers(-20, 40).map(lambda one: one / 20), min_size=8, max_size=8))
def test_any_corners_that_are_not_refused_give_an_image_of_the_size_foretold(
    size: tuple[int, int], corners: list[float]
) -> None:
    try:
        (perspective,) = BUILT_IN.from_json([{"op": "perspective", "corners": corners}]).operations
    except BadArgumentError as error:
        assert "convex" in str(error)
        return
    assert perspective(Image.new("RGB", size)).size == perspective.size_after(size)


# frame


def test_one_frame_is_picked_from_either_end() -> None:
    frames = [Image.new("L", (3, 2), level) for level in (10, 20, 30)]
    for text, level in [("frame", 10), ("frame:0", 10), ("frame:2", 30), ("frame:-1", 30), ("frame:-3", 10)]:
        picked = operation(text).run(animation(*frames), Context())
        assert not picked.animated
        assert (picked.frames[0].getpixel((0, 0)), picked.durations_ms, picked.loop) == (level, (0,), None)


@pytest.mark.parametrize("number", [3, -4])
def test_a_frame_beyond_the_end_is_an_error_that_says_so(number: int) -> None:
    frames = [Image.new("L", (3, 2), level) for level in (10, 20, 30)]
    with pytest.raises(FrameNotFoundError, match=f"has 3 frames; there is no frame {number}"):
        operation(f"frame:{number}").run(animation(*frames), Context())


def test_a_still_output_of_a_later_frame_needs_all_of_them() -> None:
    assert BUILT_IN.parse("frame:2/convert:jpeg").reading.frames is None
    assert BUILT_IN.parse("flip/convert:jpeg").reading.frames == 1
    frames = [Image.new("L", (3, 2), level) for level in (10, 20, 30)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    pipeline = BUILT_IN.parse("frame:1/convert:png")
    result = pipeline.run(decode(data, Context().limits, pipeline.reading), Context())
    assert decode(result.data, Context().limits).frames[0].convert("L").getpixel((0, 0)) == 20


def test_any_angle_is_drawn_without_rims_and_fits_its_box(*, write_goldens: bool) -> None:
    assert_golden("rotate-angle", processed("rotate:30,navy"), write=write_goldens)
    white = Image.new("RGB", (60, 40), "white")
    turned = processed("rotate:30", white)
    assert turned.mode == "RGBA"
    assert turned.size == BUILT_IN.parse("rotate:30").operations[0].size_after(white.size)
    pixels = np.asarray(turned)
    assert pixels[pixels[..., 3] > 0][:, :3].min() >= 254
    assert pixels[turned.height // 2, turned.width // 2, 3] == 255
