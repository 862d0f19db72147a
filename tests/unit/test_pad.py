from __future__ import annotations

import numpy as np
import pytest
from pictures import picture
from PIL import Image
from shapes import (
    MODES,
    animation,
    flat,
    operation,
    refused,
    same,
)

from imgray.modes import TONES, suited
from imgray.operations import Context


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
