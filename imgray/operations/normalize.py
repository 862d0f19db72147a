"""``normalize``: use the whole range of levels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from PIL import Image
from pydantic import Field

from imgray.modes import DEEP, has_alpha, on_colours
from imgray.operations.base import Change, Operation

Counts: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
"""How many pixels have each level."""

Table: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
"""The new level of each level."""

Channels = Literal["together", "separate"]

_STRIP = 64  # rows counted at a time, as NumPy needs eight bytes for each level


class Normalize(Operation):
    """Stretch the levels so that the darkest becomes black and the lightest white.

    A few pixels at either end, by default one of 200, may be darker or lighter: they do not hinder the others. With
    ``together``, all channels are stretched alike, which keeps hues; with ``separate``, a colour cast goes, too.
    """

    name: ClassVar[str] = "normalize"
    example: ClassVar[str] = "normalize:10"
    group: ClassVar[str] = "colour"
    modes: ClassVar[frozenset[str]] = DEEP

    cutoff: float = Field(default=0.5, ge=0, le=49, description="Percent of the pixels left out at either end.")
    channels: Channels = Field(default="together", description="Whether all channels are stretched alike.")

    def decide(self, first: Image.Image) -> Change:
        """Find the darkest and the lightest level."""
        return by_histogram(first, self.channels, self._stretched)

    def apply(self, image: Image.Image) -> Image.Image:
        """Stretch one image by its own levels."""
        return self.decide(image)(image)

    def _stretched(self, counts: Counts) -> Table:
        table: Table = np.arange(len(counts), dtype=np.float64)
        cut = counts.sum() * self.cutoff / 100
        within = np.flatnonzero((np.cumsum(counts) > cut) & (np.cumsum(counts[::-1])[::-1] > cut))
        if len(within) > 1:
            black, white = within[0], within[-1]
            table = np.clip((table - black) / (white - black), 0, 1) * table[-1]
        return table


def by_histogram(first: Image.Image, channels: Channels, table: Callable[[Counts], Table]) -> Change:
    """Return a change that looks levels up in tables, made by how many pixels of an image have each level.

    Alpha stays as it is, and what is wholly transparent is not counted.

    Args:
        first: in `DEEP`.
        channels: whether there is one table for all channels, or one for each.
        table: gets the counts, and returns the new level of each level.
    """
    counts = _counts(first)
    if channels == "together":
        counts = [np.sum(counts, axis=0)]
    tables = [np.rint(table(each)).astype(np.uint16) for each in counts]

    def look_up(colours: Image.Image) -> Image.Image:
        repeats = len(colours.getbands()) // len(tables)
        return colours.point(np.concatenate(tables * repeats).tolist())

    def change(image: Image.Image) -> Image.Image:
        if image.mode == "I;16":
            return Image.fromarray(tables[0][np.asarray(image)])
        return on_colours(image, look_up)

    return change


def _counts(image: Image.Image) -> list[Counts]:
    """Count the levels of each channel of an image in `DEEP`."""
    if image.mode == "I;16":
        levels = np.asarray(image)
        strips = (levels[top : top + _STRIP].ravel() for top in range(0, image.height, _STRIP))
        return [np.sum([np.bincount(strip, minlength=2**16) for strip in strips], axis=0)]
    seen = image.getchannel("A") if has_alpha(image) else None
    colours = image.convert(image.mode.removesuffix("A")) if seen else image
    return list(np.array(colours.histogram(seen)).reshape(-1, 2**8))
