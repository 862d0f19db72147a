"""Frames of an animation, each drawn over those before it, as browsers do.

Pillow's own way differs for GIF (what is cleared gets the background colour, not transparent) and for APNG (what is
half transparent gets too dark where it comes over something transparent).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from PIL import Image

from imgray.codec.containers.frames import Blend, Disposal, StoredFrame
from imgray.picture import Size

_CLEAR = (0, 0, 0, 0)


def composed(
    stored: Iterable[StoredFrame], size: Size, read: Callable[[StoredFrame], Image.Image]
) -> Iterator[tuple[Image.Image, int]]:
    """Yield each frame as it is seen, as RGBA, and how long it is shown, in milliseconds.

    Args:
        stored: the frames.
        size: that of the whole.
        read: decodes a frame as RGBA.
    """
    canvas = Image.new("RGBA", size, _CLEAR)
    for frame in stored:
        part = read(frame)
        before = canvas.copy() if frame.disposal is Disposal.RESTORE else None
        if frame.blend is Blend.OVER:
            _lay_over(canvas, part, frame.at)
        else:
            canvas.paste(part, frame.at)
        yield canvas.copy(), frame.duration_ms
        if before is not None:
            canvas = before
        elif frame.disposal is Disposal.CLEAR:
            left, top = frame.at
            canvas.paste(_CLEAR, (left, top, left + part.width, top + part.height))


def _lay_over(canvas: Image.Image, part: Image.Image, at: tuple[int, int]) -> None:
    """Compose a part, as much of it as lies on the canvas."""
    width, height = (min(side, whole - place) for side, whole, place in zip(part.size, canvas.size, at, strict=True))
    if width > 0 and height > 0:
        canvas.alpha_composite(part.crop((0, 0, width, height)), at)
