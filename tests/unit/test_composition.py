from __future__ import annotations

import base64
import importlib.resources
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from goldens import assert_golden, processed, scene
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import encoded, picture
from PIL import Image

from imgray.catalogue import BUILT_IN
from imgray.errors import (
    BadArgumentError,
    FontNotFoundError,
    ImgrayError,
    OutOfMemoryError,
    OverlayError,
    PathNotAllowedError,
)
from imgray.operations import Border, Circle, Context, Operation, Overlay, Round, Shadow, Text
from imgray.operations.arguments import corner_of
from imgray.picture import Picture, Source

HEART = Overlay.example.split('"')[1]
PLACES = ["center", "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest", "0.3:0.8"]
BLENDS = ["normal", "multiply", "screen", "overlay", "darken", "lighten", "add", "subtract", "difference"]
BLENDS += ["soft-light", "hard-light"]
ON_EVERY_FRAME = [Overlay(source=HEART), Text(content="Hello"), Border(), Round(radius="5"), Circle(), Shadow()]

Levels = npt.NDArray[np.float64]


def inline(image: Image.Image) -> str:
    return "data:image/png;base64," + base64.b64encode(encoded(image)).decode()


def plain(colour: object, size: tuple[int, int] = (40, 30), mode: str = "RGB") -> Image.Image:
    return Image.new(mode, size, colour)  # type: ignore[arg-type]  # whatever the mode takes


def animation(*frames: Image.Image) -> Picture:
    return Picture(frames, Source("gif", frames[0].size, frames[0].mode, len(frames)), (100,) * len(frames))


def array(image: Image.Image) -> npt.NDArray[np.int64]:
    return np.asarray(image).astype(np.int64)


def inked(image: Image.Image, ground: Image.Image) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of what differs between two images."""
    rows, columns = np.nonzero(np.abs(array(image) - array(ground)).reshape(*image.size[::-1], -1).max(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


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


# overlay


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


# text


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


# border


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


# round and circle


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


# shadow


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
