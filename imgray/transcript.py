r"""What a program has written, bounded: the beginning and the end are kept. No I/O and no clock.

A transcript at rest (`Transcript.dump`) is lines of JSON. The first describes all of it, each other one a chunk:

    {"transcript": 1, "limit_bytes": 2097152, "head_chunks": 2, "tail_offset": null, "size": 18, "ended": ["", 1.75e9]}
    {"stream": "stdout", "offset": 0, "at": 1750000000.25, "text": "counting\n"}
    {"stream": "stderr", "offset": 9, "at": 1750000000.5, "base64": "what is not UTF-8"}
"""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import Any, Self

CHUNK_COST_BYTES = 64
"""What a chunk counts beyond its data, so that the limit holds for a million chunks of one byte, too."""

_CHUNK_BYTES = 8 * 1024  # of the largest chunk: cutting one costs little, and there are few
_VERSION = 1


class Stream(StrEnum):
    """Where a program has written."""

    STDOUT = "stdout"
    STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of one stream; ``offset`` counts those of both streams together, from the start."""

    stream: Stream
    offset: int
    at: float
    data: bytes

    @property
    def end(self) -> int:
        """The offset after its last byte."""
        return self.offset + len(self.data)

    def cut(self, start: int, end: int) -> Chunk:
        """Return what of it lies between two offsets."""
        start = max(start, self.offset)
        return replace(self, offset=start, data=self.data[start - self.offset : end - self.offset])


@dataclass(frozen=True, slots=True)
class Part:
    """Chunks without a gap between them; ``dropped_bytes`` are missing before the first."""

    chunks: tuple[Chunk, ...]
    next_offset: int
    dropped_bytes: int


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended, in words ("" is success), and when."""

    text: str
    at: float


