"""Operations that an operator adds: a Python function, made an operation by `operation`; a program, by `command`.

A function takes an image or an array and, after it, typed arguments, whose bounds stand beside them:

    @operation(example="halftone:4")
    def halftone(image: Image.Image, size: Annotated[int, Field(ge=2, le=64)] = 8) -> Image.Image:
        \"\"\"Draw the image as dots.\"\"\"
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import numpy as np
from PIL import Image
from pydantic import AfterValidator, Field, create_model

from imgray.codec import Encoding, Reading, decode, encode
from imgray.errors import (
    BadSettingError,
    CommandFailedError,
    ImageError,
    ImgrayError,
    OperationFailedError,
    OutOfMemoryError,
)
from imgray.modes import COLOURS
from imgray.operations import Context, Operation
from imgray.picture import Picture, Size
from imgray.process import ProgramLimits, run_program
from imgray.programs import MAX_TEXT, ArgumentRule, ChoiceRule, NumberRule, Program

_MARK = "__imgray_operation__"
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_Function = TypeVar("_Function", bound=Callable[..., Any])


def operation(
    *, name: str = "", example: str = "", modes: frozenset[str] = COLOURS
) -> Callable[[_Function], _Function]:
    """Make a function an operation; the function itself stays as it is.

    Args:
        name: its name in pipelines; the function's, if not given, with ``-`` for ``_``.
        example: a pipeline that shows it; the bare name, if not given.
        modes: the modes of Pillow in which it takes images: RGB and RGBA, if not given. An array has the shape (height,
            width, 3 or 4) then, and type uint8.

    Raises:
        TypeError: the function does not look like an operation.
    """

    def mark(function: _Function) -> _Function:
        setattr(function, _MARK, _of_function(function, name, example, modes))
        return function

    return mark


def operations_in(thing: object) -> list[type[Operation]]:
    """Return what a module has of operations, or what another thing is: a function that is marked, or a class."""
    things = [thing]
    if inspect.ismodule(thing):  # classes that it imported are somebody else's
        things = [one for one in vars(thing).values() if not inspect.isclass(one) or one.__module__ == thing.__name__]
    found = (one if inspect.isclass(one) else getattr(one, _MARK, None) for one in things)
    return [one for one in found if inspect.isclass(one) and issubclass(one, Operation)]


class FunctionOperation(Operation):
    """What operations made of functions have in common."""

    group: ClassVar[str] = "custom"
    function: ClassVar[Callable[..., Any]]
    takes_array: ClassVar[bool]

    def apply(self, image: Image.Image) -> Image.Image:
        """Call the function with a copy, which it may change, and see that an image comes back."""
        arguments = {name: getattr(self, name) for name in type(self).model_fields}
        try:
            made = self.function(np.array(image) if self.takes_array else image.copy(), **arguments)
            result = Image.fromarray(made) if isinstance(made, np.ndarray) else made
        except (ImgrayError, MemoryError):
            raise
        except Exception as error:  # whatever a stranger's function raises
            raise OperationFailedError(self.name, f"{type(error).__name__}: {error}") from error
        if not isinstance(result, Image.Image) or 0 in result.size:
            raise OperationFailedError(self.name, f"it returned {type(made).__name__}, no image")
        return result


def _of_function(function: Callable[..., Any], name: str, example: str, modes: frozenset[str]) -> type[Operation]:
    name = name or function.__name__.replace("_", "-")
    hints = typing.get_type_hints(function, include_extras=True)
    image, *arguments = inspect.signature(function).parameters.values()
    wanted = hints.get(image.name)
    takes_array = typing.get_origin(wanted) is np.ndarray or wanted is np.ndarray
    if not _NAME.fullmatch(name) or not (takes_array or wanted is Image.Image):
        raise TypeError(
            f"{function.__name__}: an operation has a name of a-z, 0-9 and -, and takes a PIL.Image.Image or an array."
        )
    fields = {}
    for argument in arguments:
        if argument.name not in hints:
            raise TypeError(f"{function.__name__}: give the argument '{argument.name}' a type.")
        default = ... if argument.default is argument.empty else argument.default
        fields[argument.name] = (_described(hints[argument.name]), default)
    made = _new(name, inspect.getdoc(function) or f"{name}, of the operator's.", FunctionOperation, fields)
    made.example = example or name
    made.modes = modes
    made.function = staticmethod(function)
    made.takes_array = takes_array
    return made  # type: ignore[no-any-return]  # a class made a moment ago


class CommandOperation(Operation):
    """What operations made of programs have in common: the image goes in as PNG, and an image comes back."""

    group: ClassVar[str] = "custom"
    program: ClassVar[Program]

    def run(self, picture: Picture, context: Context) -> Picture:
        """Run the program for each frame."""
        return picture.with_frames([self._made(frame, context) for frame in picture.frames])

    def size_after(self, size: Size) -> Size:
        """Return the size as it is: what comes back is held to the limits when it is decoded."""
        return size

    def apply(self, image: Image.Image) -> Image.Image:
        """Run the program for one image."""
        return self._made(image, Context())

    def _made(self, image: Image.Image, context: Context) -> Image.Image:
        program = self.program
        limits = ProgramLimits(program.timeout_s, program.memory_bytes, program.output_bytes)
        command = program.command_line({name: getattr(self, name) for name in type(self).model_fields})
        data = encode(Picture.of(image), Encoding("png")).data
        made = run_program(self.name, command, data, limits, context.checkpoint)
        try:
            return decode(made, context.limits, Reading(frames=1)).frames[0]
        except OutOfMemoryError:  # the process is worn out, whoever made the image
            raise
        except ImageError as error:
            raise CommandFailedError(self.name, "no image came back", str(error).rstrip(".")) from error


def command(name: str, program: Program) -> type[Operation]:
    """Make an operation of an allowed program.

    Raises:
        BadSettingError: this cannot be an operation's name.
    """
    if not _NAME.fullmatch(name):
        raise BadSettingError("COMMANDS", f"'{name}': an operation's name has a-z, 0-9 and -, and begins with a letter")
    fields = {argument: _field(rule) for argument, rule in program.arguments.items()}
    made = _new(name, program.summary, CommandOperation, fields)
    made.example = ":".join([name, *(["…"] if any(default is ... for _, default in fields.values()) else [])])
    made.program = program
    return made  # type: ignore[no-any-return]  # a class made a moment ago


def _field(rule: ArgumentRule) -> tuple[Any, Any]:
    """Return the type and the default of an argument that a rule describes."""
    default = ... if rule.default is None else rule.default
    description = rule.description or "See the operator's documentation."
    if isinstance(rule, NumberRule):
        kind = int if rule.type == "integer" else float
        bounds = Field(ge=kind(rule.minimum), le=kind(rule.maximum), description=description)
        return Annotated[kind, bounds], default if default is ... else kind(default)
    if isinstance(rule, ChoiceRule):
        return Annotated[Literal[rule.choices], Field(description=description)], default
    whole = re.compile(rule.pattern)

    def fits(value: str) -> str:
        if value.startswith("-") or not whole.fullmatch(value):
            raise ValueError(f"it must match {rule.pattern} and not begin with a minus")
        return value

    return Annotated[str, AfterValidator(fits), Field(max_length=MAX_TEXT, description=description)], default


def _described(kind: Any) -> Any:  # noqa: ANN401  # any type that pydantic knows
    return Annotated[kind, Field(description="See the operator's documentation.")]


def _new(name: str, summary: str, base: type[Operation], fields: dict[str, Any]) -> Any:  # noqa: ANN401
    """Make a class; its class variables are its maker's to set."""
    made: Any = create_model(name, __base__=base, __doc__=summary, **fields)
    made.name = name
    return made
