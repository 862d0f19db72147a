"""What a Python caller gives as an image, made into a submission."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy.typing as npt
from PIL import Image

from imgray.errors import RequestError, SourceUnreadableError
from imgray.gateway import Submission

ImageLike: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | npt.NDArray[Any]"
"""A path, an encoded image, or pixels: a Pillow image, or an array of shape (height, width[, channels])."""


def with_image(asked: Submission, source: ImageLike, *, reads_paths: bool) -> Submission:
    """Put an image into a submission that has none.

    Args:
        asked: what is to be made of it.
        source: the image; a path also gives a label, if there is none.
        reads_paths: the workers may read the caller's files themselves.

    Raises:
        SourceUnreadableError: a file cannot be read.
        RequestError: these pixels are no image.
    """
    if isinstance(source, bytes):
        return replace(asked, data=source)
    if not isinstance(source, str | os.PathLike):
        data, pixels = _encode(source)
        return replace(asked, data=data, pixels=pixels)
    path = Path(source).absolute()
    asked = replace(asked, label=asked.label or path.name)
    keyed = asked.deduplicate or asked.idempotency_key  # its content tells whether it is the same image, not its path
    if reads_paths and not keyed:
        return replace(asked, path=str(path))
    return replace(asked, data=_read(path))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceUnreadableError(str(path), error.strerror or str(error)) from error


def _encode(pixels: Image.Image | npt.NDArray[Any]) -> tuple[bytes, int]:
    """Encode pixels without loss, for the way to the worker; say how many there are."""
    try:
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
        buffer = io.BytesIO()
        image.save(buffer, format="PNG", compress_level=1)
    except (TypeError, ValueError, KeyError, OSError, AttributeError) as error:
        raise RequestError(
            f"{type(pixels).__name__} cannot be submitted as an image: {error}. Arrays have the shape (height, width)"
            " or (height, width, 3 or 4) and the type uint8."
        ) from error
    return buffer.getvalue(), image.width * image.height
