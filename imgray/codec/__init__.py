"""Bytes to pixels and back: sniff, inspect, decode, encode."""

from imgray.codec.decode import decode, inspect
from imgray.codec.encode import Encoded, Encoding, encode
from imgray.codec.formats import FALLBACK, FORMATS, HEAD_BYTES, IMAGE_EXTENSIONS, RESULTS, Format, sniff
from imgray.codec.limits import ImageLimits
from imgray.codec.reading import WHOLE, ImageInfo, Reading

__all__ = [
    "FALLBACK",
    "FORMATS",
    "HEAD_BYTES",
    "IMAGE_EXTENSIONS",
    "RESULTS",
    "WHOLE",
    "Encoded",
    "Encoding",
    "Format",
    "ImageInfo",
    "ImageLimits",
    "Reading",
    "decode",
    "encode",
    "inspect",
    "sniff",
]
