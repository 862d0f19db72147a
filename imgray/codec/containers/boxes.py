"""Boxes, of which AVIF, HEIC, JPEG 2000 and JPEG XL are made (ISO/IEC 14496-12, section 4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from imgray.codec.containers.contents import bounded

_SHORT_HEADER, _LONG_HEADER = 8, 16


@dataclass(frozen=True, slots=True)
class Box:
    """A box.

    Attributes:
        kind: its type.
        body: its content, as much of it as there is.
        whole: all of it is there.
        start: where the box begins, in what was looked through.
        end: where it ends.
    """

    kind: bytes
    body: memoryview
    whole: bool
    start: int
    end: int


def boxes(view: memoryview) -> Iterator[Box]:
    """Yield the boxes that stand one after the other; what is no box ends them."""
    return bounded(_boxes(view), len(view))


def inside(box: memoryview, *kinds: bytes) -> memoryview | None:
    """Return the body of the box to which a path of types leads, the first of each."""
    for kind in kinds:
        found = next((one.body for one in boxes(box) if one.kind == kind), None)
        if found is None:
            return None
        box = found
    return box


def _boxes(view: memoryview) -> Iterator[Box]:
    position = 0
    while position + _SHORT_HEADER <= len(view):
        length = int.from_bytes(view[position : position + 4])
        header = _SHORT_HEADER
        if length == 1:
            header = _LONG_HEADER
            length = int.from_bytes(view[position + 8 : position + 16])
        elif length == 0:  # up to the end
            length = len(view) - position
        if length < header:
            return
        end = position + length
        yield Box(
            bytes(view[position + 4 : position + 8]), view[position + header : end], end <= len(view), position, end
        )
        position = end