class Transcript:
    """The output of one run of a program.

    Half of ``limit_bytes`` is for its beginning, the other half for its end; what lies between is dropped. Small writes
    to the same stream within a second become one chunk, with the time of the first.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._head = _Half(limit_bytes // 2)
        self._tail = _Half(limit_bytes - limit_bytes // 2)
        self._tail_offset: int | None = None  # None as long as the head takes everything
        self.size = 0
        """All bytes that were ever written."""
        self.ended: Ended | None = None
        """How the program ended; None while it runs."""

    @property
    def dropped_bytes(self) -> int:
        """How many bytes are missing between the beginning and the end."""
        return 0 if self._tail_offset is None else self._tail_offset - self._head.end

    def append(self, stream: Stream, data: bytes, at: float) -> None:
        """Add what was written to a stream."""
        for start in range(0, len(data), _CHUNK_BYTES):
            piece = data[start : start + _CHUNK_BYTES]
            while piece:
                piece = piece[self._append(Chunk(stream, self.size, at, piece)) :]

    def end(self, text: str, at: float) -> None:
        """Note how the program ended."""
        self.ended = Ended(text, at)

    def read(self, offset: int, most_bytes: int) -> Part:
        """Return what there is from an offset on: up to the gap, or after it when the offset lies in it."""
        offset = min(max(offset, 0), self.size)
        gap, after = self._head.end, self._head.end + self.dropped_bytes
        start = after if gap <= offset < after else offset
        end = min(start + most_bytes, self.size if start >= gap or gap == after else gap)
        chunks = tuple(chunk.cut(start, end) for half in (self._head, self._tail) for chunk in half.within(start, end))
        return Part(chunks, end, start - offset)

    def dump(self) -> bytes:
        """Return it as `load` reads it."""
        described = {
            "transcript": _VERSION,
            "limit_bytes": self._limit_bytes,
            "head_chunks": len(self._head.chunks),
            "tail_offset": self._tail_offset,
            "size": self.size,
            "ended": self.ended and [self.ended.text, self.ended.at],
        }
        chunks = (_described(chunk) for half in (self._head, self._tail) for chunk in half.chunks)
        return b"".join(json.dumps(line).encode() + b"\n" for line in (described, *chunks))

    @classmethod
    def load(cls, dumped: bytes) -> Self:
        """Read what `dump` has made.

        Raises:
            ValueError: it has not made this.
        """
        try:
            return cls._of(*map(json.loads, dumped.splitlines()))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"this is no transcript: {error}") from error

    @classmethod
    def _of(cls, described: dict[str, Any], *chunks: dict[str, Any]) -> Self:
        if described["transcript"] != _VERSION:
            raise ValueError(f"its version is {described['transcript']}")
        made = cls(described["limit_bytes"])
        made.size, made._tail_offset = described["size"], described["tail_offset"]
        made.ended = described["ended"] and Ended(*described["ended"])
        for number, chunk in enumerate(chunks):
            (made._head if number < described["head_chunks"] else made._tail).add(_chunk(chunk))
        return made

    def _append(self, new: Chunk) -> int:
        """Add a chunk, or its first bytes, and return how many."""
        taken = self._head.put(new, self._head.room) if self._tail_offset is None else 0
        if not taken:
            taken = self._tail.put(new, len(new.data) + CHUNK_COST_BYTES)
            self._tail.drop()
            self._tail_offset = self._tail.chunks[0].offset if self._tail.chunks else new.offset + taken
        self.size += taken
        return taken


class _Half:
    """Chunks without a gap between them, and the room that is left."""

    def __init__(self, room: int) -> None:
        self.chunks: deque[Chunk] = deque()
        self.room = room

    @property
    def end(self) -> int:
        return self.chunks[-1].end if self.chunks else 0

    def put(self, new: Chunk, most: int) -> int:
        """Add the first bytes of what was written, for which ``most`` bytes of room are used, and return how many."""
        last = self.chunks[-1] if self.chunks else None
        if last and (last.stream, int(last.at)) == (new.stream, int(new.at)) and len(last.data) < _CHUNK_BYTES:
            taken = min(len(new.data), _CHUNK_BYTES - len(last.data), most)
            self.chunks[-1] = replace(last, data=last.data + new.data[:taken])
            self.room -= taken
            return taken
        taken = max(min(len(new.data), _CHUNK_BYTES, most - CHUNK_COST_BYTES), 0)
        if taken:
            self.add(replace(new, data=new.data[:taken]))
        return taken

    def add(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)
        self.room -= len(chunk.data) + CHUNK_COST_BYTES

    def drop(self) -> None:
        """Drop from the front what there is no room for."""
        while self.room < 0:
            first = self.chunks.popleft()
            if -self.room < len(first.data):
                self.chunks.appendleft(first.cut(first.offset - self.room, first.end))
                self.room = 0
            else:
                self.room += len(first.data) + CHUNK_COST_BYTES

    def within(self, start: int, end: int) -> Iterator[Chunk]:
        """Return the chunks that have bytes between two offsets."""
        first = max(bisect_right(self.chunks, start, key=lambda chunk: chunk.offset) - 1, 0)
        for chunk in islice(self.chunks, first, None):
            if chunk.offset >= end:
                return
            if chunk.end > start:
                yield chunk


def _described(chunk: Chunk) -> dict[str, Any]:
    described: dict[str, Any] = {"stream": chunk.stream, "offset": chunk.offset, "at": chunk.at}
    coded = base64.b64encode(chunk.data).decode()
    try:
        text = chunk.data.decode()
    except UnicodeError:
        return {**described, "base64": coded}
    # JSON writes a control character in six bytes, and base64 never needs more than four thirds
    return {**described, "text": text} if len(json.dumps(text)) <= 2 * len(coded) else {**described, "base64": coded}


def _chunk(described: dict[str, Any]) -> Chunk:
    data = described["text"].encode() if "text" in described else base64.b64decode(described["base64"], validate=True)
    return Chunk(Stream(described["stream"]), described["offset"], described["at"], data)
