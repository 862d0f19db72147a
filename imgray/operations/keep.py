"""``keep``: the input itself is the output."""

from __future__ import annotations

from typing import ClassVar

from imgray.codec import FALLBACK, FORMATS, Encoded, Encoding, encode
from imgray.operations.base import Finish
from imgray.picture import Picture


class Keep(Finish):
    """Hand over the input as it came, byte for byte, metadata and all: to have the original beside what is made of it.

    Its header is read, and no pixel. It stands alone in a pipeline.
    """

    name: ClassVar[str] = "keep"
    example: ClassVar[str] = "keep"
    group: ClassVar[str] = "output"

    @property
    def still(self) -> bool:
        """False: nothing of an animation is left out."""
        return False

    def output_format(self, source_format: str) -> str:
        """Name that of the input."""
        return source_format

    def finish(self, picture: Picture) -> Encoded:
        """Encode a picture of which there is no file, in the format that its file had if that can be."""
        fmt = FORMATS[picture.source.format]
        return encode(picture, Encoding(fmt.name if fmt.writes and fmt.keeps else FALLBACK))
