from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import picture
from PIL import Image, ImageDraw
from shapes import (
    operation,
    refused,
    same,
    sizes,
)

from imgray.catalogue import BUILT_IN
from imgray.errors import BadArgumentError


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
