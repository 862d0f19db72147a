"""A file in the hands of Pillow. The only module that gives hostile bytes to a decoder."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import ExifTags, Image, ImageFile, TiffImagePlugin

from imgray.codec import metadata
from imgray.codec.animation import composed
from imgray.codec.containers import Contents, gif, ico, jxl, png
from imgray.codec.containers.frames import StoredFrame
from imgray.codec.formats import Format
from imgray.codec.limits import ImageLimits
from imgray.codec.plain import plain
from imgray.codec.plugins import set_up
from imgray.codec.rows import load_rows
from imgray.errors import FormatNotInstalledError, ImageCorruptError
from imgray.modes import as_rgb
from imgray.picture import Size

_DRAWN_HERE = {"gif": gif, "png": png}
_OVERSAMPLING = 1.5  # how much larger than what is wanted a reduced JPEG stays; the rest is resampled


class Opened:
    """An image file whose header was read, and whose pixels can be."""

    def __init__(self, image: ImageFile.ImageFile, view: memoryview, fmt: Format, contents: Contents) -> None:
        self.image = image
        self._view = view
        self._format = fmt
        self._contents = contents
        self._orientation = metadata.orientation(image)  # of a TIFF, Pillow forgets it

    @property
    def frames(self) -> int:
        """How many frames there are; of animations that are not drawn here, as the decoder counts them."""
        if self._format.animates and self._format.name not in _DRAWN_HERE:
            return int(getattr(self.image, "n_frames", 1))
        return self._contents.frames

    @property
    def loop(self) -> int | None:
        """How often an animation is shown, 0 for ever; None when the file does not say."""
        if self._format.name == "gif":
            return gif.loop(self._view)
        if self._format.name == "avif":  # of which Pillow reads nothing; hardly any says something else
            return 0
        return metadata.number_of(self.image, "loop")

    @property
    def orientation(self) -> int:
        """The EXIF orientation, 1 to 8. In a PNG, it may stand after the pixels."""
        return self._orientation if self._orientation != 1 else metadata.orientation(self.image)

    def reduce(self, wanted: Size | None) -> None:
        """Have a JPEG decoded at a half, a quarter or an eighth of its size, if that is still enough.

        Args:
            wanted: width and height before it is turned; None for all of it.
        """
        if wanted is not None and self._format.name == "jpeg":
            width, height = wanted
            self.image.draft(None, (max(int(width * _OVERSAMPLING), 1), max(int(height * _OVERSAMPLING), 1)))

    def read(self, count: int, *, partial: bool) -> Iterator[tuple[Image.Image, int]]:
        """Decompress so many frames, each as it is seen and with how long, in milliseconds."""
        drawn = _DRAWN_HERE.get(self._format.name)
        if drawn and (count > 1 or not drawn.first_stands_alone(self._view)):
            stored = drawn.stored_frames(self._view)
            yield from itertools.islice(composed(stored, self._contents.size, _part), count)
        elif count == 1:
            yield self._still(partial=partial), 0
        else:
            for number in range(count):
                self.image.seek(number)
                self.image.load()
                yield plain(self.image.copy()), metadata.number_of(self.image, "duration") or 0

    def _still(self, *, partial: bool) -> Image.Image:
        image = self.image
        raw_mode = str(image.tile[0][3]) if image.tile else ""
        if isinstance(image, TiffImagePlugin.TiffImageFile):  # which would be turned by Pillow
            image.getexif()[ExifTags.Base.Orientation] = 1
        try:
            if partial or self._format.name != "png" or not load_rows(image, self._view):
                image.load()
        except (OSError, SyntaxError, ValueError):
            if not partial:
                raise
            image.tile = []
            image.load()  # what there is, if there is anything
        if image.mode == "P" and image.palette is None:
            raise ImageCorruptError("its palette is missing")
        # The pixels alone, without a copy: encoders take tags and more from images that are of their own class.
        return plain(image._new(image.im), raw_mode)  # noqa: SLF001


@contextmanager
def opened(
    view: memoryview, fmt: Format, contents: Contents, limits: ImageLimits, *, partial: bool
) -> Iterator[Opened]:
    """Open an image with the one decoder that its beginning asks for; others, some of which run programs, see nothing.

    Raises:
        FormatNotInstalledError: there is no such decoder.
    """
    set_up(limits)
    data, decoder = _needed(view, fmt)
    if decoder not in Image.OPEN:
        raise FormatNotInstalledError(fmt.name.upper())
    ImageFile.LOAD_TRUNCATED_IMAGES = partial
    try:
        with Image.open(_file(data), formats=[decoder]) as image:
            yield Opened(image, view, fmt, contents)
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _needed(view: memoryview, fmt: Format) -> tuple[bytes | memoryview, str]:
    """Return what a decoder need see of a file, and Pillow's name of that decoder."""
    if fmt.name == "ico":
        return ico.largest(view)
    return (jxl.needed(view) if fmt.name == "jxl" else view), fmt.pillow


def _file(data: bytes | memoryview) -> io.BytesIO:
    """Make a file of bytes, without a copy if it can be."""
    whole = data.obj if isinstance(data, memoryview) else data
    return io.BytesIO(whole if isinstance(whole, bytes) and len(whole) == len(data) else data)


def _part(frame: StoredFrame) -> Image.Image:
    with Image.open(io.BytesIO(frame.data), formats=[frame.format]) as image:
        raw_mode = str(image.tile[0][3])
        image.load()
        return as_rgb(plain(image, raw_mode)).convert("RGBA")
