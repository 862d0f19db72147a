"""``info``: say what is to be known of a picture and of the file that it came from."""

from __future__ import annotations

import contextlib
import io
import math
from collections import Counter
from typing import Any, ClassVar

import numpy as np
from PIL import Image, ImageChops, ImageCms, ImageStat
from pydantic import Field

from imgray.codec.exif import position, told
from imgray.modes import TONES, has_alpha, suited
from imgray.operations.base import Fact, small_copy
from imgray.picture import Picture, Source

_MODELS = {
    "1": ("grey", 1),
    "L": ("grey", 8),
    "LA": ("grey", 8),
    "La": ("grey", 8),
    "I;16": ("grey", 16),
    "I;16B": ("grey", 16),
    "I;16L": ("grey", 16),
    "I;16N": ("grey", 16),
    "I": ("grey", 32),
    "F": ("floating-point grey", 32),
    "P": ("palette", 8),
    "PA": ("palette", 8),
    "RGBA": ("rgb", 8),
    "RGBX": ("rgb", 8),
    "RGBa": ("rgb", 8),
    "YCbCr": ("ycbcr", 8),
}
"""Colour model and bits of each channel, by Pillow's mode; others are called as Pillow does, and have 8."""

_CLUSTERS = 16
"""Groups that the colours are divided into, of which the largest are named."""

_MAX_TEXT = 500


class Info(Fact):
    """Describe the picture and its file.

    ``width``, ``height``, ``pixels`` (colour model, bits of a channel, alpha), ``opaque``, ``grey``, ``mean`` and
    ``dominant`` (colours with their shares) are those of the picture at this point of the pipeline. ``source`` is the
    file as it came: format, upright size, how many frames, pixels as they are decoded, what its colour profile calls
    itself, EXIF by the names of its tags, and the GPS position in degrees, south and west negative, with the altitude
    in metres. What is not known is ``null``.

    The more transparent a pixel is, the less its colour counts; dominant colours are found on a copy of at most 100
    pixels a side. Of EXIF, at most 200 tags are listed, without long tables. Of an animation, the first frame is
    described.
    """

    name: ClassVar[str] = "info"
    example: ClassVar[str] = "info:8,histogram=true"
    group: ClassVar[str] = "information"

    colours: int = Field(default=5, ge=0, le=_CLUSTERS, description="How many dominant colours to name, at most.")
    histogram: bool = Field(
        default=False, description="Add how many pixels have each level from 0 to 255, by channel, in 8 bits."
    )
    animation: bool = Field(
        default=False, description="Add how many frames there are, for how long each is shown, and how often all are."
    )

    @property
    def still(self) -> bool:
        """True unless the times of all frames are wanted: these are known when they are read."""
        return not self.animation

    def facts(self, picture: Picture) -> dict[str, Any]:
        """Return the description."""
        width, height = picture.full_size
        first = picture.frames[0]
        tones = suited(first, TONES)
        alpha = tones.getchannel("A") if has_alpha(tones) else None
        facts: dict[str, Any] = {
            "width": width,
            "height": height,
            "pixels": {**_pixels(first.mode), "alpha": first.has_transparency_data},
            "opaque": alpha is None or alpha.getextrema()[0] == 255,  # noqa: PLR2004
            "grey": _is_grey(tones, alpha),
            "mean": _mean(tones),
            "dominant": _dominant(small_copy(picture), self.colours),
        }
        if self.histogram:
            facts["histogram"] = _histogram(tones, alpha)
        if self.animation:
            facts["animation"] = _animation(picture)
        return {**facts, "source": _file(picture.source)}


def _pixels(mode: str) -> dict[str, Any]:
    model, bits = _MODELS.get(mode, (mode.lower(), 8))
    return {"model": model, "bits": bits}


def _is_grey(tones: Image.Image, alpha: Image.Image | None) -> bool:
    """Say whether no pixel that can be seen has a colour."""
    if tones.mode in {"L", "LA"}:
        return True
    green = tones.getchannel("G")
    return not any(
        any(ImageChops.difference(tones.getchannel(other), green).histogram(alpha)[1:]) for other in ("R", "B")
    )


def _mean(tones: Image.Image) -> str | None:
    """Return the mean colour; None when all is transparent."""
    if not has_alpha(tones):
        return _hex(ImageStat.Stat(tones).mean)
    *sums, opacity = ImageStat.Stat(tones.convert(tones.mode.replace("A", "a"))).sum
    return _hex([255 * total / opacity for total in sums]) if opacity else None


def _dominant(small: Image.Image, count: int) -> list[dict[str, Any]]:
    """Return the largest groups of like colours: the median of each, and its share."""
    rgba = np.asarray(small.convert("RGBA")).reshape(-1, 4)
    visible = rgba[rgba[:, 3] > 0]
    if not len(visible) or not count:
        return []
    row = Image.fromarray(np.ascontiguousarray(visible[None, :, :3]))
    groups = np.asarray(row.quantize(_CLUSTERS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE))[0]
    weights: Counter[str] = Counter()
    for group in np.unique(groups):
        members = visible[groups == group]
        weights[_hex(np.median(members[:, :3], axis=0).tolist())] += int(members[:, 3].sum())
    return [
        {"colour": colour, "share": round(weight / weights.total(), 4)} for colour, weight in weights.most_common(count)
    ]


def _hex(channels: list[float]) -> str:
    """Write a colour of one (grey) or three channels, 0 to 255, as CSS does."""
    levels = [min(math.floor(channel + 0.5), 255) for channel in channels]
    return "#" + bytes(levels * (3 // len(levels))).hex()


def _histogram(tones: Image.Image, alpha: Image.Image | None) -> dict[str, list[int]]:
    """Count levels; of colours, where there is something to be seen."""
    names = ("grey",) if tones.mode in {"L", "LA"} else ("red", "green", "blue")
    counts = tones.histogram(alpha)
    histogram = {name: counts[256 * at : 256 * (at + 1)] for at, name in enumerate(names)}
    return histogram if alpha is None else {**histogram, "alpha": alpha.histogram()}


def _animation(picture: Picture) -> dict[str, Any] | None:
    if not picture.animated:
        return None
    return {
        "frames": len(picture.frames),
        "duration_ms": sum(picture.durations_ms),
        "durations_ms": list(picture.durations_ms),
        "loop": picture.loop,
    }


def _file(source: Source) -> dict[str, Any]:
    """Describe the file."""
    width, height = source.size
    exif = told(source.exif)
    return {
        "format": source.format,
        "width": width,
        "height": height,
        "frames": source.frames,
        "pixels": _pixels(source.mode),
        "profile": _profile(source.icc),
        "exif": exif,
        "gps": position(exif),
    }


def _profile(icc: bytes) -> str | None:
    """Return how a colour profile describes itself."""
    with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):  # nonsense has no description
        if icc:
            return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc))).strip()[:_MAX_TEXT]
    return None
