"""The output of a program is kept in order, at both ends, within its limit; at rest and when it is read again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgray.transcript import CHUNK_COST_BYTES, Chunk, Ended, Part, Stream, Transcript

WRITES = st.lists(
    st.tuples(
        st.sampled_from(Stream),
        st.one_of(st.binary(max_size=40), st.text(max_size=40).map(str.encode), st.just(b"x" * 9_000)),
        st.floats(0, 3),
    ),
    max_size=15,
)
LIMITS = st.integers(0, 1_200) | st.just(30_000) | st.just(10**6)

Byte = tuple[Stream, int]


def filled(limit: int, writes: list[tuple[Stream, bytes, float]]) -> tuple[Transcript, list[Byte]]:
    """Return a transcript, and what the plainest one would hold."""
    transcript = Transcript(limit)
    plain: list[Byte] = []
    for stream, data, at in writes:
        transcript.append(stream, data, at)
        plain += [(stream, byte) for byte in data]
    return transcript, plain


def read_all(transcript: Transcript, offset: int = 0, most: int = 10**9) -> list[Part]:
    parts = []
    while True:
        part = transcript.read(offset, most)
        parts.append(part)
        if not part.chunks:
            return parts
        assert part.next_offset > offset
        offset = part.next_offset


def bytes_of(part: Part) -> list[Byte]:
    return [(chunk.stream, byte) for chunk in part.chunks for byte in chunk.data]


@settings(deadline=None, max_examples=40)
@given(LIMITS, WRITES, st.integers(-5, 2_000), st.integers(1, 3_000))
def test_what_is_read_is_what_was_written(
    limit: int, writes: list[tuple[Stream, bytes, float]], offset: int, most: int
) -> None:
    transcript, plain = filled(limit, writes)
    assert transcript.size == len(plain)
    at = min(max(offset, 0), len(plain))
    missing = 0
    for part in read_all(transcript, offset, most):
        at += part.dropped_bytes
        missing += part.dropped_bytes
        for chunk in part.chunks:
            assert chunk.offset == at
            assert [(chunk.stream, byte) for byte in chunk.data] == plain[at : chunk.end]
            at = chunk.end
        assert part.next_offset == at
        assert len(bytes_of(part)) <= most
    assert at == len(plain), "a reader comes to the end"
    assert missing <= transcript.dropped_bytes
    assert offset > 0 or missing == transcript.dropped_bytes


@settings(deadline=None, max_examples=40)
@given(LIMITS, WRITES)
def test_both_ends_are_kept_within_the_limit(limit: int, writes: list[tuple[Stream, bytes, float]]) -> None:
    transcript, plain = filled(limit, writes)
    parts = read_all(transcript)
    chunks = [chunk for part in parts for chunk in part.chunks]
    cost = sum(len(chunk.data) + CHUNK_COST_BYTES for chunk in chunks)
    assert cost <= limit
    if transcript.dropped_bytes:
        assert cost + 2 * CHUNK_COST_BYTES + 2 >= min(limit, len(plain)), "no more is dropped than must be"
        head = sum(len(chunk.data) + CHUNK_COST_BYTES for chunk in parts[0].chunks if not parts[0].dropped_bytes)
        assert limit // 2 - CHUNK_COST_BYTES - 1 <= head <= limit // 2
    else:
        assert sum(len(chunk.data) for chunk in chunks) == len(plain)


@settings(deadline=None, max_examples=40)
@given(LIMITS, WRITES, WRITES, st.none() | st.tuples(st.text(), st.floats(0, 9)))
def test_a_transcript_at_rest_is_the_same_transcript(
    limit: int,
    writes: list[tuple[Stream, bytes, float]],
    more: list[tuple[Stream, bytes, float]],
    ended: tuple[str, float] | None,
) -> None:
    transcript, _ = filled(limit, writes)
    if ended:
        transcript.end(*ended)
    again = Transcript.load(transcript.dump())
    assert again.ended == (ended and Ended(*ended))
    for one in (transcript, again):
        for stream, data, at in more:
            one.append(stream, data, at)
    assert read_all(again) == read_all(transcript)
    assert (again.size, again.dropped_bytes) == (transcript.size, transcript.dropped_bytes)


def test_small_writes_become_one_chunk_until_the_stream_or_the_second_changes() -> None:
    transcript = Transcript(10_000)
    for stream, data, at in [
        ("stdout", b"a", 1.0),
        ("stdout", b"b", 1.9),
        ("stdout", b"c", 2.0),
        ("stderr", b"d", 2.1),
    ]:
        transcript.append(Stream(stream), data, at)
    assert transcript.read(0, 99).chunks == (
        Chunk(Stream.STDOUT, 0, 1.0, b"ab"),
        Chunk(Stream.STDOUT, 2, 2.0, b"c"),
        Chunk(Stream.STDERR, 3, 2.1, b"d"),
    )
    assert transcript.read(1, 2) == Part((Chunk(Stream.STDOUT, 1, 1.0, b"b"), Chunk(Stream.STDOUT, 2, 2.0, b"c")), 3, 0)


def test_a_million_bytes_one_by_one_cost_no_more_than_the_limit() -> None:
    transcript = Transcript(64 * 1024)
    streams = (Stream.STDOUT, Stream.STDERR)
    for number in range(100_000):
        transcript.append(streams[number % 2], b"%d" % (number % 10), 1.0)
    chunks = [chunk for part in read_all(transcript) for chunk in part.chunks]
    assert len(chunks) <= 64 * 1024 / CHUNK_COST_BYTES
    assert len(transcript.dump()) < 4 * 64 * 1024


def test_a_part_ends_at_the_gap_and_the_next_says_how_much_is_missing() -> None:
    transcript = Transcript(2 * (CHUNK_COST_BYTES + 3))
    transcript.append(Stream.STDOUT, b"0123456789", 1.0)
    first = transcript.read(1, 99)
    assert (first.chunks[0].data, first.next_offset, first.dropped_bytes) == (b"12", 3, 0)
    for offset, dropped, data in [(3, 4, b"789"), (5, 2, b"789"), (7, 0, b"789"), (8, 0, b"89")]:
        part = transcript.read(offset, 99)
        assert (part.chunks[0].data, part.next_offset, part.dropped_bytes) == (data, 10, dropped)
    assert transcript.read(10, 99) == transcript.read(99, 99) == Part((), 10, 0)


def test_text_at_rest_can_be_read_by_people() -> None:
    transcript = Transcript(10_000)
    transcript.append(Stream.STDOUT, "zwölf\n".encode(), 1.0)
    transcript.append(Stream.STDERR, b"\xff\x00", 1.0)
    transcript.end("exit status 1", 2.0)
    described, text, coded = map(json.loads, transcript.dump().splitlines())
    assert described["ended"] == ["exit status 1", 2.0]
    assert (text["text"], coded["base64"]) == ("zwölf\n", "/wA=")


@pytest.mark.parametrize(
    "dumped", [b"", b"{}", b"[]", b"\xff", b'{"transcript": 2}', Transcript(9).dump() + b'{"at": 1}']
)
def test_what_is_no_transcript_is_refused(dumped: bytes) -> None:
    with pytest.raises(ValueError, match="this is no transcript"):
        Transcript.load(dumped)
