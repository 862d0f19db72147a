"""Operations against goldens (images in golden/ that a person can look at) and by property, in every Pillow mode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import picture
from PIL import Image, ImageChops

import imgray.operations
from imgray.operations import CATALOGUE, Grayscale, Resize, Rotate, Swap
from imgray.pipeline import Pipeline
from imgray.samples import test_card as draw_test_card

GOLDEN = Path(__file__).parent / "golden"
MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"]
TOLERANCE = 3  # levels of 255, for resampling and luma in another version of Pillow

GOLDENS = {
    "swap-rg": "swap:rg",
    "swap-gb": "swap:gb",
    "grayscale": "grayscale",
    "rotate-90": "rotate:90",
    "resize-fit": "resize:120,120",
    "resize-fill": "resize:120,120,fill",
    "resize-exact": "resize:120,120,exact",
}


@pytest.mark.parametrize(("name", "pipeline"), GOLDENS.items())
def test_an_operation_gives_the_golden_image(name: str, pipeline: str) -> None:
    image = draw_test_card().resize((160, 120), Image.Resampling.BOX)
    for operation in Pipeline.parse(pipeline).operations:
        image = operation.apply(image)
    golden = Image.open(GOLDEN / f"{name}.png")
    assert (image.mode, image.size) == (golden.mode, golden.size)
    difference = np.asarray(ImageChops.difference(image, golden))
    assert difference.max() <= TOLERANCE


def test_every_module_is_in_the_catalogue_and_every_example_parses() -> None:
    modules = {path.stem for path in Path(imgray.operations.__file__).parent.glob("*.py")} - {"__init__", "base"}
    assert modules == set(CATALOGUE)
    for operation in CATALOGUE.values():
        assert operation in {type(step) for step in Pipeline.parse(operation.example).operations}
        assert operation.describe()["summary"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("operation", [operation.example for operation in CATALOGUE.values()])
def test_every_operation_takes_every_mode_and_can_be_encoded(mode: str, operation: str) -> None:
    for fmt in ("png", "jpeg", "webp"):
        steps = operation if operation.startswith("convert") else f"{operation}/convert:{fmt}"
        assert Pipeline.parse(steps).run(picture(mode), "png", 10**6).data


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16"])
def test_swapping_twice_returns_the_input(mode: str) -> None:
    image = picture(mode)
    swap = Swap(channels="rg")
    assert np.array_equal(np.asarray(swap.apply(swap.apply(image))), np.asarray(image))


def test_swap_exchanges_the_two_channels_and_keeps_alpha() -> None:
    image = Image.new("RGBA", (1, 1), (10, 20, 30, 40))
    assert Swap(channels="rg").apply(image).getpixel((0, 0)) == (20, 10, 30, 40)
    assert Swap(channels="rb").apply(image).getpixel((0, 0)) == (30, 20, 10, 40)
    assert Swap(channels="ba").apply(image).getpixel((0, 0)) == (10, 20, 40, 30)
    assert Swap(channels="rg", alpha="opaque").apply(image).getpixel((0, 0)) == (20, 10, 30)


def test_swap_of_a_palette_image_with_transparency_keeps_it() -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    palette.info["transparency"] = 0
    swapped = Swap(channels="rg").apply(palette)
    assert (swapped.getpixel((0, 0)), swapped.getpixel((1, 0))) == ((20, 10, 30, 0), (50, 40, 60, 255))


def test_sixteen_bit_grey_is_not_mangled() -> None:
    image = picture("I;16")
    assert np.array_equal(np.asarray(Swap(channels="rg").apply(image)), np.asarray(image))


@given(width=st.integers(1, 60), height=st.integers(1, 60), w=st.integers(1, 50), h=st.integers(1, 50))
def test_resize_gives_the_size_that_was_asked_for(width: int, height: int, w: int, h: int) -> None:
    image = Image.new("L", (width, height))
    for mode in ("fill", "exact"):
        assert Resize(width=w, height=h, mode=mode).apply(image).size == (w, h)
    resize = Resize(width=w, height=h)
    fitted = resize.apply(image).size
    assert fitted == resize.size_after(image.size)
    assert fitted[0] <= w
    assert fitted[1] <= h
    assert fitted[0] == w or fitted[1] == h


def test_one_side_follows_from_the_other() -> None:
    image = Image.new("L", (200, 100))
    assert Resize(width=50).apply(image).size == (50, 25)
    assert Resize(height=50).apply(image).size == (100, 50)


@pytest.mark.parametrize("mode", MODES)
def test_four_quarter_turns_are_none(mode: str) -> None:
    image = picture(mode)
    turned = image
    for _ in range(4):
        turned = Rotate(degrees=90).apply(turned)
    assert np.array_equal(np.asarray(turned), np.asarray(image))


def test_rotate_is_clockwise() -> None:
    image = Image.new("L", (2, 1))
    image.putpixel((0, 0), 255)
    assert np.asarray(Rotate(degrees=90).apply(image)).tolist() == [[255], [0]]
    assert np.asarray(Rotate(degrees=270).apply(image)).tolist() == [[0], [255]]


def test_grayscale_keeps_transparency() -> None:
    assert Grayscale().apply(picture("RGBA")).mode == "LA"
    assert Grayscale().apply(picture("RGB")).mode == "L"
