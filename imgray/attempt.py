"""One attempt at one task: read the source, decode it once, run each pipeline, and hand over or write the outputs."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from msgspec import Struct

from imgray.catalogue import Catalogue
from imgray.codec import Encoded, ImageLimits, Reading, decode, inspect
from imgray.errors import (
    BodyTooLargeError,
    DestinationUnwritableError,
    PathNotAllowedError,
    SourceUnreadableError,
)
from imgray.extensions import catalogue_of
from imgray.operations import Context
from imgray.picture import Picture
from imgray.pipeline import Pipeline, enough_for_all, shared_reading
from imgray.settings import Settings
from imgray.task import Output, OutputSpec, PathSource, TaskSpec, output_key


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an attempt may use: operations, limits, files."""

    catalogue: Catalogue
    limits: ImageLimits
    max_body_bytes: int
    file_roots: tuple[str, ...]
    inline_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take it from the settings.

        Raises:
            BadSettingError: the operations that an operator added cannot be had.
        """
        return cls(
            catalogue_of(settings),
            ImageLimits.of(settings),
            settings.max_body_bytes,
            tuple(str(root.expanduser().resolve()) for root in settings.file_roots),
            settings.inline_bytes,
        )

    def allowed(self, path: str) -> Path:
        """Follow links, then see that the path lies in a folder that the operator named.

        Raises:
            PathNotAllowedError: it does not.
        """
        real = Path(os.path.realpath(path))
        if not Path(path).is_absolute() or not any(real.is_relative_to(root) for root in self.file_roots):
            raise PathNotAllowedError(path)
        return real

    def read(self, path: str) -> bytes:
        """Return the content of a file that may be read.

        Raises:
            SourceError, BodyTooLargeError: it may not, cannot, or is too large.
        """
        try:
            with self.allowed(path).open("rb") as file:
                if os.fstat(file.fileno()).st_size > self.max_body_bytes:
                    raise BodyTooLargeError(self.max_body_bytes)
                return file.read()
        except OSError as error:
            raise SourceUnreadableError(path, error.strerror or str(error)) from error


class Product(Struct, frozen=True, gc=False):
    """An output, with its bytes when they are yet to be stored."""

    output: Output
    data: bytes | None


def run_attempt(
    spec: TaskSpec, token: int, data: bytes | None, allowance: Allowance, checkpoint: Callable[[], None]
) -> list[Product]:
    """Make every output of a task.

    Args:
        spec: the task.
        token: that of the lease; it names the blobs.
        data: the input's bytes; None when the source is a path.
        allowance: what may be read, written and decoded.
        checkpoint: called between steps; what it raises (a cancellation) ends the attempt.

    Raises:
        RequestError: the input, a path or a pipeline is at fault.
    """
    if isinstance(spec.source, PathSource):
        data = allowance.read(spec.source.path)
    context = Context(allowance.limits, checkpoint, allowance.read)
    pipelines = [allowance.catalogue.parse(wanted.pipeline) for wanted in spec.outputs]
    made = dict(_made(data or b"", pipelines, context))
    return [_deliver(spec, token, wanted, made[number], allowance) for number, wanted in enumerate(spec.outputs)]


def _made(data: bytes, pipelines: Sequence[Pipeline], context: Context) -> Iterator[tuple[int, Encoded]]:
    """Yield each pipeline's result by its number. What is to be read alike is decoded once."""
    groups: dict[Reading, list[int]] = {}
    for number, pipeline in enumerate(pipelines):
        if pipeline.keeps:
            info = inspect(data, context.limits)
            yield number, Encoded(data, info.format, info.width, info.height)
            continue
        groups.setdefault(replace(pipeline.reading, frames=None), []).append(number)
    for numbers in groups.values():
        pictures = [_decoded(data, [pipelines[number] for number in numbers], context)]
        for number in numbers:  # the last one takes the picture, so that it is kept no longer than it must be
            last = number == numbers[-1]
            yield number, pipelines[number].run(pictures.pop() if last else pictures[0], context)


def _decoded(data: bytes, pipelines: Sequence[Pipeline], context: Context) -> Picture:
    return decode(
        data, context.limits, shared_reading(pipelines), lambda full_size: enough_for_all(pipelines, full_size)
    )


def _deliver(spec: TaskSpec, token: int, wanted: OutputSpec, encoded: Encoded, allowance: Allowance) -> Product:
    path = key = None
    if wanted.path is None:
        inline = not spec.kept or len(encoded.data) <= allowance.inline_bytes
        key = None if inline else output_key(spec.id, token, wanted.name)
    else:
        path = wanted.path
        _write(allowance.allowed(path), encoded.data)
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
