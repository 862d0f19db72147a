from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from goldens import assert_golden, processed
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import BLENDS, HEART, PLACES, Levels, animation, array, inked, inline, plain
from pictures import encoded, picture
from PIL import Image

from imgray.catalogue import BUILT_IN
from imgray.errors import (
    BadArgumentError,
    OutOfMemoryError,
    OverlayError,
    PathNotAllowedError,
)
from imgray.operations import Context, Overlay
from imgray.operations.arguments import corner_of
from imgray.picture import Picture


@pytest.mark.parametrize(
    ("place", "corner"),
    [("northwest", (2, 3)), ("southeast", (33, 23)), ("east", (33, 13)), ("center", (18, 13)), ("0.9:0.5", (32, 13))],
)
def test_an_overlay_comes_to_its_place_with_its_margins(place: str, corner: tuple[int, int]) -> None:
    mark = picture("RGB", (5, 4))
    expected = plain("navy")
    expected.paste(mark, corner)
    assert Overlay(source=inline(mark), position=place, x=2, y=3)(plain("navy")) == expected


def test_an_overlay_is_read_once_by_the_contexts_rules() -> None:
    asked: list[str] = []

    def read(path: str) -> bytes:
        asked.append(path)
        return encoded(plain("red", (5, 4)))

    run = Overlay(source="/logos/mark.png").run(animation(plain("navy"), plain("green")), Context(read=read))
    assert asked == ["/logos/mark.png"]
    assert [frame.getpixel((20, 15)) for frame in run.frames] == [(255, 0, 0)] * 2


def test_a_path_is_refused_where_nothing_may_be_read() -> None:
    with pytest.raises(PathNotAllowedError, match=r"/logos/mark\.png"):
        Overlay(source="/logos/mark.png")(picture())


def test_a_relative_path_is_taken_from_the_callers_folder() -> None:
    sources = ["logos/mark.png", "/logos/mark.png", HEART]
    anchored = [Overlay(source=source).anchored(Path("/home")).source for source in sources]
    assert anchored == ["/home/logos/mark.png", "/logos/mark.png", HEART]


def test_what_cannot_be_decoded_is_named() -> None:
    with pytest.raises(OverlayError) as caught:
        Overlay(source="/mark.png").run(Picture.of(picture()), Context(read=lambda _: b""))
    assert str(caught.value) == "The overlay '/mark.png': The image is empty: 0 bytes were sent."
    assert caught.value.status == 422
    with pytest.raises(OverlayError, match=r"^The overlay 'data:text/plain;base64,SGVsbG8gSGVsbG8gS…': The content"):
        Overlay(source="data:text/plain;base64," + base64.b64encode(b"Hello " * 9).decode())(picture())


def test_running_out_of_memory_is_not_blamed_on_the_overlay(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object) -> None:
        raise OutOfMemoryError

    monkeypatch.setattr("imgray.operations.overlay.decode", decode)
    with pytest.raises(OutOfMemoryError):
        Overlay(source=HEART)(picture())


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("https://example.org/mark.png", "URLs are not fetched"),
        ("data:image/png,abc", "data URL in base64"),
        ("data:image/png;base64,!!!!", "data URL in base64"),
        ("a\\u0000b.png", "control characters"),
        ("", "at least 1 character"),
    ],
)
def test_a_source_that_cannot_be_read_is_refused_at_once(source: str, words: str) -> None:
    with pytest.raises(BadArgumentError, match=words):
        BUILT_IN.parse(f'overlay:"{source}"')


def test_an_overlay_keeps_its_aspect_ratio_and_is_scaled_to_the_picture() -> None:
    for width in ("50p", "20"):
        shown = inked(Overlay(source=inline(plain("red", (10, 5))), width=width)(plain("navy")), plain("navy"))
        assert (shown[2] - shown[0], shown[3] - shown[1]) == (20, 10)


