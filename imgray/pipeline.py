"""Pipelines: operations in order, and the one grammar in which URL, command line, JSON and Python write them.

    pipeline  = [ step *( "/" step ) ]
    step      = name [ ":" argument *( "," argument ) ]
    argument  = value | key "=" value          ; by position first, then by name
    value     = bare text without / , = " or white space, or a JSON string in double quotes

``swap:rg/resize:800,600,fill/convert:webp,quality=80``. The canonical form leaves out arguments that have their default
and writes the leading ones by position; parsing it gives the same pipeline back.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from PIL import Image
from pydantic import ValidationError

from imgray.codec import FORMATS, Encoded, encode
from imgray.errors import BadArgumentError, PipelineError, TooManyPixelsError, UnknownOperationError
from imgray.operations import CATALOGUE, Convert, Operation

MAX_STEPS = 64
MAX_TEXT = 8192
"""Most operations in one pipeline."""

_BARE = re.compile(r'[^\s/,="]+')
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_FALLBACK_FORMAT = "png"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Operations in order; a `Convert`, if there is one, stands last and names the output format."""

    operations: tuple[Operation, ...] = ()

    def __post_init__(self) -> None:
        if len(self.operations) > MAX_STEPS:
            raise PipelineError(f"The pipeline has {len(self.operations)} operations; the limit is {MAX_STEPS}.")
        if any(isinstance(operation, Convert) for operation in self.operations[:-1]):
            raise PipelineError("'convert' names the output format: it can only stand last in a pipeline.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the grammar, or the JSON form as text.

        Raises:
            PipelineError: the text is no pipeline; `UnknownOperationError` and `BadArgumentError` say more.
        """
        text = text.strip()
        if not text.startswith("["):
            return cls(_parse(text))
        try:
            return cls.from_json(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise PipelineError(f"The pipeline starts like JSON, but is none: {error}.") from error

    @classmethod
    def from_json(cls, steps: Sequence[Mapping[str, Any]]) -> Self:
        """Read the JSON form: a list of objects, each with ``op`` and the operation's arguments by name.

        Raises:
            PipelineError: as for `parse`.
        """
        operations = []
        for step in steps:
            if not isinstance(step, Mapping) or not isinstance(step.get("op"), str):
                raise PipelineError('Each step of a JSON pipeline is an object with a string "op".')
            operations.append(_build(step["op"], {key: value for key, value in step.items() if key != "op"}))
        return cls(tuple(operations))

    def to_json(self) -> list[dict[str, Any]]:
        """Return the JSON form, without arguments that have their default."""
        return [{"op": operation.name, **operation.model_dump(exclude_defaults=True)} for operation in self.operations]

    def __str__(self) -> str:
        return "/".join(_format(operation) for operation in self.operations)

    def output_format(self, source_format: str) -> str:
        """Name the format of the output for an input of the given format."""
        if self.operations and isinstance(self.operations[-1], Convert):
            return self.operations[-1].format
        return source_format if FORMATS[source_format].writes else _FALLBACK_FORMAT

    def run(
        self,
        image: Image.Image,
        source_format: str,
        max_pixels: int,
        checkpoint: Callable[[], None] = lambda: None,
    ) -> Encoded:
        """Apply the operations and encode the result.

        Args:
            image: the decoded input; it may be changed.
            source_format: the imgray name of the format it had.
            max_pixels: the limit that every intermediate image keeps.
            checkpoint: called before every step; what it raises (a cancellation) ends the run.

        Raises:
            TooManyPixelsError: an operation would make the image larger than the limit.
        """
        for operation in self.operations:
            checkpoint()
            width, height = operation.size_after(image.size)
            if width * height > max_pixels:
                raise TooManyPixelsError(width, height, max_pixels)
            image = operation.apply(image)
        checkpoint()
        last = self.operations[-1] if self.operations else None
        convert = last if isinstance(last, Convert) else _convert_to(self.output_format(source_format))
        return encode(image, convert.format, quality=convert.quality, lossless=convert.lossless)


@functools.cache
def _convert_to(fmt: str) -> Convert:
    return Convert.model_validate({"format": fmt})


@functools.lru_cache(maxsize=1024)
def _parse(text: str) -> tuple[Operation, ...]:
    """Parse; a service sees few different pipelines, many times each. What is refused is not remembered."""
    if len(text) > MAX_TEXT:
        raise PipelineError(f"The pipeline is {len(text):,} characters long; the limit is {MAX_TEXT:,}.")
    return tuple(_steps(_Cursor(text))) if text else ()


class _Cursor:
    """A position in the text of a pipeline."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def take(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match.group()

    def skip(self, character: str) -> bool:
        found = self.text.startswith(character, self.at)
        self.at += found
        return found

    @property
    def ended(self) -> bool:
        return self.at == len(self.text)

    def error(self, expected: str) -> PipelineError:
        found = f"'{self.text[self.at]}'" if not self.ended else "the end"
        return PipelineError(
            f"Expected {expected} at character {self.at + 1} of '{self.text}', found {found}. "
            "A pipeline reads like 'swap:rg/resize:800,600/convert:webp,quality=80'."
        )


def _steps(cursor: _Cursor) -> Iterator[Operation]:
    while True:
        name = cursor.take(_NAME)
        if name is None:
            raise cursor.error("an operation's name")
        arguments = _arguments(cursor, name) if cursor.skip(":") else {}
        yield _build(name, arguments)
        if cursor.ended:
            return
        if not cursor.skip("/"):
            raise cursor.error("':' or '/'" if not arguments else "',' or '/'")


def _arguments(cursor: _Cursor, name: str) -> dict[str, Any]:
    fields = iter(_operation(name).model_fields)
    arguments: dict[str, Any] = {}
    named = False
    while True:
        before = cursor.at
        key = cursor.take(_NAME)
        by_name = key is not None and cursor.skip("=")
        if not by_name:
            cursor.at = before
            key = next(fields, None)
        value = _value(cursor)
        if key is None or (named and not by_name):
            raise BadArgumentError(name, f"'{value}' is one argument too many, or follows one given by name.")
        if key in arguments:
            raise BadArgumentError(name, f"'{key}' is given twice.")
        named = by_name
        arguments[key] = value
        if not cursor.skip(","):
            return arguments


def _value(cursor: _Cursor) -> str:
    quoted = cursor.take(_QUOTED)
    if quoted is not None:
        try:
            return str(json.loads(quoted))
        except ValueError as error:
            raise cursor.error("a JSON string") from error
    bare = cursor.take(_BARE)
    if bare is None:
        raise cursor.error("a value")
    return bare


def _operation(name: str) -> type[Operation]:
    try:
        return CATALOGUE[name]
    except KeyError:
        near = nearest(name, CATALOGUE)
        hint = f"Did you mean '{near}'?" if near else "GET /v1/operations lists them all."
        raise UnknownOperationError(name, hint) from None


def _build(name: str, arguments: Mapping[str, Any]) -> Operation:
    operation = _operation(name)
    for key in arguments:
        if key not in operation.model_fields:
            hint = nearest(key, operation.model_fields)
            known = ", ".join(operation.model_fields) or "none"
            raise BadArgumentError(
                name,
                f"there is no argument '{key}'." + (f" Did you mean '{hint}'?" if hint else f" Known: {known}."),
            )
    try:
        return operation(**arguments)
    except ValidationError as error:
        raise BadArgumentError(name, _sentence(error)) from error


def _sentence(error: ValidationError) -> str:
    parts = []
    for problem in error.errors(include_url=False):
        where = ".".join(str(part) for part in problem["loc"])
        what = problem["msg"].removeprefix("Value error, ")
        given = f", not {problem['input']!r}" if where and problem["type"] != "missing" else ""
        parts.append(f"{where}: {what[0].lower()}{what[1:]}{given}" if where else what)
    return "; ".join(parts) + "."


def nearest(name: str, known: Mapping[str, object]) -> str | None:
    """Return the known name that a mistyped one most resembles, if any does."""
    matches = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return matches[0] if matches else None


def _format(operation: Operation) -> str:
    arguments: list[str] = []
    by_position = True
    for key, field in type(operation).model_fields.items():
        value = getattr(operation, key)
        if not field.is_required() and value == field.default:
            by_position = False
            continue
        text = _format_value(value)
        arguments.append(text if by_position else f"{key}={text}")
    return operation.name + (":" + ",".join(arguments) if arguments else "")


def _format_value(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if _BARE.fullmatch(text) else json.dumps(text)


def parse_pipeline(value: str | Pipeline | Operation | Sequence[Mapping[str, Any]]) -> Pipeline:
    """Take a pipeline in any of its forms: text, JSON steps, one operation, or a pipeline.

    Raises:
        PipelineError: as for `Pipeline.parse`.
    """
    if isinstance(value, Pipeline):
        return value
    if isinstance(value, Operation):
        return Pipeline((value,))
    if isinstance(value, str):
        return Pipeline.parse(value)
    return Pipeline.from_json(value)
