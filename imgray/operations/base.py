"""What every operation is: a frozen value whose fields are its arguments, and that makes one picture of another.

Most operations only say in which modes they take an image, and what they make of it (`Operation.apply`). `Curve` is for
those that change each level by itself, `Tonal` for those that leave transparency alone, `Filter` for those that mix
neighbouring pixels, `Finish` for those that make the bytes of an output, `Fact` for those whose output says something
about the picture instead of showing it.
"""

from __future__ import annotations

import functools
import inspect
import json
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict

from imgray.codec import Encoded, ImageLimits
from imgray.errors import PathNotAllowedError
from imgray.modes import DEEP, EVERY, TONES, on_colours, premultiplied, suited
from imgray.picture import Picture, Size

Change: TypeAlias = Callable[[Image.Image], Image.Image]
"""From an image to another; the given one is never changed."""

SMALL_SIDE = 100
"""Most pixels of a side of the small copy that is enough for facts about an impression."""


def _refuse(path: str) -> bytes:
    raise PathNotAllowedError(path)


@dataclass(frozen=True, slots=True)
class Context:
    """What an operation may use beside its arguments.

    Attributes:
        limits: what every picture on the way keeps to.
        checkpoint: called between steps and frames; what it raises (a cancellation) ends the run.
        read: returns the content of a file that the operator allows to be read.
    """

    limits: ImageLimits = field(default_factory=ImageLimits)
    checkpoint: Callable[[], None] = lambda: None
    read: Callable[[str], bytes] = _refuse


class Operation(BaseModel):
    """One image transform.

    The fields, in order, are the arguments of the grammar (``resize:800,600``); their bounds are declared beside them
    and their JSON schema, documentation and error messages are generated from them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    name: ClassVar[str]
    """The operation's name in the grammar."""

    example: ClassVar[str]
    """A pipeline that shows the operation; it is tested, and stands in the documentation."""

    group: ClassVar[str]
    """The part of the reference in which it stands: see `GROUPS`."""

    picks_frames: ClassVar[bool] = False
    """True when it looks at more than the first frame to make one."""

    modes: ClassVar[frozenset[str]] = EVERY
    """The modes in which `apply` is given an image; one in another mode is converted first, see `imgray.modes`."""

    @classmethod
    def describe(cls) -> dict[str, Any]:
        """Return what a user needs to know: name, group, summary, example, and the arguments as a JSON schema."""
        schema = cls.model_json_schema(mode="serialization")  # in which defaults look as a user writes them
        return {
            "name": cls.name,
            "group": cls.group,
            "summary": inspect.cleandoc(cls.__doc__ or "").replace("``", "`"),
            "example": cls.example,
            "arguments": {"properties": schema.get("properties", {}), "required": schema.get("required", [])},
        }

    def size_after(self, size: Size) -> Size:
        """Return the width and height that `apply` gives an image of this one, or a larger bound.

        It is asked before the work, so that limits are kept beforehand.
        """
        return size

    def enough(self, size: Size) -> Size | None:  # noqa: ARG002  # of those operations that can do with less
        """Return the size to which an input of this one may be reduced without harm; None when every pixel counts."""
        return None

    @property
    def files(self) -> tuple[str, ...]:
        """The paths that its arguments name: what it makes depends on what is there."""
        return ()

    def anchored(self, folder: Path) -> Self:  # noqa: ARG002  # of those operations that name files
        """Return the operation with relative paths in its arguments taken from a folder."""
        return self

    def run(self, picture: Picture, context: Context) -> Picture:
        """Return the transformed picture; of an animation, each frame in the same way."""
        change = self.decide(suited(picture.frames[0], self.modes))

        def changed() -> Iterator[Image.Image]:
            for frame in picture.frames:
                context.checkpoint()
                yield change(suited(frame, self.modes))

        return picture.with_frames(changed())

    def decide(self, first: Image.Image) -> Change:  # noqa: ARG002  # of those operations that look at the image first
        """Return what is done to each frame, by a look at the first: what it depends on must not flicker."""
        return self.apply

    @abstractmethod
    def apply(self, image: Image.Image) -> Image.Image:
        """Return the transformed image; the given one, in one of `modes`, is never changed."""
        raise NotImplementedError

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the transformed image, for one in any mode."""
        return self.run(Picture.of(image), Context()).frames[0]


class Curve(Operation):
    """An operation that maps each level by itself; 16-bit grey stays 16-bit, alpha stays as it is."""

    modes: ClassVar[frozenset[str]] = DEEP

    def apply(self, image: Image.Image) -> Image.Image:
        """Look every level up in a table."""
        if image.mode == "I;16":
            return Image.fromarray(_table(self, 2**16).astype(np.uint16)[np.asarray(image)])
        table = _table(self, 2**8).astype(np.uint8).tolist()
        return on_colours(image, lambda colours: colours.point(table * len(colours.getbands())))

    @abstractmethod
    def level(self, level: float) -> float:
        """Return the new level; both are from 0 (black) to 1 (white), and what is beyond is clipped."""
        raise NotImplementedError


@functools.lru_cache(maxsize=64)
def _table(curve: Curve, size: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the new level of each level, both from 0 to ``size - 1``."""
    top = size - 1
    levels = [curve.level(level / top) for level in range(size)]
    table: np.ndarray[tuple[int], np.dtype[np.float64]] = np.rint(np.clip(levels, 0.0, 1.0) * top)
    return table


