"""Inputs, and whether an output is the picture that it should be: by Pillow and NumPy alone."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from imgray.samples import fractal, petals, sunset

Pixels = npt.NDArray[np.uint8]

MOST_DIFFERENCE = 5.0
"""Levels of 255, in the mean, by which a JPEG may differ from what Pillow makes of all the pixels at the same quality.

A decoder that reduces while it decodes differs by up to 4 on pictures of fine grain; another picture, by 13 and more.
"""

QUALITY = 85
"""Of every JPEG that is made."""

_SEARCH = 7  # halvings of the range of qualities


def drawn(folder: Path) -> list[Path]:
    """Draw pictures that are somewhat like photographs, for whoever has none at hand."""
    folder.mkdir()
    paths = []
    for draw in (sunset, fractal, petals):
        paths.append(folder / f"{draw.__name__}.png")
        draw().convert("RGB").resize((768, 512), Image.Resampling.LANCZOS).save(paths[-1])
    return paths


def found(folder: Path) -> list[Path]:
    """Return the PNG and JPEG files of a folder.

    Raises:
        FileNotFoundError: there is none.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".png", ".jpg", ".jpeg"})
    if not paths:
        raise FileNotFoundError(f"There are no PNG or JPEG files in '{folder}'.")
    return paths


def pngs(photos: Sequence[Path]) -> list[bytes]:
    """Return the photographs that are PNG, as they are; if there is none, all of them as PNG."""
    ready = [path.read_bytes() for path in photos if path.suffix.lower() == ".png"]
    return ready or [_encoded(Image.open(path).convert("RGB"), format="PNG") for path in photos]


def small_jpeg(photo: Image.Image, corner: tuple[int, int], size: tuple[int, int], about_bytes: int) -> bytes:
    """Cut a part out of a photograph and encode it, at the quality by which it takes about so many bytes."""
    left, top = corner
    part = photo.crop((left, top, left + size[0], top + size[1]))
    low, high = 10, 98
    for _ in range(_SEARCH):
        middle = (low + high) // 2
        if len(_encoded(part, format="JPEG", quality=middle)) < about_bytes:
            low = middle
        else:
            high = middle
    return _encoded(part, format="JPEG", quality=low)


def large_jpeg(photos: Sequence[Path], size: tuple[int, int]) -> bytes:
    """Return a photograph of this size as JPEG: one that is, or else the first one, enlarged."""
    for path in photos:
        if path.suffix.lower() != ".png" and Image.open(path).size == size:
            return path.read_bytes()
    image = Image.open(photos[0]).convert("RGB").resize(size, Image.Resampling.LANCZOS)
    return _encoded(image, format="JPEG", quality=90)


def swapped(data: bytes) -> Pixels:
    """Return the pixels of an image with red and green exchanged."""
    pixels = np.asarray(Image.open(io.BytesIO(data)))
    order = [1, 0, 2, 3][: pixels.shape[-1]]
    return pixels[..., order]


def reduced(data: bytes, width: int, height: int | None = None) -> Pixels:
    """Return the pixels of a JPEG of an image made smaller to fit, from all its pixels."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    box = (width, height or image.height)
    scale = min(box[0] / image.width, box[1] / image.height)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    made = _encoded(image.resize(size, Image.Resampling.LANCZOS), format="JPEG", quality=QUALITY)
    return np.asarray(Image.open(io.BytesIO(made)))


def wrong_png(data: bytes, wanted: Pixels) -> str | None:
    """Say what is wrong with a PNG that should have exactly these pixels."""
    image = Image.open(io.BytesIO(data))
    if image.format != "PNG":
        return f"is {image.format}, not PNG"
    return None if np.array_equal(np.asarray(image), wanted) else "has other pixels"


def wrong_jpeg(data: bytes, wanted: Pixels) -> str | None:
    """Say what is wrong with a JPEG that should have about these pixels; a side may have been rounded otherwise."""
    image = Image.open(io.BytesIO(data))
    height, width = wanted.shape[:2]
    if image.format != "JPEG":
        return f"is {image.format}, not JPEG"
    if max(abs(image.width - width), abs(image.height - height)) > 1:
        return f"has {image.width} by {image.height} pixels, not {width} by {height}"
    pixels = np.asarray(image.convert("RGB").resize((width, height)))
    difference = float(np.abs(pixels.astype(float) - wanted).mean())
    return None if difference <= MOST_DIFFERENCE else f"differs by {difference:.1f} levels in the mean"


def first_wrong(paths: Sequence[Path], wrong: Callable[[Path], str | None]) -> str | None:
    """Say what is wrong with the first file that is wrong, or missing, or no image."""
    for path in paths:
        try:
            problem = wrong(path)
        except OSError as error:
            problem = f"cannot be read: {error}"
        if problem:
            return f"{path.name} {problem}"
    return None


def _encoded(image: Image.Image, **options: str | int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **options)  # type: ignore[arg-type]
    return buffer.getvalue()
