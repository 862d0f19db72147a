from __future__ import annotations

import importlib.resources
from pathlib import Path

import numpy as np
import pytest
from goldens import assert_golden, processed
from hypothesis import given
from hypothesis import strategies as st
from layers import array, inked, plain
from pictures import picture
from PIL import Image

from imgray.catalogue import BUILT_IN
from imgray.errors import (
    BadArgumentError,
    FontNotFoundError,
    ImgrayError,
)
from imgray.operations import Text


@pytest.mark.parametrize(
    ("place", "half"),
    [("northwest", (0, 0, 60, 45)), ("southeast", (60, 45, 120, 90)), ("0.75:0.25", (60, 0, 120, 45))],
)
def test_text_comes_to_its_place(place: str, half: tuple[int, int, int, int]) -> None:
    ground = plain("white", (120, 90))
    left, top, right, bottom = inked(Text(content="Hi", position=place)(ground), ground)
    assert half[0] <= left < right <= half[2]
    assert half[1] <= top < bottom <= half[3]


def test_margins_move_text_away_from_the_edges() -> None:
    ground = plain("white", (120, 90))
    near, far = (inked(Text(content="Hi", position="southeast", x=x, y=x)(ground), ground) for x in (0, "10p"))
    assert (near[0] - far[0], near[1] - far[1]) == (12, 9)


def test_the_size_is_in_pixels_or_a_part_of_the_height() -> None:
    ground = plain("white", (400, 300))
    heights = []
    for size in ("30", "10p", "60"):
        shown = inked(Text(content="H", size=size)(ground), ground)
        heights.append(shown[3] - shown[1])
    assert heights[0] == heights[1]
    assert heights[2] == pytest.approx(2 * heights[0], abs=2)


@pytest.mark.parametrize("content", ["one two three four five", "Supercalifragilistic", "ab " * 20])
@pytest.mark.parametrize("wrap", ["100", "60p"])
def test_lines_are_broken_at_the_width(content: str, wrap: str) -> None:
    ground = plain("white", (200, 400))
    left, top, right, bottom = inked(Text(content=content, wrap=wrap)(ground), ground)
    assert right - left <= {"100": 100, "60p": 120}[wrap]
    assert bottom - top > 30  # more than one line of 24 pixels


def test_lines_are_broken_where_the_picture_ends_and_nothing_is_lost() -> None:
    narrow = plain("white", (70, 400))
    free = plain("white", (1000, 400))
    black = [
        (255 - array(Text(content="one two three", position="northwest")(ground))).sum() for ground in (narrow, free)
    ]
    assert black[0] == pytest.approx(black[1], rel=0.02)  # where a line begins, letters fall on pixels otherwise


def test_a_newline_begins_a_line_and_align_says_where() -> None:
    ground = plain("white", (120, 90))
    lines = {
        align: Text(content="wide line\ni", position="northwest", align=align, size=20)(ground)
        for align in ("left", "center", "right")
    }
    second = {
        align: inked(image.crop((0, 23, 120, 50)), ground.crop((0, 23, 120, 50))) for align, image in lines.items()
    }
    first = inked(lines["left"].crop((0, 0, 120, 20)), ground.crop((0, 0, 120, 20)))
    assert second["left"][2] < first[2] / 2
    assert first[2] - second["right"][2] <= 3
    assert abs((second["center"][0] + second["center"][2]) / 2 - first[2] / 2) <= 2


def test_letters_with_marks_are_not_torn_apart() -> None:
    ground = plain("white", (30, 400))
    torn = Text(content="e\u0301" * 8, position="north", wrap=1)(ground)
    whole = Text(content="\u00e9" * 8, position="north", wrap=1)(ground)
    assert torn == whole


@pytest.mark.parametrize(
    "content",
    [
        "Ελληνικά",
        "Кириллица",
        "العربية עברית",
        "Հայերեն ქართული",
        "Čeština ŁÓDŹ",
        "€ ½ → ★",
        "e\u0301 \u200b\u00ad",
        "\n",
        "\r\n\t.",
    ],
)
def test_the_shipped_font_has_what_is_common(content: str) -> None:
    assert Text(content=content)(plain("white")).size == (40, 30)


def test_a_character_that_the_font_lacks_is_named() -> None:
    with pytest.raises(BadArgumentError, match=r"the font 'DejaVuSans\.ttf' has no '漢' \(U\+6F22\); name one"):
        Text(content="a漢")(picture())


def test_a_font_is_found_where_the_system_keeps_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "fonts/truetype").mkdir(parents=True)
    shipped = importlib.resources.files("imgray") / "fonts/DejaVuSans.ttf"
    (tmp_path / "fonts/truetype/Found.ttf").write_bytes(shipped.read_bytes())
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert Text(content="Hi", font="Found.ttf")(picture()) == Text(content="Hi")(picture())


def test_a_font_that_is_not_installed_is_an_error_even_if_a_file_lies_about(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shipped = importlib.resources.files("imgray") / "fonts/DejaVuSans.ttf"
    (tmp_path / "Stray.ttf").write_bytes(shipped.read_bytes())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FontNotFoundError, match=r"^Font 'Stray\.ttf' cannot be used where the work is done") as caught:
        Text(content="Hi", font="Stray.ttf")(picture())
    assert caught.value.status == 400


