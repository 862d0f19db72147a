"""Programs that an operator allows imgray to run, as a setting describes them: nothing else is ever run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from imgray.errors import JobArgumentError, PathNotAllowedError, SourceUnreadableError

MAX_TEXT = 1000
"""Most characters of an argument."""

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
"""Where an argument's value goes in a program's command line."""

PATH = "path"
"""The place of a job's path."""

MAX_TIMEOUT_S = 30 * 86_400.0
"""Longest run of a job."""


_SETTING = "jobs, folders"  # which says where a path may lie


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


class _Runnable(BaseModel):
    """A program and the arguments that a caller may choose; ``{name}`` stands for one. There is no shell."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    given: ClassVar[frozenset[str]] = frozenset()
    """Places in the command line that are no arguments."""

    run: tuple[str, ...] = Field(min_length=1)
    summary: str = "Run a program of the operator's."
    arguments: dict[str, ArgumentRule] = {}

    @model_validator(mode="after")
    def _places_match(self) -> Self:
        if PLACEHOLDER.search(self.run[0]):
            raise ValueError("the program itself is no argument: name it")
        if taken := self.given & self.arguments.keys():
            raise ValueError(f"no argument can be called {min(taken)}: choose another name")
        if (places := self._places - self.given) != self.arguments.keys():
            raise ValueError(f"run names {sorted(places)}, arguments {sorted(self.arguments)}: make them agree")
        return self

    @property
    def _places(self) -> set[str]:
        return {name for part in self.run for name in PLACEHOLDER.findall(part)}

    def _filled(self, values: dict[str, Any]) -> list[str]:
        return [PLACEHOLDER.sub(lambda match: _written(values[match[1]]), part) for part in self.run]


class Program(_Runnable):
    """A program that makes an operation: an image goes in, and an image comes out."""

    timeout_s: float = Field(default=30.0, gt=0)
    memory_bytes: int = Field(default=2**30, ge=2**24)
    output_bytes: int = Field(default=64 * 2**20, ge=1)

    def command_line(self, values: dict[str, Any]) -> list[str]:
        """Return the command line, with each place filled."""
        return self._filled(values)


class JobProgram(_Runnable):
    """A program that is run for its own sake, on a worker; ``{path}`` stands for a path inside ``folders``."""

    given: ClassVar[frozenset[str]] = frozenset({PATH})

    folders: tuple[Path, ...] = ()
    timeout_s: float = Field(default=3600.0, gt=0, le=MAX_TIMEOUT_S)
    memory_bytes: int = Field(default=2**30, ge=2**24)
    file_bytes: int = Field(default=2**30, ge=0)
    output_bytes: int = Field(default=2 * 2**20, ge=2**12)
    grace_s: float = Field(default=5.0, ge=0, le=MAX_TIMEOUT_S)

    @model_validator(mode="after")
    def _folders_match(self) -> Self:
        if (PATH in self._places) != bool(self.folders):
            raise ValueError("{path} in run and folders need each other: name the folders in which a path may lie")
        if relative := [folder for folder in self.folders if not folder.expanduser().is_absolute()]:
            raise ValueError(f"'{relative[0]}' is no absolute path: a worker is at home anywhere")
        return self

    def check(self, path: Path | str | None, arguments: Mapping[str, str]) -> None:
        """See that this can be asked of the program, as far as that can be said without looking at any file.

        Raises:
            JobArgumentError: an argument is unknown, missing, or not one that its rule allows.
            PathNotAllowedError: the path leaves the folders, as it is written.
        """
        self._values(arguments)
        if path and not self.folders:
            raise JobArgumentError(PATH, "this command takes none")
        if self.folders and not path:
            raise JobArgumentError(PATH, "this command needs one")
        if path and not _inside(os.path.normpath(_full(path, self.folders)), map(_expanded, self.folders)):
            raise PathNotAllowedError(str(path), _SETTING)

    def command_line(self, path: Path | str | None, arguments: Mapping[str, str]) -> list[str]:
        """Return the command line, with each place filled; to be called where the program will run.

        Raises:
            JobArgumentError, PathNotAllowedError: as `check` does.
            PathNotAllowedError, SourceUnreadableError: as `resolve` does.
        """
        self.check(path, arguments)
        values = self._values(arguments)
        return self._filled({**values, PATH: resolve(path, self.folders)} if path else values)

    def _values(self, arguments: Mapping[str, str]) -> dict[str, object]:
        if unknown := arguments.keys() - self.arguments.keys():
            names = ", ".join(sorted(self.arguments)) or "none at all"
            raise JobArgumentError(min(unknown), f"there is none of this name, but {names}")
        return {name: _value(name, rule, arguments.get(name)) for name, rule in self.arguments.items()}


def resolve(path: Path | str, folders: Sequence[Path]) -> Path:
    """Follow every link, and see that something is there, inside one of the folders.

    Args:
        path: an absolute one, or one that is relative to the first folder.
        folders: those that the operator named.

    Raises:
        PathNotAllowedError: it is outside.
        SourceUnreadableError: it is inside, but there is nothing.
    """
    roots = [os.path.realpath(_expanded(folder)) for folder in folders]
    try:
        real = os.path.realpath(_full(path, folders))
    except ValueError as error:  # no file can have such a name
        raise PathNotAllowedError(str(path), _SETTING) from error
    if not _inside(real, roots):
        raise PathNotAllowedError(str(path), _SETTING)
    try:
        there = os.path.realpath(real, strict=True)
    except OSError as error:
        raise SourceUnreadableError(str(path), error.strerror or str(error)) from error
    if not _inside(there, roots):  # somebody has put a link there meanwhile
        raise PathNotAllowedError(str(path), _SETTING)
    return Path(there)


def _expanded(folder: Path) -> str:
    return os.path.normpath(folder.expanduser())


def _full(path: Path | str, folders: Sequence[Path]) -> Path:
    return Path(*map(_expanded, folders[:1]), path)


def _inside(path: str, folders: Iterable[str]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)


def _value(name: str, rule: ArgumentRule, text: str | None) -> object:
    """Return the value of a job's argument, in its rule's type.

    Raises:
        JobArgumentError: it is missing, or not allowed.
    """
    if text is None:
        if rule.default is None:
            raise JobArgumentError(name, "it is missing, and has no default")
        return int(rule.default) if isinstance(rule, NumberRule) and rule.type == "integer" else rule.default
    match rule:
        case NumberRule():
            return _number(name, rule, text)
        case ChoiceRule():
            if text not in rule.choices:
                raise JobArgumentError(name, f"it must be one of {', '.join(rule.choices)}")
        case TextRule():
            if len(text) > MAX_TEXT or text.startswith("-") or not re.fullmatch(rule.pattern, text):
                raise JobArgumentError(
                    name,
                    f"it must match {rule.pattern}, not begin with a minus, and have at most {MAX_TEXT} characters",
                )
            if "\0" in text or not _is_utf8(text):
                raise JobArgumentError(name, "no command line can hold it")
    return text


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeError:
        return False
    return True


def _number(name: str, rule: NumberRule, text: str) -> float:
    try:
        number = int(text) if rule.type == "integer" else float(text)
    except ValueError as error:
        raise JobArgumentError(name, f"'{text}' is no {rule.type}") from error
    if not rule.minimum <= number <= rule.maximum:
        raise JobArgumentError(name, f"it must be from {rule.minimum:g} to {rule.maximum:g}")
    return number


def _written(value: object) -> str:
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
