"""Whatever a decoder throws, as the `ImageError` that says it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import UnidentifiedImageError

from imgray.codec.formats import FORMATS, HEAD_BYTES, Format, sniff
from imgray.errors import (
    EmptyImageError,
    FormatNotInstalledError,
    ImageCorruptError,
    ImageError,
    ImageTruncatedError,
    NotAnImageError,
    OutOfMemoryError,
)

_OUT_OF_MEMORY = ("memory", "bad_alloc")  # as libavif, libheif, OpenJPEG and libjxl say it
_TRUNCATED = ("truncated", "end of file")
_SAYS_NOTHING = "generic error"  # which is all that libjxl says, and how to build it such that it says more
_LONGEST = 200  # characters of a decoder's own words


def announced(data: bytes | bytearray | memoryview) -> Format:
    """Return the format that the content announces.

    Raises:
        EmptyImageError, NotAnImageError, FormatNotInstalledError: there is none that can be read.
    """
    head = bytes(data[:HEAD_BYTES])
    if not head:
        raise EmptyImageError
    name = sniff(head)
    if name is None:
        raise NotAnImageError(_hint(head))
    fmt = FORMATS[name]
    if fmt.plugin and importlib.util.find_spec(fmt.plugin) is None:
        raise FormatNotInstalledError(fmt.name.upper())
    return fmt


@contextmanager
def faults_named(fmt: Format) -> Iterator[None]:
    """Turn whatever a decoder throws at data of a format into the `ImageError` that says it.

    Raises:
        ImageError: always, instead of any other exception but `MemoryError`.
    """
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise ImageCorruptError(f"it starts as {fmt.name}, but its header cannot be read") from error
    except Exception as error:  # a decoder may throw anything at hostile bytes
        raise _named(error) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # what a decoder in Rust throws is no `Exception`
            raise
        raise _named(error) from error


def _named(error: BaseException) -> ImageError:
    detail = (str(error).strip() or type(error).__name__).splitlines()[0][:_LONGEST].rstrip(". ")
    if any(words in detail.lower() for words in _OUT_OF_MEMORY):
        return OutOfMemoryError()
    if _SAYS_NOTHING in detail.lower():
        return ImageCorruptError("its decoder found an error")
    if any(words in detail.lower() for words in _TRUNCATED) or isinstance(error, EOFError):
        return ImageTruncatedError(detail)
    return ImageCorruptError(detail)


def _hint(head: bytes) -> str:
    """Guess what it is instead, as a sentence with a space before it."""
    if b"<svg" in head.lower():
        return " SVG is not supported: it is a program to run, not an image to decode."
    if head.startswith(b"%PDF"):
        return " It is a PDF."
    return " It looks like text." if head.isascii() else ""
