"""Mutated files and pipelines, each made from a seed, through everything that a caller's bytes come to.

Whatever is refused is refused with an error of imgray's. ``python -c "import fuzzing; fuzzing.play(7)"`` plays a seed.
"""

from __future__ import annotations

import json
import random
import resource
import signal
import struct
import sys
import traceback
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pictures import picture
from real_files import real_files

from imgray.catalogue import BUILT_IN
from imgray.codec import HEAD_BYTES, ImageLimits, Reading, decode, inspect, sniff
from imgray.errors import ImgrayError
from imgray.modes import EVERY
from imgray.operations import OPERATIONS, Context
from imgray.picture import Picture
from imgray.pipeline import Pipeline

MEMORY_BYTES = 1536 * 2**20
CASE_S = 30
LIMITS = ImageLimits(max_pixels=4_000_000, max_frames=50)
RUN_PIXELS = 250_000
"""Pictures up to this size go through a pipeline; decoding alone shows what larger ones can do."""

Mutation = Callable[[random.Random, bytearray], None]

EXAMPLES = [operation.example for operation in OPERATIONS]
NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
WORDS = [
    "",
    "-1",
    "0",
    "1e9",
    "nan",
    "inf",
    "99999999999999999999",
    "true",
    "null",
    "ff0000",
    '"',
    "\\",
    "é",
    "\0",
    "😀",
    "50%",
]