@given(place=st.sampled_from(PLACES), width=st.integers(1, 300), margin=st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_what_sticks_out_of_the_picture_is_as_if_it_had_been_cropped(place: str, width: int, margin: int) -> None:
    mark, ground = picture("RGB", (12, 9)), plain("navy")
    height = max(round(9 * width / 12), 1)
    kernel = Image.Resampling.LANCZOS if width < 12 else Image.Resampling.BICUBIC
    left, top = corner_of(place, (40 - 2 * margin, 30), (width, height))
    expected = ground.copy()
    expected.paste(mark.resize((width, height), kernel), (left + margin, top))
    shown = Overlay(source=inline(mark), position=place, x=margin, width=width)(ground)
    assert np.abs(array(shown) - array(expected)).max() <= 3  # weights are rounded


@given(
    place=st.sampled_from(PLACES),
    mark=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    gaps=st.tuples(st.integers(0, 50), st.integers(0, 50)),
)
@settings(max_examples=100, deadline=None)
def test_tiles_repeat_in_even_steps(
    place: str, mark: tuple[int, int], size: tuple[int, int], gaps: tuple[int, int]
) -> None:
    cell = plain("navy", (mark[0] + gaps[0], mark[1] + gaps[1]))
    tile = picture("RGB", mark)
    cell.paste(tile, (0, 0))
    left, top = corner_of(place, size, mark)
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    expected = array(cell)[(rows - top) % cell.height, (columns - left) % cell.width]
    tiled = Overlay(source=inline(tile), position=place, x=gaps[0], y=gaps[1], tile=True)(plain("navy", size))
    assert np.array_equal(array(tiled), expected)


def test_a_tile_far_larger_than_the_picture_is_not_drawn_whole() -> None:
    tiled = Overlay(source=HEART, width="1000p", tile=True, y="1000p")(plain("navy", (900, 2)))
    assert tiled.size == (900, 2)


def hard_light(below: Levels, above: Levels) -> Levels:
    return np.where(above <= 0.5, below * 2 * above, below + (2 * above - 1) - below * (2 * above - 1))


def soft_light(below: Levels, above: Levels) -> Levels:
    lighter = np.where(below <= 0.25, ((16 * below - 12) * below + 4) * below, np.sqrt(below))
    darkened = below - (1 - 2 * above) * below * (1 - below)
    return np.where(above <= 0.5, darkened, below + (2 * above - 1) * (lighter - below))


FORMULAS: dict[str, Callable[[Levels, Levels], Levels]] = {
    "normal": lambda _, above: above,
    "multiply": lambda below, above: below * above,
    "screen": lambda below, above: below + above - below * above,
    "overlay": lambda below, above: hard_light(above, below),
    "darken": np.minimum,
    "lighten": np.maximum,
    "add": lambda below, above: np.minimum(below + above, 1),
    "subtract": lambda below, above: np.maximum(below - above, 0),
    "difference": lambda below, above: np.abs(below - above),
    "soft-light": soft_light,
    "hard-light": hard_light,
}


@pytest.mark.parametrize("blend", BLENDS)
def test_colours_and_alpha_mix_by_the_formulas_of_w3c(blend: str) -> None:
    below_image, above_image = picture("RGBA", (30, 30), 1), picture("RGBA", (30, 30), 2)
    context = Context(read=lambda _: encoded(above_image))
    run = Overlay(source="/above.png", blend=blend).run(Picture.of(below_image), context)
    mixed = array(run.frames[0]) / 255
    below, above = array(below_image) / 255, array(above_image) / 255
    alpha_below, alpha_above = below[..., 3:], above[..., 3:]
    # Compositing and Blending Level 1, sections 5.1 and 10: blend where there is a backdrop, then source-over.
    blended = (1 - alpha_below) * above[..., :3] + alpha_below * FORMULAS[blend](below[..., :3], above[..., :3])
    premultiplied = alpha_above * blended + alpha_below * below[..., :3] * (1 - alpha_above)
    alpha = alpha_above + alpha_below * (1 - alpha_above)
    assert np.abs(mixed[..., 3:] - alpha).max() <= 1.01 / 255
    assert np.abs(mixed[..., :3] * mixed[..., 3:] - premultiplied).max() <= 2.01 / 255


@pytest.mark.parametrize("blend", BLENDS)
def test_a_blend_on_what_is_transparent_is_the_overlay_itself(blend: str) -> None:
    ground = plain((0, 0, 0, 0), mode="RGBA")
    red = Overlay(source=inline(plain((200, 100, 50, 128), (5, 5), "RGBA")), blend=blend)(ground)
    assert red.getpixel((20, 15)) == (200, 100, 50, 128)
    assert red.getpixel((0, 0)) == (0, 0, 0, 0)


def test_opacity_fades_the_overlay() -> None:
    white = inline(plain("white", (40, 30)))
    assert Overlay(source=white, opacity=0.5)(plain("black")).getextrema() == ((128, 128),) * 3
    assert Overlay(source=white, opacity=0)(picture()) == picture()


def test_an_overlay_beyond_the_edge_leaves_the_picture_as_it_is() -> None:
    ground = picture()
    assert Overlay(source=HEART, position="northwest", x=500)(ground) == ground


def test_tiles_and_a_soft_light_look_right(*, write_goldens: bool) -> None:
    tiles = processed(f'overlay:"{HEART}",x=4,y=6,width=14,tile=true,opacity=0.6')
    assert_golden("overlay-tile", tiles, write=write_goldens)
    light = processed(f'overlay:"{HEART}",width=80p,blend=soft-light')
    assert_golden("overlay-soft-light", light, write=write_goldens)
