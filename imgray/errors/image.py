"""What is wrong with an image, or with what was to be made of it."""

from __future__ import annotations

from imgray.errors.base import RequestError


class ImageError(RequestError):
    """The bytes are not an image that imgray takes."""

    code = "bad_image"
    status = 422


class EmptyImageError(ImageError):
    """There are no bytes at all."""

    code = "image_empty"
    status = 400
    sentence = "The image is empty: 0 bytes were sent."


class NotAnImageError(ImageError):
    """The content is not of a known image format."""

    status = 415
    sentence = "The content is not an image in a format that imgray reads.{0}"


class FormatNotInstalledError(ImageError):
    """The format is one that imgray reads with a package that is not installed."""

    status = 415
    sentence = (
        "The content is a {0} image; this service cannot read it. Its operator can: pip install 'imgray[formats]'."
    )


class ImageTruncatedError(ImageError):
    """The image ends before its end."""

    sentence = "The image is truncated ({0}). Send the whole file."


class ImageCorruptError(ImageError):
    """The image contradicts its own format."""

    sentence = "The image is corrupt ({0})."


class TooManyPixelsError(ImageError):
    """The image is over ``max_pixels``, all frames together, as its header or the pipeline says."""

    status = 413
    sentence = "The image has {0} by {1} pixels{3}; the limit is {2:,} in all (setting max_pixels)."

    def __init__(self, width: int, height: int, limit: int, frames: int | str = 1) -> None:
        words = frames if isinstance(frames, str) else f" in {frames:,} frames" if frames > 1 else ""
        super().__init__(width, height, limit, words)


class TooWideError(ImageError):
    """A side of the image is over ``max_side``."""

    status = 413
    sentence = "The image has {0} by {1} pixels; a side may have {2:,} (setting max_side)."


class TooManyFramesError(ImageError):
    """The animation is over ``max_frames``."""

    status = 413
    sentence = "The animation has {0:,} frames; the limit is {1:,} (setting max_frames)."


class FrameNotFoundError(ImageError):
    """A frame was asked for that the animation does not have."""

    sentence = "The animation has {0} frames; there is no frame {1}."


class TooManyScansError(ImageError):
    """The progressive JPEG has so many scans that it can only be meant to keep a decoder busy."""

    status = 413
    sentence = "The JPEG has {0:,} scans; the limit is {1:,}. Save it again with an ordinary encoder."


class MetadataTooLargeError(ImageError):
    """The metadata (EXIF, colour profile, comments) are over ``max_metadata_bytes``."""

    status = 413
    sentence = "The image has {0:,} bytes of metadata; the limit is {1:,} (setting max_metadata_bytes). Strip it."


class OutputTooLargeError(ImageError):
    """The result does not fit into ``max_bytes``, whatever the quality."""

    sentence = "The result has {0:,} bytes at the lowest quality; max_bytes is {1:,}. Make it smaller first."


class TooLargeForFormatError(ImageError):
    """A side of the result is longer than its format allows."""

    sentence = "The result has {0} by {1} pixels; {2} allows {3:,} a side. Make it smaller, or choose another format."


class EncodingFailedError(ImageError):
    """The encoder refused the result."""

    sentence = "The result cannot be written as {0}: {1}. Choose another format."


class OutOfMemoryError(ImageError):
    """An image needs more memory than ``max_memory_bytes``."""

    status = 413
    sentence = "The image needs more memory than a worker may use (setting max_memory_bytes)."


class OverlayError(ImageError):
    """The image that an overlay names is not one that imgray takes."""

    sentence = "The overlay '{0}': {1}"


class CommandFailedError(ImageError):
    """A program of the operator's that makes an operation did not make an image."""

    sentence = "Command '{0}' failed, {1}: {2}."


class CommandTimeoutError(ImageError):
    """A program of the operator's took longer than its ``timeout_s``."""

    sentence = "Command '{0}' was ended after {1:g} s (timeout_s in the setting commands)."
