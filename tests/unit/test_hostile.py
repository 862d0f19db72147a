"""Hostile files: each gives an image or says what is wrong with it, soon, and without much memory.

They are opened in a process of their own, so that a bomb that goes off fails a test and not the run.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hostile import hostile_files

from imgray.codec import ImageLimits, decode, inspect
from imgray.errors import ImageError

MEMORY_BYTES = 1536 * 2**20
INSPECTION_BYTES = 128 * 2**20
"""How much more memory all inspections together may need than what they inspect."""
FILE_S = 30.0
INSPECTION_S = 3.0
READINGS = ("inspect", "decode")


def main(names: list[str]) -> None:
    """Open files, and print what became of each: the child process."""
    files = hostile_files()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    for reading in READINGS:
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak of memory: making the files took more
        before = _peak_bytes()
        for name in names:
            print(json.dumps({"starts": [reading, name]}), flush=True)  # noqa: T201  # to the parent
            signal.setitimer(signal.ITIMER_REAL, FILE_S)  # whose signal ends the process, wherever it is
            print(json.dumps({"ended": [reading, name], **_opened(reading, files[name].data)}), flush=True)  # noqa: T201
        print(json.dumps({"peak": reading, "bytes": _peak_bytes() - before}), flush=True)  # noqa: T201


def _peak_bytes() -> int:
    """Return the most memory that this process had; `resource` would tell that of its parent, too."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _opened(reading: str, data: bytes) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        (inspect if reading == "inspect" else decode)(data, ImageLimits())
        outcome = ""
    except ImageError as error:
        outcome = type(error).__name__
    except MemoryError:
        outcome = "MemoryError"
    return {"outcome": outcome, "seconds": time.perf_counter() - started}


@pytest.fixture(scope="module")
def outcomes() -> Mapping[tuple[str, str], dict[str, Any]]:
    """What became of each file; what killed the process has no outcome, and those after it have."""
    left = list(hostile_files())
    told: dict[tuple[str, str], dict[str, Any]] = {}
    while left:
        run = subprocess.run(
            [sys.executable, "-c", "import sys, test_hostile; test_hostile.main(sys.stdin.read().split())"],
            input=" ".join(left),
            env={"PYTHONPATH": ":".join([str(Path(__file__).parent), *sys.path]), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        started: list[str] = []
        for line in map(json.loads, run.stdout.splitlines()):
            if "starts" in line:
                started = line["starts"]
            elif "peak" in line:
                told[line["peak"], ""] = line
            else:
                told[tuple(line["ended"])] = line
        if run.returncode == 0:
            break
        assert started, run.stderr
        told[tuple(started)] = {"outcome": f"died: {run.returncode}", "seconds": FILE_S}  # type: ignore[index]
        left = (
            left[left.index(started[1]) + 1 :]
            if started[0] == READINGS[-1]
            else [name for name in left if name != started[1]]
        )
    return told


@pytest.mark.parametrize("name", hostile_files())
def test_a_hostile_file_gives_an_image_or_says_what_is_wrong_with_it(
    name: str, outcomes: Mapping[tuple[str, str], dict[str, Any]]
) -> None:
    file = hostile_files()[name]
    expected = {error.__name__ for error in file.errors} | ({""} if file.image else set())
    assert outcomes["decode", name]["outcome"] in expected
    seen = outcomes["inspect", name]
    assert seen["outcome"] in (expected - {""} if file.at_the_door else expected | {""})
    assert seen["seconds"] < INSPECTION_S


def test_looking_at_parts_takes_no_memory(outcomes: Mapping[tuple[str, str], dict[str, Any]]) -> None:
    assert outcomes["inspect", ""]["bytes"] < INSPECTION_BYTES
