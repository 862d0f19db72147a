"""``frame``: pick one frame of an animation."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from PIL import Image
from pydantic import Field

from imgray.errors import FrameNotFoundError
from imgray.operations.base import Context, Operation
from imgray.operations.decode import MAX_FRAMES
from imgray.picture import Picture


class Frame(Operation):
    """Pick one frame of an animation, and make a still image of it. A still image has one frame, number 0."""

    name: ClassVar[str] = "frame"
    example: ClassVar[str] = "frame:0"
    group: ClassVar[str] = "geometry"
    picks_frames: ClassVar[bool] = True

    number: int = Field(
        default=0, ge=-MAX_FRAMES, lt=MAX_FRAMES, description="Which frame: 0 is the first, -1 the last."
    )

    def run(self, picture: Picture, context: Context) -> Picture:  # noqa: ARG002  # a frame is picked in no time
        """Leave the other frames away.

        Raises:
            FrameNotFoundError: there is no such frame.
        """
        count = len(picture.frames)
        if not -count <= self.number < count:
            raise FrameNotFoundError(count, self.number)
        return replace(picture, frames=(picture.frames[self.number],), durations_ms=(0,), loop=None)

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the image as it is: frames are picked in `run`."""
        return image