def main(first_seed: int, rounds: int, progress: str) -> None:
    """Play seeds one after the other; write each to a file before it is played, for whoever finds us dead."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    with Path(progress).open("w") as file:
        for seed in range(first_seed, first_seed + rounds):
            file.seek(0)
            file.write(f"{seed}\n")
            file.flush()
            signal.alarm(CASE_S)  # whose signal ends the process, wherever it is
            try:
                play(seed)
            except BaseException:  # noqa: BLE001  # whatever it is, it has a seed
                traceback.print_exc()
                sys.exit(1)


def play(seed: int) -> None:
    """Make a case of a seed and play it.

    Raises:
        Exception: something that imgray does not raise on purpose.
    """
    rng = random.Random(seed)
    if rng.random() < 0.8:
        _play_file(rng)
    else:
        _play_pipeline(rng)


def _play_file(rng: random.Random) -> None:
    data = mutated(rng)
    sniff(data[:HEAD_BYTES])
    reading = Reading(
        frames=rng.choice([None, None, 1, 2]),
        orient=rng.random() < 0.8,
        colour=rng.choice(["srgb", "srgb", "keep"]),
        partial=rng.random() < 0.3,
    )
    enough = rng.choice([None, (1, 1), (20, 20)])
    try:
        inspect(data, LIMITS, reading)
        read = decode(data, LIMITS, reading, lambda _: enough)
        check(read)
        if read.pixels <= RUN_PIXELS:
            _run(rng, read)
    except (ImgrayError, MemoryError):
        pass


def check(read: Picture) -> None:
    """See that a picture is what operations rely on."""
    assert {frame.size for frame in read.frames} == {read.size}
    assert {frame.mode for frame in read.frames} <= EVERY
    assert len(read.durations_ms) == len(read.frames)
    assert all(frame.info.keys() <= {"transparency"} for frame in read.frames)
    assert all(type(frame).__name__ == "Image" for frame in read.frames)
    for frame in read.frames:
        frame.tobytes()


def _run(rng: random.Random, read: Picture) -> None:
    steps = [BUILT_IN.parse(text).operations for text in rng.sample(EXAMPLES, rng.randint(1, 3))]
    try:
        pipeline = Pipeline(tuple(step for one in steps for step in one))
    except ImgrayError:
        pipeline = Pipeline(steps[0])
    encoded = pipeline.run(read, Context(LIMITS))
    if encoded.format != "json":
        check(decode(encoded.data, ImageLimits()))


def mutated(rng: random.Random) -> bytes:
    """Return a file that was one of the real ones."""
    files = real_files()
    name = rng.choice(sorted(files))
    data = bytearray(files[name])
    for _ in range(rng.choice([1, 1, 2, 3, 6])):
        if data:
            rng.choice(MUTATIONS)(rng, data)
    if name.startswith("png") and rng.random() < 0.8:
        return _with_checksums(bytes(data))
    return bytes(data)


def _with_checksums(data: bytes) -> bytes:
    """Make the checksums of a PNG right, so that what stands before them is read."""
    parts = [data[:8]]
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4])
        body = data[position + 4 : position + 8 + length]
        parts.append(data[position : position + 4] + body + struct.pack("!I", zlib.crc32(body)))
        position += 12 + length
    return b"".join(parts) + data[position:]


def _span(rng: random.Random, data: bytearray, longest: int = 64) -> slice:
    start = rng.randrange(len(data))
    return slice(start, start + rng.randint(1, longest))


def _flip_bits(rng: random.Random, data: bytearray) -> None:
    for _ in range(rng.choice([1, 1, 4, 16])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _overwrite(rng: random.Random, data: bytearray) -> None:
    span = _span(rng, data)
    length = len(data[span])
    data[span] = rng.choice([bytes(length), b"\xff" * length, rng.randbytes(length)])


def _delete(rng: random.Random, data: bytearray) -> None:
    del data[_span(rng, data)]


def _insert(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    data[at:at] = rng.randbytes(rng.randint(1, 32))


def _repeat(rng: random.Random, data: bytearray) -> None:
    span = _span(rng, data, 256)
    data[span.start : span.start] = bytes(data[span]) * rng.choice([1, 2, 20])


def _move(rng: random.Random, data: bytearray) -> None:
    span = _span(rng, data, 256)
    part = bytes(data[span])
    del data[span]
    at = rng.randrange(len(data) + 1)
    data[at:at] = part


def _truncate(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data)) :]


def _write_number(rng: random.Random, data: bytearray) -> None:
    """Write a number that is likely to be on an edge, most likely in the header."""
    at = rng.randrange(min(len(data), rng.choice([64, 512, len(data)])))
    width = rng.choice([1, 2, 4])
    number = rng.choice([*NUMBERS, len(data), len(data) - at, rng.getrandbits(32)]) & (1 << 8 * width) - 1
    data[at : at + width] = number.to_bytes(width, rng.choice(["little", "big"]))


def _splice(rng: random.Random, data: bytearray) -> None:
    other = rng.choice(list(real_files().values()))
    data[rng.randrange(len(data)) :] = other[rng.randrange(len(other)) :]


def _change_part(rng: random.Random, data: bytearray) -> None:
    """Take out, double or exchange parts of the file that begin with four letters, as chunks and boxes do."""
    starts = [at - 4 for at in range(4, len(data) - 4) if data[at : at + 4].isalpha()] or [0]
    first, second = sorted((rng.choice(starts), rng.choice(starts)))
    part = bytes(data[first:second])
    how = rng.randrange(3)
    if how == 0:
        del data[first:second]
    elif how == 1:
        data[second:second] = part
    else:
        data[first:second] = part[len(part) // 2 :] + part[: len(part) // 2]


MUTATIONS: Sequence[Mutation] = (
    _flip_bits,
    _overwrite,
    _delete,
    _insert,
    _repeat,
    _move,
    _truncate,
    _write_number,
    _write_number,
    _splice,
    _change_part,
)


def _play_pipeline(rng: random.Random) -> None:
    try:
        pipeline = BUILT_IN.from_json(_steps(rng)) if rng.random() < 0.3 else BUILT_IN.parse(_text(rng))
        assert BUILT_IN.parse(str(pipeline)) == pipeline
        assert BUILT_IN.from_json(pipeline.to_json()) == pipeline
        pipeline.run(Picture.of(picture("RGBA", (9, 7), rng.randrange(9))), Context(LIMITS))
    except (ImgrayError, MemoryError):
        pass


def _text(rng: random.Random) -> str:
    text = "/".join(rng.sample(EXAMPLES, rng.randint(1, 3)))
    if rng.random() < 0.2:
        text = json.dumps(BUILT_IN.parse(rng.choice(EXAMPLES)).to_json())
    for _ in range(rng.choice([1, 1, 2, 4])):
        start = rng.randrange(len(text) + 1)
        end = start + rng.choice([0, 1, 1, 4])
        new = rng.choice([*WORDS, *':/,="[]{}-.', chr(rng.randrange(0xD800)), text[start : start + 8]])
        text = text[:start] + new + text[end:]
    return text


def _steps(rng: random.Random) -> Any:
    """Return the JSON form of a pipeline with something else in one place."""
    steps: Any = BUILT_IN.parse(rng.choice(EXAMPLES)).to_json()
    step = rng.choice(steps)
    field = rng.choice([*type(BUILT_IN.parse(step["op"] and rng.choice(EXAMPLES)).operations[0]).model_fields, *step])
    step[field] = rng.choice(
        [None, True, -1, 0, 0.5, 1e300, 10**30, "", "x", [], [1, "2"], {}, {"op": 1}, "\ud800", *WORDS]
    )
    if rng.random() < 0.1:
        return rng.choice([[step, 1], [[]], {"op": "flip"}, "flip", [None]])
    return steps
