"""One attempt at one task: read the source, decode it once, run each pipeline, and hand over or write the outputs."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from imgray.codec import Encoded, decode
from imgray.errors import (
    BodyTooLargeError,
    DestinationUnwritableError,
    PathNotAllowedError,
    SourceUnreadableError,
)
from imgray.pipeline import Pipeline
from imgray.task import Output, OutputSpec, PathSource, TaskSpec, output_key


@dataclass(frozen=True, slots=True)
class Limits:
    """What an attempt may use."""

    max_pixels: int
    max_body_bytes: int
    file_roots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """An output, with its bytes when they are yet to be stored."""

    output: Output
    data: bytes | None


def run_attempt(
    spec: TaskSpec, token: int, data: bytes | None, limits: Limits, checkpoint: Callable[[], None]
) -> list[Product]:
    """Make every output of a task.

    Args:
        spec: the task.
        token: that of the lease; it names the blobs.
        data: the input's bytes; None when the source is a path.
        limits: what may be read, written and decoded.
        checkpoint: called between steps; what it raises (a cancellation) ends the attempt.

    Raises:
        RequestError: the input, a path or a pipeline is at fault.
    """
    with _opened(spec, data, limits) as file:
        image = decode(file, limits.max_pixels)
    source_format = str(image.format)
    products = []
    for number, wanted in enumerate(spec.outputs, start=1):
        own = image if number == len(spec.outputs) else image.copy()
        encoded = _run(wanted, own, source_format, limits, checkpoint)
        products.append(_deliver(spec, token, wanted, encoded, limits))
    return products


def _run(
    wanted: OutputSpec, image: Image.Image, source_format: str, limits: Limits, checkpoint: Callable[[], None]
) -> Encoded:
    return Pipeline.parse(wanted.pipeline).run(image, source_format, limits.max_pixels, checkpoint)


def _opened(spec: TaskSpec, data: bytes | None, limits: Limits) -> BinaryIO:
    if not isinstance(spec.source, PathSource):
        return io.BytesIO(data or b"")
    path = _allowed(spec.source.path, limits)
    try:
        file = path.open("rb")
    except OSError as error:
        raise SourceUnreadableError(spec.source.path, error.strerror or str(error)) from error
    if os.fstat(file.fileno()).st_size > limits.max_body_bytes:
        file.close()
        raise BodyTooLargeError(limits.max_body_bytes)
    return file


def _deliver(spec: TaskSpec, token: int, wanted: OutputSpec, encoded: Encoded, limits: Limits) -> Product:
    path = key = None
    if wanted.path is None:
        key = output_key(spec.id, token, wanted.name)
    else:
        path = wanted.path
        _write(_allowed(path, limits), encoded.data)
    output = Output(
        name=wanted.name,
        format=encoded.format,
        content_type=encoded.content_type,
        width=encoded.width,
        height=encoded.height,
        size_bytes=len(encoded.data),
        sha256=hashlib.sha256(encoded.data).hexdigest(),
        key=key,
        path=path,
    )
    return Product(output, encoded.data if path is None else None)


def _allowed(path: str, limits: Limits) -> Path:
    """Follow links, then see that the path lies in a folder that the operator named."""
    real = Path(os.path.realpath(path))
    if not any(real.is_relative_to(root) for root in limits.file_roots):
        raise PathNotAllowedError(path)
    return real


def _write(path: Path, data: bytes) -> None:
    """Put a whole file in place: written aside, synced, renamed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, aside = tempfile.mkstemp(prefix=".imgray-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(descriptor, 0o666 & ~_UMASK)
                os.fsync(descriptor)
            Path(aside).replace(path)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DestinationUnwritableError(str(path), error.strerror or str(error)) from error


def _umask() -> int:
    """Read the process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _umask()
