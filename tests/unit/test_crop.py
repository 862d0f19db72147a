from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import encoded, picture
from PIL import Image, ImageDraw
from shapes import (
    GRAVITIES,
    MODES,
    animation,
    aspects,
    flat,
    lengths,
    operation,
    refused,
    same,
    sides,
    sizes,
    with_patch,
)

from imgray.catalogue import BUILT_IN
from imgray.codec import decode
from imgray.operations import Context
from imgray.operations.saliency import focus


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
