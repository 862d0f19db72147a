"""GIF (GIF89a: CompuServe, 1990): blocks, as browsers read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from imgray.codec.containers.contents import Budget, Contents
from imgray.codec.containers.frames import Blend, Disposal, StoredFrame
from imgray.errors import ImageCorruptError

_ENOUGH_FRAMES = 100_000  # beyond which nobody needs to know how many there are
_SCREEN_BYTES = 13  # signature, size, flags, background, aspect
_IMAGE_BYTES = 10  # separator, place, size, flags
_CONTROL_BYTES = 4  # flags, delay, transparent colour
_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_KNOWN = re.compile(rb"[,!;]")
_CONTROL = 0xF9
_TABLE, _TABLE_SIZE, _INTERLACED, _TRANSPARENT = 0x80, 7, 0x40, 1
_DISPOSALS = {2: Disposal.CLEAR, 3: Disposal.RESTORE, 4: Disposal.RESTORE}  # 4 is written by mistake for 3


@dataclass(frozen=True, slots=True)
class _Block:
    """An image or an extension: where it starts, where its sub-blocks do, and where it ends."""

    kind: int
    start: int
    data: int
    end: int


def walk(view: memoryview, most_metadata: int) -> Contents | None:
    """Look through a GIF."""
    if len(view) < _SCREEN_BYTES:
        return None
    size = _side(view, 6), _side(view, 8)
    largest = 0, 0
    metadata = frames = 0
    missing = "the file ends before its trailer"
    for block in _blocks(view):
        if block.kind == _TRAILER:
            missing = ""
        elif block.kind == _EXTENSION:
            metadata += block.end - block.data
            if metadata > most_metadata:  # there can be millions more
                break
        else:
            left, top, width, height = _place(view, block.start)
            if not frames:  # some encoders leave the size of the whole at nothing
                size = max(size[0], left + width), max(size[1], top + height)
            largest = max(largest, (width, height), key=lambda one: one[0] * one[1])
            frames += 1
            if frames > _ENOUGH_FRAMES:
                missing = ""
                break
    if not frames and not missing:
        raise ImageCorruptError("there is no picture in it")
    return Contents(size, largest, max(frames, 1), metadata, missing=missing)


def first_stands_alone(view: memoryview) -> bool:
    """Say whether the first frame is all of the picture, so that the file can be read as an image."""
    first = next((block for block in _blocks(view) if block.kind == _IMAGE), None)
    if first is None:
        return True
    left, top, width, height = _place(view, first.start)
    return (left, top) == (0, 0) and width >= _side(view, 6) and height >= _side(view, 8)


def stored_frames(view: memoryview) -> Iterator[StoredFrame]:
    """Yield the frames, each as a GIF of its own, with the colours that are valid for it."""
    table = bytes(view[_SCREEN_BYTES : _SCREEN_BYTES + _table_bytes(view, 10)])
    control = bytes(_CONTROL_BYTES)
    for block in _blocks(view):
        if block.kind == _EXTENSION and view[block.start + 1] == _CONTROL:
            control = bytes(view[block.data + 1 : block.data + 1 + _CONTROL_BYTES]).ljust(_CONTROL_BYTES, b"\0")
        elif block.kind == _IMAGE:
            yield _frame(view, block, table, control)
            control = bytes(_CONTROL_BYTES)


def _frame(view: memoryview, block: _Block, table: bytes, control: bytes) -> StoredFrame:
    left, top, width, height = _place(view, block.start)
    flags = view[block.start + 9]
    own = bytes(view[block.start + _IMAGE_BYTES : block.start + _IMAGE_BYTES + _table_bytes(view, block.start + 9)])
    table = own or table
    size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    table_flags = _TABLE | (len(table) // 3).bit_length() - 2 if table else 0
    parts = [
        b"GIF89a" + size + bytes([table_flags, 0, 0]) + table,
        bytes([_EXTENSION, _CONTROL, _CONTROL_BYTES, control[0] & _TRANSPARENT, 0, 0, control[3], 0]),
        bytes([_IMAGE, 0, 0, 0, 0]) + size + bytes([flags & _INTERLACED]),
        bytes(view[block.data - 1 : block.end]),
        bytes([_TRAILER]),
    ]
    return StoredFrame(
        data=b"".join(parts),
        format="GIF",
        at=(left, top),
        blend=Blend.OVER,
        disposal=_DISPOSALS.get(control[0] >> 2 & 7, Disposal.KEEP),
        duration_ms=10 * int.from_bytes(control[1:3], "little"),
    )


def loop(view: memoryview) -> int | None:
    """Return how often it is shown, 0 for ever; None when it does not say.

    The extension says how often it is shown again, as browsers and gif2webp take it.
    """
    for block in _blocks(view):
        if block.kind == _IMAGE:
            return None
        if block.kind == _EXTENSION and bytes(view[block.data : block.data + 14]) == b"\x0bNETSCAPE2.0\x03\x01":
            again = _side(view, block.data + 14)
            return again + 1 if again else 0
    return None


def _blocks(view: memoryview) -> Iterator[_Block]:
    budget = Budget(len(view))
    position = _SCREEN_BYTES + _table_bytes(view, 10)
    while found := _KNOWN.search(view, position):  # as decoders do, skip what is not known
        start = found.start()
        kind = view[start]
        if kind == _TRAILER:
            yield _Block(kind, start, start, start + 1)
            return
        # After an image's header come a colour table and the size of the codes; after an extension's, its label.
        header = _IMAGE_BYTES + _table_bytes(view, start + 9) + 1 if kind == _IMAGE else 2
        position = data = start + header
        while position < len(view) and view[position]:  # sub-blocks, up to an empty one
            budget.spend()
            position += 1 + view[position]
        position += 1
        budget.spend()
        if data <= len(view):
            yield _Block(kind, start, data, position)


def _table_bytes(view: memoryview, flags_at: int) -> int:
    """Return the size of the colour table that a byte of flags announces."""
    flags = view[flags_at] if flags_at < len(view) else 0
    return 3 << (flags & _TABLE_SIZE) + 1 if flags & _TABLE else 0


def _place(view: memoryview, start: int) -> tuple[int, int, int, int]:
    """Return left, top, width and height of an image."""
    left, top, width, height = (_side(view, start + 1 + 2 * number) for number in range(4))
    return left, top, width, height


def _side(view: memoryview, at: int) -> int:
    return int.from_bytes(view[at : at + 2], "little")
