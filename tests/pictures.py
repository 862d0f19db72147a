"""Pictures for tests."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def picture(mode: str = "RGB", size: tuple[int, int] = (32, 24), seed: int = 1) -> Image.Image:
    """Make a picture of noise in any mode that Pillow can convert to."""
    rng = np.random.default_rng(seed)
    base = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 4), dtype=np.uint8), "RGBA")
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 65536, (size[1], size[0]), dtype=np.uint16))
    if mode in {"P", "CMYK", "YCbCr", "1", "I", "F", "L"}:
        return base.convert("RGB").convert(mode)
    if mode == "PA":
        return base.convert("RGB").convert("P").convert("PA")
    return base.convert(mode)


def encoded(image: Image.Image, fmt: str = "PNG", **options: object) -> bytes:
    """Encode a picture."""
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    return buffer.getvalue()


def corrupt() -> bytes:
    """Make an image that is whole by its header and its end, and corrupt inside."""
    data = bytearray(encoded(picture(size=(200, 200))))
    data[len(data) // 2] ^= 0xFF
    return bytes(data)
