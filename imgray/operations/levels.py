"""``levels``: black point, white point, gamma, and the range of the result."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from imgray.operations.base import Curve


class Levels(Curve):
    """Stretch the levels from a black point to a white point over the whole range, or over another one.

    What is darker than the black point becomes black, what is lighter than the white point white. ``gamma`` lightens
    (above 1) or darkens (below 1) what is between. Points are levels of 255, also in 16 bits, where they need not be
    whole. An ``out_black`` above ``out_white`` gives a negative.
    """

    name: ClassVar[str] = "levels"
    example: ClassVar[str] = "levels:40,200,1.3"
    group: ClassVar[str] = "colour"

    black: float = Field(default=0, ge=0, le=255, description="What becomes black.")
    white: float = Field(default=255, ge=0, le=255, description="What becomes white.")
    gamma: float = Field(default=1, ge=0.1, le=10, description="1 leaves the levels between in proportion.")
    out_black: float = Field(default=0, ge=0, le=255, description="What black becomes in the end.")
    out_white: float = Field(default=255, ge=0, le=255, description="What white becomes in the end.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.black >= self.white:
            raise ValueError("black must be below white; for a negative, give out_black above out_white")
        return self

    def level(self, level: float) -> float:
        """Stretch, bend and stretch again."""
        stretched = (level * 255 - self.black) / (self.white - self.black)
        bent = min(max(stretched, 0.0), 1.0) ** (1 / self.gamma)
        return float(self.out_black + bent * (self.out_white - self.out_black)) / 255
