"""``convert``: choose the output's format. The encoder reads its arguments; it stands last in a pipeline."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from imgray.codec import FORMATS, Encoded, Encoding, encode
from imgray.errors import PipelineError
from imgray.modes import has_alpha
from imgray.operations.arguments import split
from imgray.operations.base import Finish
from imgray.picture import Picture

Written = Literal["png", "jpeg", "webp", "avif", "gif", "tiff", "bmp", "ico", "jp2"]
Acceptable = Literal["avif", "webp"]

_LOSSY = {"jpeg", "webp", "avif", "jp2"}
_MAX_BYTES = 2**30


Accepted = Annotated[
    tuple[Acceptable, ...],
    BeforeValidator(split),
    AfterValidator(lambda formats: tuple(one for one in get_args(Acceptable) if one in formats)),
]


class Convert(Finish):
    """Encode the output. Without it, an output keeps the format of its input where it can.

    ``auto`` takes the first format of ``accept`` (over HTTP, what the ``Accept`` header names of AVIF and WebP), and
    else what every browser shows: JPEG, PNG for what is transparent, GIF for what moves. An animation stays one in
    PNG, WebP, AVIF and GIF; the other formats get its first frame. Metadata are stripped, but for the colour profile
    of colours that were kept.
    """

    name: ClassVar[str] = "convert"
    example: ClassVar[str] = "convert:webp,80"
    group: ClassVar[str] = "output"

    format: Written | Literal["auto"] = Field(description="The output's format.")
    quality: int = Field(default=85, ge=1, le=100, description="1 to 100, for JPEG, lossy WebP, AVIF and JPEG 2000.")
    lossless: bool = Field(default=False, description="WebP and JPEG 2000 only: keep every pixel as it is.")
    progressive: bool = Field(default=False, description="JPEG only: show a coarse image first, then refine it.")
    subsampling: Literal["420", "422", "444"] = Field(
        default="420", description="JPEG and AVIF only: how much of the chroma is kept; 444 is all of it."
    )
    max_bytes: int = Field(
        default=0, ge=0, le=_MAX_BYTES, description="Lossy formats only: lower the quality until it is no larger."
    )
    metadata: Literal["strip", "keep"] = Field(
        default="strip", description="Whether EXIF and XMP are kept; the orientation is always applied."
    )
    accept: Accepted = Field(default=(), description="auto only: formats that the receiver shows.")

    @model_validator(mode="before")
    @classmethod
    def _take_numbers(cls, values: object) -> object:
        """Take ``subsampling`` as a number, too, as JSON may have it."""
        if isinstance(values, dict) and isinstance(values.get("subsampling"), int):
            return {**values, "subsampling": str(values["subsampling"])}
        return values

    @model_validator(mode="after")
    def _only_where_it_means_something(self) -> Self:
        if self.lossless and self.format not in {"webp", "jp2"}:
            raise ValueError("lossless is for webp and jp2: png, gif, tiff, bmp and ico always are, the others never")
        if self.progressive and self.format not in {"jpeg", "auto"}:
            raise ValueError("progressive is for jpeg")
        if self.subsampling != "420" and self.format not in {"jpeg", "avif", "auto"}:
            raise ValueError("subsampling is for jpeg and avif")
        if self.max_bytes and (self.lossless or self.format not in _LOSSY):
            raise ValueError("max_bytes is for lossy formats: jpeg, webp, avif and jp2")
        if self.accept and self.format != "auto":
            raise ValueError("accept is for auto")
        return self

    @property
    def still(self) -> bool:
        """True when the format cannot hold an animation."""
        return self.format != "auto" and not FORMATS[self.format].animates

    def output_format(self, source_format: str) -> str:
        """Name the format.

        Raises:
            PipelineError: it is chosen by looking at the image.
        """
        if self.format == "auto" and not self.accept:
            raise PipelineError(f"'{source_format}' to 'convert:auto': here the format must be named beforehand.")
        return self.accept[0] if self.format == "auto" else self.format

    def finish(self, picture: Picture) -> Encoded:
        """Encode the picture."""
        fmt = self._choose(picture) if self.format == "auto" else self.format
        return encode(
            picture,
            Encoding(
                format=fmt,
                quality=self.quality,
                lossless=self.lossless,
                progressive=self.progressive and fmt == "jpeg",
                subsampling=self.subsampling,
                max_bytes=self.max_bytes,
                metadata=self.metadata == "keep",
            ),
        )

    def _choose(self, picture: Picture) -> str:
        if self.accept:
            return self.accept[0]
        if picture.animated:
            return "gif"
        return "png" if has_alpha(picture.frames[0]) or picture.frames[0].has_transparency_data else "jpeg"
