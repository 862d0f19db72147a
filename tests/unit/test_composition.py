from __future__ import annotations

import math

import pytest
from goldens import scene
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import HEART, ON_EVERY_FRAME, animation, array, inked, inline, plain
from pictures import picture
from PIL import Image

from imgray.catalogue import BUILT_IN
from imgray.errors import (
    BadArgumentError,
)
from imgray.operations import Border, Circle, Context, Operation, Overlay, Round, Shadow, Text


@pytest.mark.parametrize("operation", ON_EVERY_FRAME, ids=lambda operation: operation.name)
def test_every_frame_of_an_animation_is_treated_alike(operation: Operation) -> None:
    frames = [picture(seed=seed) for seed in (1, 2)]
    together = operation.run(animation(*frames), Context()).frames
    assert [array(one).tolist() for one in together] == [array(operation(one)).tolist() for one in frames]


@pytest.mark.parametrize("operation", ON_EVERY_FRAME, ids=lambda operation: operation.name)
@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_stays_grey_where_nothing_coloured_is_added(operation: Operation, mode: str) -> None:
    if isinstance(operation, Overlay):
        operation = Overlay(source=inline(picture("LA", (5, 5))))
    assert operation(picture(mode)).mode in {"L", "LA"}


@pytest.mark.parametrize(
    "operation",
    [
        Overlay(source=HEART),
        Text(content="Hello", colour="red"),
        Text(content="Hello", stroke=1, stroke_colour="red"),
        Border(colour="red"),
        Shadow(colour="red"),
    ],
)
@pytest.mark.parametrize(("mode", "expected"), [("L", {"RGB", "RGBA"}), ("LA", {"RGBA"})])
def test_grey_becomes_coloured_where_colour_is_added(operation: Operation, mode: str, expected: set[str]) -> None:
    assert operation(picture(mode)).mode in expected


def test_a_border_surrounds_the_image() -> None:
    image = picture("RGB", (5, 4))
    framed = Border(width=2, colour="ff8800")(image)
    assert framed.size == (9, 8)
    assert framed.crop((2, 2, 7, 6)) == image
    framed.paste((255, 136, 0), (2, 2, 7, 6))
    assert framed == plain((255, 136, 0), (9, 8))


def test_a_percentage_of_border_is_of_the_shorter_side() -> None:
    assert Border(width="10p")(plain("red", (40, 20))).size == (44, 24)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_no_border_is_the_image(mode: str) -> None:
    assert Border(width=0)(picture(mode)) == picture(mode)


@pytest.mark.parametrize(
    ("mode", "colour", "expected", "pixel"),
    [
        ("I;16", "808080", "I;16", 128 * 257),
        ("I;16", "red", "RGB", (255, 0, 0)),
        ("L", "808080", "L", 128),
        ("L", "80808040", "LA", (128, 64)),
        ("L", "ff000040", "RGBA", (255, 0, 0, 64)),
        ("RGB", "ff000040", "RGBA", (255, 0, 0, 64)),
        ("LA", "808080", "LA", (128, 255)),
    ],
)
def test_a_border_takes_the_mode_that_holds_image_and_colour(
    mode: str, colour: str, expected: str, pixel: object
) -> None:
    framed = Border(width=1, colour=colour)(picture(mode))
    assert (framed.mode, framed.getpixel((0, 0))) == (expected, pixel)


def test_what_is_transparent_inside_a_border_stays_so() -> None:
    image = picture("RGBA")
    assert Border(width=3, colour="red")(image).crop((3, 3, 35, 27)) == image


@given(size=st.tuples(st.integers(1, 60), st.integers(1, 60)), radius=st.integers(0, 40))
@settings(deadline=None)
def test_round_corners_have_the_area_of_a_disc_and_are_symmetrical(size: tuple[int, int], radius: int) -> None:
    alpha = Round(radius=radius)(plain((1, 2, 3, 255), size, "RGBA")).getchannel("A")
    effective = min(radius, min(size) / 2)
    missing = (255 - array(alpha)).sum() / 255
    assert missing == pytest.approx((4 - math.pi) * effective**2, abs=0.12 * effective + 0.2)
    assert alpha == alpha.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert alpha == alpha.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


def test_no_radius_is_the_image() -> None:
    assert Round(radius=0)(picture()) == picture()


def test_a_radius_too_large_is_the_largest() -> None:
    assert Round(radius=16_000)(picture()) == Round(radius="50p")(picture())


@pytest.mark.parametrize(("mode", "expected"), [("L", "LA"), ("LA", "LA"), ("RGB", "RGBA"), ("RGBA", "RGBA")])
def test_corners_fade_and_the_rest_stays(mode: str, expected: str) -> None:
    image = picture(mode)
    cut = Round(radius=8)(image)
    assert cut.mode == expected
    assert array(cut)[0, 0, -1] == 0
    assert cut.crop((8, 0, 24, 24)) == image.convert(expected).crop((8, 0, 24, 24))
    assert (array(cut)[..., -1] <= array(image.convert(expected))[..., -1]).all()


