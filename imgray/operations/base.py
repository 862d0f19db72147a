"""What every operation is: a frozen value whose fields are its arguments, with an ``apply`` from image to image."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from PIL import Image
from pydantic import BaseModel, ConfigDict


class Operation(BaseModel):
    """One image transform.

    The fields, in order, are the arguments of the grammar (``resize:800,600``); their bounds are declared beside them
    and their JSON schema, documentation and error messages are generated from them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_enum_values=True)

    name: ClassVar[str]
    """The operation's name in the grammar."""

    example: ClassVar[str]
    """A pipeline that shows the operation; it is tested, and stands in the documentation."""

    @classmethod
    def describe(cls) -> dict[str, Any]:
        """Return what a user needs to know: name, summary, example, and the arguments as a JSON schema."""
        schema = cls.model_json_schema()
        return {
            "name": cls.name,
            "summary": inspect.cleandoc(cls.__doc__ or "").replace("``", "`"),
            "example": cls.example,
            "arguments": {"properties": schema.get("properties", {}), "required": schema.get("required", [])},
        }

    def size_after(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the width and height that `apply` gives an image of this one, so that limits are kept beforehand."""
        return size

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the transformed image; the given one may be changed only if it is the one returned."""
        raise NotImplementedError
