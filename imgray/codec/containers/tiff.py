"""TIFF (revision 6.0: Adobe, 1992) and BigTIFF: the first directory."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from imgray.codec.containers.contents import Contents
from imgray.errors import ImageCorruptError, ImageTruncatedError
from imgray.picture import Size

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _SAMPLES, _ROWS, _PLANES = 256, 257, 258, 259, 277, 278, 284
_TILE_WIDTH, _TILE_LENGTH = 322, 323
_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES = 273, 279, 324, 325
_PLACES = {_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES}
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_BIG = 43  # in the header of a BigTIFF
_UNCOMPRESSED, _TOGETHER = 1, 1  # no compression; all bands of a pixel beside each other
_MOST_ENTRIES = 4_096  # of some hundred that there are
_MOST_STRIPS = 2**18  # for each of which a decoder makes an object; tiles of 16 by 16 in 64 megapixels


@dataclass(frozen=True, slots=True)
class _Entry:
    """A tag with numbers or text: how many of which type, and as much of them as is there."""

    tag: int
    type: int
    count: int
    data: memoryview

    @property
    def size_bytes(self) -> int:
        return self.count * _TYPE_BYTES.get(self.type, 0)


def walk(view: memoryview, most_metadata: int) -> Contents | None:  # noqa: ARG001  # nothing is compressed
    """Look at the first directory of a TIFF."""
    try:
        directory = _Directory(view)
    except struct.error as error:
        raise ImageTruncatedError("the file ends before its directory does") from error
    directory.check_places()
    width, length = directory.size(_WIDTH, _LENGTH)
    return Contents(
        (width, length),
        directory.size(_TILE_WIDTH, _TILE_LENGTH),
        metadata_bytes=directory.metadata_bytes,
        missing="" if directory.has_all_pixels() else "the file ends before its pixels do",
    )


class _Directory:
    """The entries of a directory. Of two with one tag, the first one counts that makes sense."""

    def __init__(self, view: memoryview) -> None:
        """Read the entries.

        Raises:
            struct.error: they are not there.
            ImageCorruptError: there are absurdly many.
        """
        self._view = view
        self._order = "<" if bytes(view[:2]) == b"II" else ">"
        big = _BIG in bytes(view[2:4])
        self._word = "Q" if big else "I"
        self._word_bytes = 8 if big else 4
        self._entries = self._read("Q" if big else "H")
        self._known = {entry.tag: entry for entry in reversed(self._entries) if entry.type in _NUMBERS}

    @property
    def metadata_bytes(self) -> int:
        """How much is neither pixels nor says where they are."""
        return sum(
            len(entry.data)
            for entry in self._entries
            if entry.tag not in _PLACES and entry.size_bytes > self._word_bytes
        )

    def check_places(self) -> None:
        """Refuse absurdly many strips or tiles.

        Raises:
            ImageCorruptError: there are.
        """
        most = max((entry.count for entry in self._entries if entry.tag in _PLACES), default=0)
        if most > _MOST_STRIPS:
            raise ImageCorruptError(f"it has {most:,} strips")

    def size(self, width: int, height: int) -> Size:
        """Return a size by the tags of its sides."""
        return self._first(width), self._first(height)

    def has_all_pixels(self) -> bool:
        """Say whether the file goes on to where pixels end.

        Of uncompressed ones, many writers tell wrong lengths, which nobody reads.
        """
        strips = self._numbers(_STRIPS)
        if self._first(_COMPRESSION, _UNCOMPRESSED) != _UNCOMPRESSED:
            places = (
                (strips, self._numbers(_STRIP_BYTES)) if strips else (self._numbers(_TILES), self._numbers(_TILE_BYTES))
            )
            ends = [offset + count for offset, count in zip(*places, strict=False)]
        else:
            ends = [*strips, *self._numbers(_TILES)]
            if strips and self._first(_PLANES, _TOGETHER) == _TOGETHER:
                ends.append(strips[-1] + self._last_strip_bytes(len(strips)))
        return all(end <= len(self._view) for end in ends)

    def _last_strip_bytes(self, strips: int) -> int:
        width, length = self.size(_WIDTH, _LENGTH)
        row_bytes = (width * self._first(_SAMPLES, 1) * self._first(_BITS, 1) + 7) // 8
        rows = length - self._first(_ROWS, length) * (strips - 1)
        return max(rows, 0) * row_bytes

    def _read(self, count_code: str) -> list[_Entry]:
        start = self._number(self._word, self._word_bytes)
        count = self._number(count_code, start)
        if count > _MOST_ENTRIES:
            raise ImageCorruptError(f"its directory has {count:,} entries")
        head = struct.Struct(f"{self._order}HH{self._word}")
        position = start + struct.calcsize(self._order + count_code)
        entries = []
        for _ in range(count):
            tag, kind, items = head.unpack(self._view[position : position + head.size])
            position += head.size
            size_bytes = items * _TYPE_BYTES.get(kind, 0)
            at = position if size_bytes <= self._word_bytes else self._number(self._word, position)
            entries.append(_Entry(tag, kind, items, self._view[at : at + size_bytes]))
            position += self._word_bytes
        return entries

    def _number(self, code: str, at: int) -> int:
        form = self._order + code
        (value,) = struct.unpack(form, self._view[at : at + struct.calcsize(form)])
        return int(value)

    def _first(self, tag: int, default: int = 0) -> int:
        return next(iter(self._numbers(tag, 1)), default)

    def _numbers(self, tag: int, most: int = _MOST_STRIPS) -> Sequence[int]:
        """Return the numbers that an entry holds, as far as they are there."""
        if tag not in self._known:
            return ()
        entry = self._known[tag]
        code = _NUMBERS[entry.type]
        count = min(len(entry.data) // _TYPE_BYTES[entry.type], most)
        return struct.unpack(f"{self._order}{count}{code}", entry.data[: count * _TYPE_BYTES[entry.type]])
