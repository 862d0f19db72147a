"""Pillow as imgray uses it: with the formats that other packages add, and with our limits instead of its own."""

from __future__ import annotations

import contextlib
import functools
import importlib

from PIL import AvifImagePlugin, Image, PngImagePlugin

from imgray.codec.formats import FORMATS
from imgray.codec.limits import ImageLimits

_SLACK_BYTES = 64 * 1024  # so that Pillow's bound is met only after ours


def set_up(limits: ImageLimits) -> None:
    """Make Pillow know all formats whose packages are installed, and leave limits to `ImageLimits`."""
    _register()
    Image.MAX_IMAGE_PIXELS = None  # it would only warn
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = limits.max_metadata_bytes + _SLACK_BYTES


@functools.cache
def _register() -> None:
    """Register each package in its own way, with one thread for decoding: each worker has a core."""
    Image.init()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    with contextlib.suppress(ImportError):
        heif = importlib.import_module(FORMATS["heic"].plugin)
        heif.register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False, aux_images=False)
    with contextlib.suppress(ImportError):
        jxl = importlib.import_module(FORMATS["jxl"].plugin)
        jxl.JpegXLImagePlugin.DECODE_THREADS = 0