class Tonal(Operation):
    """An operation on colours or grey levels that leaves alpha as it is."""

    modes: ClassVar[frozenset[str]] = TONES

    def apply(self, image: Image.Image) -> Image.Image:
        """Change the colours, and put the alpha back."""
        return on_colours(image, self.tone)

    @abstractmethod
    def tone(self, colours: Image.Image) -> Image.Image:
        """Return the image in other colours; both are L or RGB (only RGB if `modes` is `imgray.modes.COLOURS`)."""
        raise NotImplementedError


class Filter(Operation):
    """An operation that mixes neighbouring pixels; what is transparent lends no colour to its neighbours."""

    modes: ClassVar[frozenset[str]] = TONES

    def apply(self, image: Image.Image) -> Image.Image:
        """Filter with the colours multiplied by alpha, and divide again."""
        return premultiplied(image, self.filtered)

    @abstractmethod
    def filtered(self, image: Image.Image) -> Image.Image:
        """Return the filtered image, in the same mode: L, La, RGB or RGBa."""
        raise NotImplementedError


class Finish(Operation):
    """An operation that makes the bytes of the output. It stands last in a pipeline."""

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the image as it is: the work is done in `finish`."""
        return image

    @property
    @abstractmethod
    def still(self) -> bool:
        """True when it makes nothing of an animation but its first frame."""
        raise NotImplementedError

    @abstractmethod
    def finish(self, picture: Picture) -> Encoded:
        """Return the output."""
        raise NotImplementedError

    @abstractmethod
    def output_format(self, source_format: str) -> str:
        """Name the format of the output (in `imgray.codec.formats.RESULTS`) for an input of the given format."""
        raise NotImplementedError


class Fact(Finish):
    """An operation that ends a pipeline by what it finds out about the picture, as JSON, instead of an image."""

    def run(self, picture: Picture, context: Context) -> Picture:  # noqa: ARG002  # nothing is changed
        """Return the picture as it is."""
        return picture

    @property
    def still(self) -> bool:
        """True: the first frame tells."""
        return True

    def output_format(self, source_format: str) -> str:  # noqa: ARG002  # the same for all
        """Name JSON."""
        return "json"

    def finish(self, picture: Picture) -> Encoded:
        """Write the facts as indented JSON; the size is that of the picture they are about."""
        text = json.dumps(self.facts(picture), indent=2, ensure_ascii=False, allow_nan=False)
        return Encoded(f"{text}\n".encode(), "json", *picture.full_size)

    @abstractmethod
    def facts(self, picture: Picture) -> dict[str, Any]:
        """Return what was found out, in values that JSON has, always in the same order."""
        raise NotImplementedError


def small_size(size: Size) -> Size:
    """Return the size of the small copy of a picture: no larger than the picture, in the same shape."""
    scale = min(SMALL_SIDE / max(size), 1.0)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def small_copy(picture: Picture) -> Image.Image:
    """Return the first frame in `TONES`, its pixels averaged down to `small_size`, weighted by their alpha."""
    return suited(picture.frames[0], TONES).resize(small_size(picture.full_size), Image.Resampling.BOX)
