"""The one grammar of pipelines, in which URL, command line, settings and Python write them: text to steps and back.

    pipeline  = [ step *( "/" step ) ]
    step      = name [ ":" argument *( "," argument ) ]
    argument  = value | key "=" value          ; by position first, then by name
    value     = bare text without / , = " or white space, or a JSON string in double quotes

``swap:rg/resize:800,600,fill/convert:webp,quality=80``. What the names mean is the business of `imgray.catalogue`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from imgray.errors import BadArgumentError, PipelineError

MAX_TEXT = 8192
"""Most characters of a pipeline."""

_BARE = re.compile(r'[^\s/,="]+')
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True)
class Step:
    """A name, with its arguments as text."""

    name: str
    by_position: tuple[str, ...] = ()
    by_name: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        arguments = [
            *map(_write_value, self.by_position),
            *(f"{key}={_write_value(value)}" for key, value in self.by_name),
        ]
        return self.name + (":" + ",".join(arguments) if arguments else "")


def read_steps(text: str) -> list[Step]:
    """Read the steps of a pipeline.

    Raises:
        PipelineError: the text does not follow the grammar; the sentence says where.
    """
    if len(text) > MAX_TEXT:
        raise PipelineError(f"The pipeline is {len(text):,} characters long; the limit is {MAX_TEXT:,}.")
    return list(_steps(_Cursor(text))) if text else []


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


def _steps(cursor: _Cursor) -> Iterator[Step]:
    while True:
        name = cursor.take(_NAME)
        if name is None:
            raise cursor.error("an operation's name")
        step = _with_arguments(cursor, name) if cursor.skip(":") else Step(name)
        yield step
        if cursor.ended:
            return
        if not cursor.skip("/"):
            raise cursor.error("',' or '/'" if step != Step(name) else "':' or '/'")


def _with_arguments(cursor: _Cursor, name: str) -> Step:
    by_position: list[str] = []
    by_name: dict[str, str] = {}
    while True:
        before = cursor.at
        key = cursor.take(_NAME)
        if key is None or not cursor.skip("="):
            cursor.at = before
            key = None
        value = _value(cursor)
        if key is None and by_name:
            raise BadArgumentError(name, f"'{value}' is one argument too many, or follows one given by name.")
        if key is None:
            by_position.append(value)
        elif key in by_name:
            raise BadArgumentError(name, f"'{key}' is given twice.")
        else:
            by_name[key] = value
        if not cursor.skip(","):
            return Step(name, tuple(by_position), tuple(by_name.items()))


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


def _write_value(text: str) -> str:
    return text if _BARE.fullmatch(text) else json.dumps(text)
