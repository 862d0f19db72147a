"""The operations that imgray brings.

To add one: a small module with a frozen `Operation` class, its place in `OPERATIONS`, and a test. The grammar, the JSON
schema, ``GET /v1/operations``, ``imgray operations`` and the reference follow from the class.
"""

from __future__ import annotations

from imgray.operations.affine import Affine
from imgray.operations.base import Context, Curve, Fact, Filter, Finish, Operation, Tonal
from imgray.operations.blur import Blur
from imgray.operations.blurhash import Blurhash
from imgray.operations.border import Border
from imgray.operations.box_blur import BoxBlur
from imgray.operations.brightness import Brightness
from imgray.operations.circle import Circle
from imgray.operations.clahe import Clahe
from imgray.operations.contrast import Contrast
from imgray.operations.convert import Convert
from imgray.operations.convolve import Convolve
from imgray.operations.crop import Crop
from imgray.operations.decode import Decode
from imgray.operations.depth import Depth
from imgray.operations.duotone import Duotone
from imgray.operations.edge import Edge
from imgray.operations.emboss import Emboss
from imgray.operations.equalize import Equalize
from imgray.operations.flatten import Flatten
from imgray.operations.flip import Flip
from imgray.operations.flop import Flop
from imgray.operations.frame import Frame
from imgray.operations.gamma import Gamma
from imgray.operations.grayscale import Grayscale
from imgray.operations.hue import Hue
from imgray.operations.info import Info
from imgray.operations.invert import Invert
from imgray.operations.keep import Keep
from imgray.operations.levels import Levels
from imgray.operations.matrix import Matrix
from imgray.operations.maximum import Maximum
from imgray.operations.median import Median
from imgray.operations.minimum import Minimum
from imgray.operations.noise import Noise
from imgray.operations.normalize import Normalize
from imgray.operations.opacity import Opacity
from imgray.operations.overlay import Overlay
from imgray.operations.pad import Pad
from imgray.operations.permute import Permute
from imgray.operations.perspective import Perspective
from imgray.operations.phash import Phash
from imgray.operations.pixelate import Pixelate
from imgray.operations.posterize import Posterize
from imgray.operations.quantize import Quantize
from imgray.operations.redact import Redact
from imgray.operations.resize import Resize
from imgray.operations.rotate import Rotate
from imgray.operations.round import Round
from imgray.operations.saturation import Saturation
from imgray.operations.sepia import Sepia
from imgray.operations.shadow import Shadow
from imgray.operations.sharpen import Sharpen
from imgray.operations.swap import Swap
from imgray.operations.text import Text
from imgray.operations.threshold import Threshold
from imgray.operations.thumbhash import Thumbhash
from imgray.operations.thumbnail import Thumbnail
from imgray.operations.tint import Tint
from imgray.operations.trim import Trim
from imgray.operations.vignette import Vignette

GROUPS = ("input", "geometry", "colour", "filter", "composition", "information", "output", "custom")
"""The parts of the reference, in its order; the last is that of operations that an operator adds."""

OPERATIONS: tuple[type[Operation], ...] = (
    Affine,
    Blur,
    Blurhash,
    Border,
    BoxBlur,
    Brightness,
    Circle,
    Clahe,
    Contrast,
    Convert,
    Convolve,
    Crop,
    Decode,
    Depth,
    Duotone,
    Edge,
    Emboss,
    Equalize,
    Flatten,
    Flip,
    Flop,
    Frame,
    Gamma,
    Grayscale,
    Hue,
    Info,
    Invert,
    Keep,
    Levels,
    Matrix,
    Maximum,
    Median,
    Minimum,
    Noise,
    Normalize,
    Opacity,
    Overlay,
    Pad,
    Permute,
    Perspective,
    Phash,
    Pixelate,
    Posterize,
    Quantize,
    Redact,
    Resize,
    Rotate,
    Round,
    Saturation,
    Sepia,
    Shadow,
    Sharpen,
    Swap,
    Text,
    Threshold,
    Thumbhash,
    Thumbnail,
    Tint,
    Trim,
    Vignette,
)

__all__ = [
    "GROUPS",
    "OPERATIONS",
    "Affine",
    "Blur",
    "Blurhash",
    "Border",
    "BoxBlur",
    "Brightness",
    "Circle",
    "Clahe",
    "Context",
    "Contrast",
    "Convert",
    "Convolve",
    "Crop",
    "Curve",
    "Decode",
    "Depth",
    "Duotone",
    "Edge",
    "Emboss",
    "Equalize",
    "Fact",
    "Filter",
    "Finish",
    "Flatten",
    "Flip",
    "Flop",
    "Frame",
    "Gamma",
    "Grayscale",
    "Hue",
    "Info",
    "Invert",
    "Keep",
    "Levels",
    "Matrix",
    "Maximum",
    "Median",
    "Minimum",
    "Noise",
    "Normalize",
    "Opacity",
    "Operation",
    "Overlay",
    "Pad",
    "Permute",
    "Perspective",
    "Phash",
    "Pixelate",
    "Posterize",
    "Quantize",
    "Redact",
    "Resize",
    "Rotate",
    "Round",
    "Saturation",
    "Sepia",
    "Shadow",
    "Sharpen",
    "Swap",
    "Text",
    "Threshold",
    "Thumbhash",
    "Thumbnail",
    "Tint",
    "Tonal",
    "Trim",
    "Vignette",
]
