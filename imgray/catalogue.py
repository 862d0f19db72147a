"""The catalogue: which operations there are, by name, and pipelines made of them, from text, JSON or Python."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from pydantic import ValidationError

from imgray.errors import BadArgumentError, PipelineError, UnknownOperationError
from imgray.grammar import Step, read_steps
from imgray.operations import OPERATIONS, Operation
from imgray.pipeline import Pipeline

PipelineLike: TypeAlias = "str | Pipeline | Operation | Sequence[Mapping[str, Any]]"
"""A pipeline in any of its forms: text, JSON steps, one operation, or a pipeline."""

PRESET = "preset"
"""The step that stands for a pipeline which the operator named: ``preset:thumb``."""

_REMEMBERED = 1024
_SHOWN = 80  # characters of a bad argument in the sentence that refuses it


class Catalogue:
    """Operations by name, and presets: pipelines that the operator named.

    A service sees few different pipelines, many times each: those parsed last are remembered. What is refused is not.
    """

    def __init__(
        self, operations: Iterable[type[Operation]] = OPERATIONS, presets: Mapping[str, str] | None = None
    ) -> None:
        """Gather operations and presets.

        Raises:
            PipelineError: a preset is no pipeline.
        """
        self.operations: Mapping[str, type[Operation]] = {operation.name: operation for operation in operations}
        self.presets: dict[str, Pipeline] = {}
        self._parse = lru_cache(maxsize=_REMEMBERED)(self._read)
        for name, text in (presets or {}).items():
            self.presets[name] = self.parse(text)

    def parse(self, text: str) -> Pipeline:
        """Read the grammar, or the JSON form as text.

        Raises:
            PipelineError: the text is no pipeline; `UnknownOperationError` and `BadArgumentError` say more.
        """
        text = text.strip()
        if not text.startswith("["):
            return self._parse(text)
        try:
            return self.from_json(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise PipelineError(f"The pipeline starts like JSON, but is none: {error}.") from error

    def from_json(self, steps: Sequence[Mapping[str, Any]]) -> Pipeline:
        """Read the JSON form: a list of objects, each with ``op`` and the operation's arguments by name.

        Raises:
            PipelineError: as for `parse`.
        """
        operations: list[Operation] = []
        for step in steps:
            if not isinstance(step, Mapping) or not isinstance(step.get("op"), str):
                raise PipelineError('Each step of a JSON pipeline is an object with a string "op".')
            arguments = {key: value for key, value in step.items() if key != "op"}
            if step["op"] == PRESET:
                operations += self._preset([str(arguments.get("name", ""))])
            else:
                operations.append(self._build(step["op"], arguments))
        return Pipeline(tuple(operations))

    def parse_named(self, texts: Iterable[str]) -> dict[str, Pipeline]:
        """Read pipelines with the names of their outputs: ``small=resize:320``.

        Raises:
            PipelineError: as for `parse`, or a name is missing or comes twice.
        """
        named: dict[str, Pipeline] = {}
        for text in texts:
            name, equals, pipeline = text.partition("=")
            if not equals or name in named:
                raise PipelineError(f"Output '{text}': give each name once, and its pipeline, as in small=resize:320.")
            named[name] = self.parse(pipeline)
        return named

    def take(self, value: PipelineLike) -> Pipeline:
        """Take a pipeline in any of its forms.

        Raises:
            PipelineError: as for `parse`.
        """
        if isinstance(value, Pipeline):
            return value
        if isinstance(value, Operation):
            return Pipeline((value,))
        return self.parse(value) if isinstance(value, str) else self.from_json(value)

    def _read(self, text: str) -> Pipeline:
        operations: list[Operation] = []
        for step in read_steps(text):
            if step.name == PRESET:
                operations += self._preset([*step.by_position, *(value for _, value in step.by_name)])
            else:
                operations.append(self._build(step.name, self._named(step)))
        return Pipeline(tuple(operations))

    def _preset(self, names: Sequence[str]) -> tuple[Operation, ...]:
        """Return the steps that a preset stands for; so a task keeps meaning what it meant when it was submitted."""
        if len(names) != 1:
            raise BadArgumentError(PRESET, "give the one name of a preset.")
        if names[0] not in self.presets:
            hint = _nearest(names[0], self.presets)
            known = ", ".join(sorted(self.presets)) or "none; they are named in the setting presets"
            raise BadArgumentError(
                PRESET,
                f"there is no preset '{names[0]}'. " + (f"Did you mean '{hint}'?" if hint else f"Known: {known}."),
            )
        return self.presets[names[0]].operations

    def _named(self, step: Step) -> dict[str, str]:
        """Give the arguments that stand by position their names."""
        fields = list(self._operation(step.name).model_fields)
        if len(step.by_position) > len(fields):
            extra = step.by_position[len(fields)]
            raise BadArgumentError(step.name, f"'{extra}' is one argument too many, or follows one given by name.")
        arguments = dict(zip(fields, step.by_position, strict=False))
        for key, value in step.by_name:
            if key in arguments:
                raise BadArgumentError(step.name, f"'{key}' is given twice.")
            arguments[key] = value
        return arguments

    def _operation(self, name: str) -> type[Operation]:
        try:
            return self.operations[name]
        except KeyError:
            near = _nearest(name, [*self.operations, PRESET])
            hint = f"Did you mean '{near}'?" if near else "GET /v1/operations lists them all."
            raise UnknownOperationError(name, hint) from None

    def _build(self, name: str, arguments: Mapping[str, Any]) -> Operation:
        operation = self._operation(name)
        for key in arguments:
            if key not in operation.model_fields:
                hint = _nearest(key, operation.model_fields)
                known = ", ".join(operation.model_fields) or "none"
                raise BadArgumentError(
                    name,
                    f"there is no argument '{key}'." + (f" Did you mean '{hint}'?" if hint else f" Known: {known}."),
                )
        try:
            return operation(**arguments)
        except ValidationError as error:
            raise BadArgumentError(name, _sentence(error)) from error


BUILT_IN = Catalogue()
"""The catalogue of a service whose operator added nothing."""


def _sentence(error: ValidationError) -> str:
    parts = []
    for problem in error.errors(include_url=False):
        where = ".".join(str(part) for part in problem["loc"])
        what = problem["msg"].removeprefix("Value error, ")
        given = f", not {_shown(problem['input'])}" if where and problem["type"] != "missing" else ""
        parts.append(f"{where}: {what[0].lower()}{what[1:]}{given}" if where else what)
    return "; ".join(parts) + "."


def _shown(value: object) -> str:
    """Show what was given, or the beginning of it."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a mistyped one most resembles, if any does."""
    matches = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None
