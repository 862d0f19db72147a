"""Bytes to a picture: what a file would cost is looked up in its parts first, then it is decoded.

Whatever the bytes, each function answers, or raises an `ImageError`; nothing else escapes.
"""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from imgray.codec import metadata
from imgray.codec.colour import fits, to_srgb
from imgray.codec.containers import Contents, walk
from imgray.codec.faults import announced, faults_named
from imgray.codec.formats import Format
from imgray.codec.limits import ImageLimits
from imgray.codec.opened import Opened, opened
from imgray.codec.reading import WHOLE, ImageInfo, Reading
from imgray.errors import ImageCorruptError
from imgray.modes import as_rgb
from imgray.picture import Picture, Size, Source

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes an image upright, by its EXIF orientation (EXIF 3.0, tag 0x0112)."""

_SIDEWAYS = {5, 6, 7, 8}  # EXIF orientations that exchange width and height
_OPAQUE = (255, 255)
_LONGEST_MS = 655_350  # that every format can tell of a frame: 65535 hundredths of a second


def inspect(data: bytes | bytearray | memoryview, limits: ImageLimits, reading: Reading = WHOLE) -> ImageInfo:
    """Read an image's header, and see whether it visibly ends too early: no decoder sees it, nothing is decompressed.

    Raises:
        ImageError: the bytes are no image, over a limit, truncated or corrupt as far as the parts of the file tell.
    """
    fmt = announced(data)
    with faults_named(fmt):
        contents = _contents(memoryview(data), fmt, limits, reading)
    return ImageInfo(fmt.name, *contents.size, reading.wanted(contents.frames))


def decode(
    data: bytes | bytearray | memoryview,
    limits: ImageLimits,
    reading: Reading = WHOLE,
    enough: Callable[[Size], Size | None] = lambda _: None,
) -> Picture:
    """Decode an image: upright, in sRGB, all frames, unless told otherwise.

    Args:
        data: the file.
        limits: what it may cost.
        reading: how to read it; a partial one is for one thread of a process at a time.
        enough: says, given the full upright size, which size is enough for what comes next; None: all of it. A decoder
            that can reduce cheaply then does, to no less than that.

    Raises:
        ImageError: the bytes are no image, over a limit, truncated or corrupt.
        MemoryError: there is not enough of it.
    """
    fmt = announced(data)
    view = memoryview(data)
    with faults_named(fmt):
        contents = _contents(view, fmt, limits, reading)
        with opened(view, fmt, contents, limits, partial=reading.partial) as file:
            limits.check_size(file.image.size, reading.wanted(file.frames))
            return _picture(file, fmt, limits, reading, enough)


def _contents(view: memoryview, fmt: Format, limits: ImageLimits, reading: Reading) -> Contents:
    """Walk through the file, and hold what the walk finds against the limits."""
    contents = walk(view, fmt.name, limits.max_metadata_bytes)
    limits.check_metadata(contents.metadata_bytes)
    limits.check_scans(contents.scans)
    limits.check_size(contents.largest, reading.wanted(contents.frames))
    limits.check_size(contents.size)
    if not reading.partial:
        contents.check_whole()
    return contents


def _picture(
    file: Opened, fmt: Format, limits: ImageLimits, reading: Reading, enough: Callable[[Size], Size | None]
) -> Picture:
    image = file.image
    mode, full_size = image.mode, _upright(image.size, file, reading)
    wanted = enough(full_size)
    file.reduce(wanted and _upright(wanted, file, reading))
    reduced = full_size != _upright(image.size, file, reading)
    frames, durations = _read(file, limits, reading)
    size = full_size if reduced else frames[0].size  # which the header may have told wrongly
    exif, icc, xmp = metadata.exif_of(image), metadata.icc_of(image), metadata.xmp_of(image)
    limits.check_metadata(len(exif) + len(icc) + len(xmp))
    kept = icc if reading.colour == "keep" and fits(icc, frames[0].mode) else b""
    source = Source(fmt.name, size, mode, file.frames, exif, icc, xmp)
    return Picture(_alike(frames), source, tuple(durations), file.loop, kept, size)


def _upright(size: Size, file: Opened, reading: Reading) -> Size:
    """Exchange width and height, if that is what turning the image upright does."""
    return size[::-1] if reading.orient and file.orientation in _SIDEWAYS else size


def _read(file: Opened, limits: ImageLimits, reading: Reading) -> tuple[list[Image.Image], list[int]]:
    """Return the frames as operations take them, and how long each is shown."""
    frames: list[Image.Image] = []
    durations: list[int] = []
    try:
        for image, duration_ms in file.read(reading.wanted(file.frames), partial=reading.partial):
            frames.append(_finished(image, file, reading))
            durations.append(min(max(duration_ms, 0), _LONGEST_MS))
            limits.check_size(image.size, len(frames))  # which the header may have told wrongly
    except (OSError, SyntaxError, ValueError):
        if not (reading.partial and frames):
            raise
    if len({frame.size for frame in frames}) > 1:
        raise ImageCorruptError("its frames have different sizes")
    return frames, durations


def _finished(image: Image.Image, file: Opened, reading: Reading) -> Image.Image:
    """Turn a frame upright and bring its colours to sRGB."""
    icc = metadata.icc_of(file.image)
    if reading.orient and file.orientation in _TURNS:
        image = image.transpose(_TURNS[file.orientation])
    if reading.colour == "srgb":
        if icc and image.mode == "P":
            image = as_rgb(image)
        image = to_srgb(image, icc) if icc else image
        image = as_rgb(image) if image.mode == "CMYK" else image
    return image


def _alike(frames: list[Image.Image]) -> tuple[Image.Image, ...]:
    """Give the frames of an animation one mode: colours, with alpha if any shows through. Nothing else is kept."""
    for frame in frames:
        frame.info = {key: value for key, value in frame.info.items() if key == "transparency"}
    if len(frames) == 1:
        return tuple(frames)
    for number, frame in enumerate(frames):  # one by one, so that no two copies of all are there
        frames[number] = as_rgb(frame)
    opaque = all(frame.mode == "RGB" or frame.getchannel("A").getextrema() == _OPAQUE for frame in frames)
    mode = "RGB" if opaque else "RGBA"
    for number, frame in enumerate(frames):
        frames[number] = frame if frame.mode == mode else frame.convert(mode)
    return tuple(frames)
