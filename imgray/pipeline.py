"""A pipeline: operations in order. It says how its input is to be read, runs, and makes the bytes of an output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel

from imgray.codec import FALLBACK, FORMATS, WHOLE, Encoded, Encoding, Reading, encode
from imgray.errors import PipelineError
from imgray.grammar import Step
from imgray.operations import Context, Convert, Decode, Finish, Keep, Operation
from imgray.picture import Picture, Size

MAX_STEPS = 64
"""Most operations in one pipeline."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Operations in order; a `Decode` can only stand first, a `Finish` only last."""

    operations: tuple[Operation, ...] = ()

    def __post_init__(self) -> None:
        if len(self.operations) > MAX_STEPS:
            raise PipelineError(f"The pipeline has {len(self.operations)} operations; the limit is {MAX_STEPS}.")
        for operation in self.operations[:-1]:
            if isinstance(operation, Finish):
                raise PipelineError(f"'{operation.name}' makes the output: it can only stand last in a pipeline.")
        if len(self.operations) > 1 and isinstance(self.operations[-1], Keep):
            raise PipelineError("'keep' hands over the input as it came: it can only stand alone in a pipeline.")
        for operation in self.operations[1:]:
            if isinstance(operation, Decode):
                raise PipelineError("'decode' says how the input is read: it can only stand first in a pipeline.")

    def __str__(self) -> str:
        """Return the canonical text: parsed again, it gives the same pipeline."""
        return "/".join(str(_step_of(operation)) for operation in self.operations)

    def to_json(self) -> list[dict[str, Any]]:
        """Return the JSON form, without arguments that have their default."""
        return [
            {"op": operation.name, **operation.model_dump(mode="json", exclude_defaults=True)}
            for operation in self.operations
        ]

    @property
    def reading(self) -> Reading:
        """How the input is to be read: no more frames than the output can have, or as `Decode` says."""
        first = self.operations[0] if self.operations else None
        reading = first.reading if isinstance(first, Decode) else WHOLE
        finish = self._finish
        if finish is None or not finish.still or any(operation.picks_frames for operation in self.operations):
            return reading
        return replace(reading, frames=1)

    def enough(self, size: Size) -> Size | None:
        """Return the size to which an input of this one may be reduced without harm; None when every pixel counts."""
        rest = self.operations[1:] if self.operations and isinstance(self.operations[0], Decode) else self.operations
        return rest[0].enough(size) if rest else None

    def output_format(self, source_format: str) -> str:
        """Name the format of the output for an input of the given format.

        Raises:
            PipelineError: it is chosen by looking at the image.
        """
        finish = self._finish
        if finish is not None:
            return finish.output_format(source_format)
        fmt = FORMATS[source_format]
        return fmt.name if fmt.writes and fmt.keeps else FALLBACK

    @property
    def keeps(self) -> bool:
        """True when the output is the input."""
        return len(self.operations) == 1 and isinstance(self.operations[0], Keep)

    @property
    def files(self) -> tuple[str, ...]:
        """The paths that its operations name."""
        return tuple(path for operation in self.operations for path in operation.files)

    def accepting(self, formats: Sequence[str]) -> Self:
        """Return the pipeline with what its receiver shows, for a `convert:auto` that does not say it itself."""
        last = self._finish
        if not isinstance(last, Convert) or last.format != "auto" or last.accept or not formats:
            return self
        return type(self)((*self.operations[:-1], last.model_copy(update={"accept": tuple(formats)})))

    def anchored(self, folder: Path) -> Self:
        """Return the pipeline with relative paths in its arguments taken from a folder."""
        return type(self)(tuple(operation.anchored(folder) for operation in self.operations))

    def run(self, picture: Picture, context: Context) -> Encoded:
        """Apply the operations and make the output.

        Raises:
            ImageError: an operation would make the picture larger than a limit, or it cannot be encoded.
            RequestError: a file that an operation names cannot be used.
        """
        source_format = picture.source.format
        picture = picture.limited(self.reading.frames)
        for operation in self.operations:
            context.checkpoint()
            context.limits.check_size(operation.size_after(picture.full_size), len(picture.frames))
            picture = operation.run(picture, context)
            context.limits.check_size(picture.size, len(picture.frames))
        context.checkpoint()
        finish = self._finish
        return finish.finish(picture) if finish else encode(picture, Encoding(self.output_format(source_format)))

    @property
    def _finish(self) -> Finish | None:
        last = self.operations[-1] if self.operations else None
        return last if isinstance(last, Finish) else None


def shared_reading(pipelines: Iterable[Pipeline]) -> Reading:
    """Return a reading that serves several pipelines whose readings differ in their frames only."""
    readings = [pipeline.reading for pipeline in pipelines]
    frames = [reading.frames for reading in readings if reading.frames is not None]
    return replace(readings[0], frames=max(frames) if len(frames) == len(readings) else None)


def reading_at_the_door(pipelines: Sequence[Pipeline]) -> Reading:
    """Return the reading that refuses no image which some pipeline takes."""
    return replace(shared_reading(pipelines), partial=any(pipeline.reading.partial for pipeline in pipelines))


def enough_for_all(pipelines: Iterable[Pipeline], size: Size) -> Size | None:
    """Return the size to which an input may be reduced without harm to any of several pipelines."""
    wanted = [pipeline.enough(size) for pipeline in pipelines]
    sizes = [one for one in wanted if one is not None]
    if len(sizes) < len(wanted):
        return None
    return max(width for width, _ in sizes), max(height for _, height in sizes)


def _step_of(operation: Operation) -> Step:
    """Write an operation in the grammar's terms: defaults are left out, leading arguments stand by position."""
    by_position: list[str] = []
    by_name: list[tuple[str, str]] = []
    leading = True
    values: Mapping[str, Any] = operation.model_dump(mode="json")
    for key, field in _fields(operation).items():
        if not field.is_required() and getattr(operation, key) == field.default:
            leading = False
            continue
        text = _written(values[key])
        if leading:
            by_position.append(text)
        else:
            by_name.append((key, text))
    return Step(operation.name, tuple(by_position), tuple(by_name))


def _fields(operation: BaseModel) -> Mapping[str, Any]:
    return type(operation).model_fields


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, list):
        return ":".join(map(_written, value))
    return str(value)