@pytest.mark.parametrize("font", ["/etc/passwd", "../a.ttf", ".hidden.ttf", "a\\\\b.ttf", "a\\u0000.ttf"])
def test_a_font_is_a_name_and_no_path(font: str) -> None:
    with pytest.raises(BadArgumentError, match="give the name of a font's file"):
        BUILT_IN.parse(f'text:a,font="{font}"')


def test_the_shipped_font_has_its_whole_licence_beside_it() -> None:
    licence = (importlib.resources.files("imgray") / "fonts/LICENSE").read_text()
    assert "Copyright (c) 2003 by Bitstream, Inc." in licence
    assert "Copyright (c) 2006 by Tavmjong Bah." in licence


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "at least 1 character"),
        ("a" * 1001, "at most 1000 characters"),
        ("a\\u0007", "control characters"),
        ("a" + "\u0301" * 31, "combining marks"),
    ],
)
def test_content_that_cannot_be_set_is_refused(content: str, words: str) -> None:
    with pytest.raises(BadArgumentError, match=words):
        BUILT_IN.parse(f'text:"{content}"')


@given(content=st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=40))
def test_any_text_stands_in_a_pipeline_and_is_drawn_or_refused_by_name(content: str) -> None:
    text = Text(content=content, size=8)
    (again,) = BUILT_IN.parse(str(BUILT_IN.take(text))).operations
    assert again == text
    try:
        assert text(plain("white")).size == (40, 30)
    except ImgrayError as error:
        assert isinstance(error, BadArgumentError)


@pytest.mark.parametrize("stroke", [0, 2])
def test_text_on_nothing_has_only_its_own_colours(stroke: int) -> None:
    ground = plain((0, 0, 0, 0), (120, 90), "RGBA")
    shown = array(Text(content="Hello", colour="ff000080", stroke=stroke, stroke_colour="ff0000")(ground))
    opaque = shown[..., 3] > 8  # fainter colours cannot be kept exactly
    assert opaque.any()
    assert (np.abs(shown[opaque][:, :3] - [255, 0, 0]) <= 255 / 8).all()
    assert shown[..., 3].max() == (255 if stroke else 128)


def test_letters_and_their_outline_meet_without_a_seam() -> None:
    ground = plain((0, 0, 0, 0), (120, 90), "RGBA")
    both, outline, letters = (
        array(Text(content="Hello", stroke_colour="white", **options)(ground))[..., 3]
        for options in (
            {"colour": "white", "stroke": 3},
            {"colour": "ffffff00", "stroke": 3},
            {"colour": "white", "padding": 3},
        )
    )
    assert np.abs(both - (outline + letters)).max() <= 2
    assert both.max() == 255


def test_a_box_stands_behind_the_text() -> None:
    ground = plain("white", (120, 90))
    bare = inked(Text(content="Hi", background="red")(ground), ground)
    padded = inked(Text(content="Hi", background="red", padding=5)(ground), ground)
    sides = [(right - left, bottom - top) for left, top, right, bottom in (bare, padded)]
    assert sides[1] == (sides[0][0] + 10, sides[0][1] + 10)
    assert Text(content="Hi", background="red", padding=5)(ground).getpixel(padded[:2]) == (255, 0, 0)


@pytest.mark.parametrize("place", ["center", "northwest", "east"])
def test_a_quarter_turn_moves_pixels_and_mixes_none(place: str) -> None:
    ground = plain("white", (101, 101))
    turned_place = {"center": "center", "northwest": "northeast", "east": "south"}[place]
    upright = Text(content="Hi\nyou", position=place, background="yellow")(ground)
    turned = Text(content="Hi\nyou", position=turned_place, background="yellow", degrees=90)(ground)
    expected = upright.transpose(Image.Transpose.ROTATE_270)
    box, wanted = inked(turned, ground), inked(expected, ground)
    assert np.abs(np.subtract(box, wanted)).max() <= 1  # the middle of an odd number is rounded
    assert np.abs(array(turned.crop(box)) - array(expected.crop(wanted))).max() <= 1


@pytest.mark.parametrize("degrees", [0, 30, 90, -45])
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (60, 40)])
def test_text_far_too_large_is_cut_off(size: tuple[int, int], degrees: float) -> None:
    ground = plain("white", size)
    huge = Text(content="Hello\nHello\nHello", size=1000, background="red", padding=900, degrees=degrees)(ground)
    assert huge.size == size
    red, green, _ = array(huge)[size[1] // 2, size[0] // 2]
    assert red == 255
    assert green < 200  # the edge of so small a box is soft


def test_text_beyond_the_edge_leaves_the_picture_as_it_is() -> None:
    ground = picture()
    for degrees in (0, 30):
        assert Text(content="Hi", position="northwest", x=500, degrees=degrees)(ground) == ground


def test_turned_text_looks_right(*, write_goldens: bool) -> None:
    turned = processed("text:Hello,size=18,colour=ffffffc0,degrees=-37,stroke=1,stroke_colour=00000080")
    assert_golden("text-turned", turned, write=write_goldens)
