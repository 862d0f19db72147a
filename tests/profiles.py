"""ICC profiles, assembled from their tags (ICC.1:2022, and for version 2 ICC.1:2001-04)."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Mapping, Sequence

Column = tuple[float, float, float]

SRGB_PRIMARIES: tuple[Column, Column, Column] = (
    (0.43607, 0.22249, 0.01392),
    (0.38515, 0.71687, 0.09708),
    (0.14307, 0.06061, 0.71410),
)
"""X, Y and Z of red, green and blue, adapted to D50 (IEC 61966-2-1)."""

P3_PRIMARIES: tuple[Column, Column, Column] = (
    (0.51512, 0.24120, -0.00105),
    (0.29198, 0.69225, 0.04189),
    (0.15710, 0.06657, 0.78407),
)
"""The same of Display P3, as Apple's profile has them."""

_D50 = (0.9642, 1.0, 0.8249)
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_TABLE_SIZE = 1024


def rgb_profile(primaries: tuple[Column, Column, Column], *, version: int = 4, name: str = "made by a test") -> bytes:
    """Make a profile of three primaries and the curve of sRGB."""
    curve = _parametric(_SRGB_CURVE) if version == 4 else _table([_srgb(level) for level in _levels()])
    tags = {b"wtpt": _xyz(_D50)}
    tags |= {kind: _xyz(column) for kind, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve), version, name)


def grey_profile(gamma: float) -> bytes:
    """Make a profile of grey levels."""
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": _xyz(_D50), b"kTRC": _gamma(gamma)}, 2, "made by a test")


def cmyk_profile(lightness_of_cyan: float) -> bytes:
    """Make a profile of inks, of which cyan alone has another lightness than it should, and no colour."""
    corners = []
    for cyan, magenta, yellow, black in itertools.product((0, 1), repeat=4):  # the last one fastest
        lightness = 0.0 if black or magenta or yellow else lightness_of_cyan if cyan else 100.0
        corners.append((round(lightness * 2.55), 128, 128))
    identity = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * (row == column) for row in range(3) for column in range(3)))
    grid = bytes(itertools.chain.from_iterable(corners))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + identity * 4 + grid + identity * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"wtpt": _xyz(_D50), b"A2B0": table}, 2, "made by a test")


def _profile(  # noqa: PLR0917  # the order is that of the header
    kind: bytes, space: bytes, connection: bytes, tags: Mapping[bytes, bytes], version: int, name: str
) -> bytes:
    described = {b"desc": _text(name, version), b"cprt": _text("nobody", version, b"text"), **tags}
    start = 128 + 4 + 12 * len(described)
    directory, body = struct.pack(">I", len(described)), b""
    for signature, data in described.items():
        directory += signature + struct.pack(">II", start + len(body), len(data))
        body += data.ljust((len(data) + 3) // 4 * 4, b"\0")
    header = struct.pack(">I4xB3x4s4s4s12x4s", start + len(body), version, kind, space, connection, b"acsp")
    header += b"\0" * 28 + struct.pack(">3i", *(round(65536 * part) for part in _D50))
    return header.ljust(128, b"\0") + directory + body


def _text(text: str, version: int, kind: bytes = b"desc") -> bytes:
    if version == 4:
        return (
            b"mluc\0\0\0\0"
            + struct.pack(">II2s2sII", 1, 12, b"en", b"US", 2 * len(text), 28)
            + text.encode("utf-16-be")
        )
    if kind == b"text":
        return b"text\0\0\0\0" + text.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text.encode() + b"\0" + b"\0" * 78


def _xyz(column: Column) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * part) for part in column))


def _parametric(parameters: Sequence[float]) -> bytes:
    return b"para\0\0\0\0\0\3\0\0" + struct.pack(">5i", *(round(65536 * part) for part in parameters))


def _gamma(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(256 * gamma))


def _table(levels: Sequence[float]) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(f">I{len(levels)}H", len(levels), *(round(65535 * level) for level in levels))


def _levels() -> list[float]:
    return [number / (_TABLE_SIZE - 1) for number in range(_TABLE_SIZE)]


def _srgb(level: float) -> float:
    gamma, factor, offset, slope, linear = _SRGB_CURVE
    return (factor * level + offset) ** gamma if level >= linear else slope * level
