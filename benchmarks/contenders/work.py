"""What the Python peers run: the very function that imgray's runner runs, and nothing at all."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from imgray.attempt import Allowance, run_attempt
from imgray.settings import Settings
from imgray.task import DEFAULT_OUTPUT, OutputSpec, PathSource, TaskSpec


@lru_cache
def _allowance() -> Allowance:
    return Allowance.of(Settings(file_roots=(Path("/"),)))


def process_file(source: str, destination: str, pipeline: str) -> None:
    """Do what a worker's runner does with one image: read, process, write aside, sync, rename."""
    outputs = (OutputSpec(DEFAULT_OUTPUT, pipeline, destination),)
    run_attempt(TaskSpec("x", PathSource(source), outputs), 1, None, _allowance(), lambda: None)


def nothing(payload: bytes | str) -> int:
    """Do nothing; the length shows that the payload has arrived."""
    return len(payload)


def as_text(payload: bytes) -> str:
    """Return text of the same length, for peers whose messages are JSON."""
    return payload.hex()[: len(payload)]
