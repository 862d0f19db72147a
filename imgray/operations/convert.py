"""``convert``: choose the format of the output. It changes no pixel, and stands last in a pipeline."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from PIL import Image
from pydantic import Field, model_validator

from imgray.operations.base import Operation


class Convert(Operation):
    """Encode the output as PNG, JPEG or WebP. Without it, an output keeps the format of its input where it can."""

    name: ClassVar[str] = "convert"
    example: ClassVar[str] = "convert:webp,80"

    format: Literal["png", "jpeg", "webp"] = Field(description="The output's format.")
    quality: int = Field(default=85, ge=1, le=100, description="1 to 100, for JPEG and lossy WebP.")
    lossless: bool = Field(default=False, description="WebP only: keep every pixel as it is.")

    @model_validator(mode="after")
    def _only_where_it_means_something(self) -> Self:
        if self.lossless and self.format != "webp":
            raise ValueError("lossless is for webp: png is always lossless, jpeg never")
        return self

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the image as it is: the encoder does the work."""
        return image
