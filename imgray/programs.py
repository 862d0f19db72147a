"""Programs that an operator allows imgray to run, as a setting describes them: nothing else is ever run."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_TEXT = 1000
"""Most characters of an argument."""

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
"""Where an argument's value goes in a program's command line."""


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = ""


class NumberRule(_Rule):
    """A number between two others."""

    type: Literal["integer", "number"]
    minimum: float
    maximum: float
    default: float | None = None


class ChoiceRule(_Rule):
    """One of a few words."""

    type: Literal["choice"]
    choices: tuple[str, ...] = Field(min_length=1)
    default: str | None = None


class TextRule(_Rule):
    """A text that a regular expression describes from its first to its last character.

    It never begins with a minus, so that no program takes it for an option.
    """

    type: Literal["text"]
    pattern: str
    default: str | None = None

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"pattern '{self.pattern}' is no regular expression: {error}") from error
        return self


ArgumentRule = Annotated[NumberRule | ChoiceRule | TextRule, Field(discriminator="type")]


class Program(BaseModel):
    """A program, the arguments that a caller may choose, and what it may use.

    ``{name}`` in the command line stands for the argument of that name. There is no shell.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: tuple[str, ...] = Field(min_length=1)
    summary: str = "Run a program of the operator's."
    arguments: dict[str, ArgumentRule] = {}
    timeout_s: float = Field(default=30.0, gt=0)
    memory_bytes: int = Field(default=2**30, ge=2**24)
    output_bytes: int = Field(default=64 * 2**20, ge=1)

    @model_validator(mode="after")
    def _places_match(self) -> Self:
        places = {name for part in self.run for name in PLACEHOLDER.findall(part)}
        if PLACEHOLDER.search(self.run[0]):
            raise ValueError("the program itself is no argument: name it")
        if places != self.arguments.keys():
            raise ValueError(f"run names {sorted(places)}, arguments {sorted(self.arguments)}: make them agree")
        return self

    def command_line(self, values: dict[str, Any]) -> list[str]:
        """Return the command line, with each place filled."""
        return [PLACEHOLDER.sub(lambda match: _written(values[match[1]]), part) for part in self.run]


def _written(value: object) -> str:
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