@given(size=st.tuples(st.integers(1, 60), st.integers(1, 60)))
@settings(deadline=None)
def test_a_circle_fills_the_middle_square(size: tuple[int, int]) -> None:
    cut = Circle()(plain("red", size))
    side = min(size)
    assert cut.size == (side, side)
    assert array(cut)[..., 3].sum() / 255 == pytest.approx(math.pi * side**2 / 4, abs=0.06 * side + 0.2)
    assert cut == cut.transpose(Image.Transpose.TRANSPOSE)


def test_a_circle_shows_the_middle() -> None:
    image = plain("red", (30, 10))
    image.paste("blue", (10, 0, 20, 10))
    assert Circle()(image).convert("RGB") == plain("blue", (10, 10))


def test_a_crisp_shadow_is_the_shape_itself_moved() -> None:
    image = plain("red", (4, 3))
    thrown = Shadow(x=3, y=-2, blur=0, colour="00000080")(image)
    expected = plain((0, 0, 0, 0), (7, 5), "RGBA")
    expected.paste((0, 0, 0, 128), (3, 0, 7, 3))
    expected.paste("red", (0, 2, 4, 5))
    assert thrown == expected


@given(
    x=st.integers(-60, 60),
    y=st.integers(-60, 60),
    blur=st.floats(0, 30),
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
@settings(deadline=None, max_examples=60)
def test_a_shadow_is_whole_and_the_image_lies_on_it(x: int, y: int, blur: float, size: tuple[int, int]) -> None:
    image = picture("RGB", size)
    shadow = Shadow(x=x, y=y, blur=blur, colour="000000")
    thrown = shadow(image)
    assert thrown.size == shadow.size_after(size)
    reach = math.ceil(3 * (blur / 2))
    left, top = max(reach - x, 0), max(reach - y, 0)
    assert thrown.crop((left, top, left + size[0], top + size[1])).convert("RGB") == image
    if abs(x) >= size[0] + reach or abs(y) >= size[1] + reach:  # image and shadow do not overlap: its alpha adds up
        expected = size[0] * size[1] * 255
        total = array(thrown)[..., 3].sum() - expected
        assert total == pytest.approx(expected, abs=0.5 * thrown.width * thrown.height + 1)


def test_a_blurred_shadow_ends_before_the_canvas_does() -> None:
    for blur in (1, 8, 50, 250):
        alpha = array(Shadow(x=0, y=0, blur=blur, colour="000000")(plain("red", (300, 300))))[..., 3]
        assert max(alpha[0].max(), alpha[-1].max(), alpha[:, 0].max(), alpha[:, -1].max()) <= 2


def test_a_shadow_has_the_shape_of_what_is_not_transparent() -> None:
    image = plain((0, 0, 0, 0), (20, 20), "RGBA")
    image.paste((0, 255, 0, 128), (5, 5, 10, 10))
    thrown = Shadow(x=10, y=0, blur=0, colour="0000ff80")(image)
    expected = plain((0, 0, 255, 0), (30, 20), "RGBA")
    expected.paste((0, 0, 255, 64), (15, 5, 20, 10))
    expected.paste((0, 255, 0, 128), (5, 5, 10, 10))
    assert inked(thrown.getchannel("A"), plain(0, (30, 20), "L")) == (5, 5, 20, 10)
    assert thrown.getpixel((17, 7)) == (0, 0, 255, 64)
    assert thrown.getpixel((7, 7)) == (0, 255, 0, 128)


def test_a_shadow_shines_through_what_is_half_transparent() -> None:
    glass = plain((255, 255, 255, 128), (20, 20), "RGBA")
    thrown = Shadow(x=0, y=0, blur=0, colour="000000")(glass)
    red, _, _, alpha = array(thrown)[10, 10].tolist()
    assert alpha == pytest.approx(192, abs=1)  # 128 over 128
    assert red == pytest.approx(255 * 128 / 192, abs=2)


@pytest.mark.parametrize(
    ("pipeline", "words"),
    [
        ("shadow:1001", "less than or equal to 1000"),
        ("shadow:blur=251", "less than or equal to 250"),
        ("border:1001p", "at most 1000 percent"),
        ("round", "radius: field required"),
        ("text:a,stroke=101", "less than or equal to 100"),
        ("text:a,size=nan", "give pixels"),
        ("overlay:a.png,opacity=1.5", "less than or equal to 1"),
        ("overlay:a.png,blend=hue", "'soft-light'"),
    ],
)
def test_arguments_out_of_bounds_are_refused(pipeline: str, words: str) -> None:
    with pytest.raises(BadArgumentError, match=words):
        BUILT_IN.parse(pipeline)


def test_the_scene_is_left_alone() -> None:
    before = scene().tobytes()
    for operation in ON_EVERY_FRAME:
        operation(scene())
    assert scene().tobytes() == before
