from __future__ import annotations

import numpy as np
import pytest
from goldens import assert_golden, processed
from hypothesis import given
from hypothesis import strategies as st
from pictures import encoded, picture
from PIL import Image
from shapes import (
    MODES,
    VARIANTS,
    animation,
    operation,
    refused,
    same,
    sizes,
)

from imgray.catalogue import BUILT_IN
from imgray.codec import decode
from imgray.errors import FrameNotFoundError
from imgray.operations import Context


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
