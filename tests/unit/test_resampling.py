"""Resampling by products of matrices, held against Pillow's own with floating-point levels, which rounds nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from imgray.operations.resampling import Box, resample, resample_by_products
from imgray.picture import Size

AT_THE_LIMIT = """
import resource, sys
from pathlib import Path
from PIL import Image
from imgray.operations.resampling import prepare, resample
image = Image.new("RGB", (400, 300))
prepare()
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
most = int(status["VmData"].split()[0]) * 1024 + 2**23
resource.setrlimit(resource.RLIMIT_DATA, (most, most))
print(resample(image, (200, 150), Image.Resampling.LANCZOS, (0, 0, 400, 300)).size)
"""

KERNELS = [
    Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Resampling.BILINEAR, Image.Resampling.BOX,
]  # fmt: skip
SIDES = st.integers(1, 700)


def noise(mode: str, size: Size) -> Image.Image:
    """Draw the worst case: every pixel a hard edge."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    levels = np.random.default_rng(7).integers(0, 256, (size[1], size[0], channels), np.uint8)
    return Image.merge(mode, [Image.fromarray(levels[:, :, band]) for band in range(channels)])


def exact(image: Image.Image, size: Size, kernel: Image.Resampling, box: Box) -> npt.NDArray[np.float32]:
    bands = [np.asarray(band.convert("F").resize(size, kernel, box=box)) for band in image.split()]
    levels: npt.NDArray[np.float32] = np.clip(np.stack(bands, axis=-1), 0, 255)
    return levels


def levels_of(image: Image.Image) -> npt.NDArray[np.float32]:
    return np.asarray(image, np.float32).reshape(image.height, image.width, -1)


def whole(image: Image.Image) -> Box:
    return 0.0, 0.0, float(image.width), float(image.height)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Size, Size, Box]:
    """Draw the size of an image, that of the result, and the part of the image that it shows."""
    width, height = draw(SIDES), draw(SIDES)
    box = 0.0, 0.0, float(width), float(height)
    if draw(st.booleans()):
        left, top = draw(st.floats(0, width - 1)), draw(st.floats(0, height - 1))
        box = left, top, draw(st.floats(left + 1, width)), draw(st.floats(top + 1, height))
    return (width, height), (draw(SIDES), draw(SIDES)), box


@given(cases(), st.sampled_from(KERNELS), st.sampled_from(["L", "RGB"]))
@example(((700, 700), (257, 513), (0, 0, 700, 700)), Image.Resampling.LANCZOS, "RGB")
@example(((1, 20_000), (1, 12_000), (0, 0, 1, 20_000)), Image.Resampling.BICUBIC, "L")
@example(((300, 300), (300, 299), (0, 0.5, 300, 299.5)), Image.Resampling.BOX, "RGB")
@example(((491, 1), (301, 1), (240.53373930640393, 0.0, 490.8886199748149, 1.0)), Image.Resampling.BOX, "L")
@settings(max_examples=150, deadline=None)
def test_every_level_is_the_exact_one_rounded(
    case: tuple[Size, Size, Box], kernel: Image.Resampling, mode: str
) -> None:
    size, wanted, box = case
    image = noise(mode, size)
    made = resample_by_products(image, wanted, kernel, box)
    assert (made.mode, made.size) == (mode, wanted)
    assert np.abs(levels_of(made) - exact(image, wanted, kernel, box)).max() < 0.51


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("level", [0, 1, 127, 255])
def test_what_has_one_colour_keeps_it(kernel: Image.Resampling, level: int) -> None:
    image = Image.new("RGB", (500, 400), (level, level, 255 - level))
    made = resample(image, (233, 611), kernel, whole(image))
    assert made.getextrema() == ((level, level), (level, level), (255 - level, 255 - level))


def test_what_is_known_of_an_image_is_known_of_the_result() -> None:
    image = noise("RGB", (400, 300))
    image.info["transparency"] = (0, 0, 0)
    assert resample(image, (200, 150), Image.Resampling.LANCZOS, whole(image)).info == image.info


@pytest.mark.parametrize(
    ("mode", "size", "result"),
    [
        ("RGBA", (400, 300), (100, 75)),
        ("LA", (400, 300), (100, 75)),
        ("RGB", (100, 100), (50, 50)),
        ("RGB", (1400, 300), (200, 75)),
    ],
)
def test_alpha_small_images_and_those_that_are_shrunk_by_much_are_left_to_pillow(
    mode: str, size: Size, result: Size
) -> None:
    image = noise(mode, size)
    made = resample(image, result, Image.Resampling.LANCZOS, whole(image))
    assert made == image.resize(result, Image.Resampling.LANCZOS, box=whole(image), reducing_gap=3.0)


def test_levels_of_16_bits_are_left_to_pillow() -> None:
    image = Image.fromarray(np.arange(40_000, dtype=np.uint16).reshape(200, 200))
    made = resample(image, (150, 150), Image.Resampling.LANCZOS, whole(image))
    assert made == image.resize((150, 150), Image.Resampling.LANCZOS)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is one of Linux")
def test_a_process_at_its_limit_of_memory_is_not_ended_by_the_library_of_products() -> None:
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_LIMIT], capture_output=True, text=True, check=False, env=one_thread
    )
    assert done.stdout == "(200, 150)\n", done.stderr
