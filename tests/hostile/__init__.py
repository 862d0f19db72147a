"""Hostile files, made by code: bombs, lies, tangles, no images at all; each with what is to be said of it."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from hostile import bitmaps, boxed, others, photographs, png_and_gif
from hostile.kinds import Hostile

__all__ = ["Hostile", "hostile_files"]


@functools.cache
def hostile_files() -> Mapping[str, Hostile]:
    """Return all of them, by name."""
    files: dict[str, Hostile] = {}
    for module in (png_and_gif, bitmaps, photographs, boxed, others):
        files |= module.files()
    return files
