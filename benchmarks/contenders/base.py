"""What a contender is: its name, how it is installed, and how it is started for each kind of work.

To add one: a module beside this one with `CONTENDERS`, a line in `contenders.registry`, and its name in the workloads
that it can do.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, TypeAlias


class FileJob(NamedTuple):
    """One image to process, from file to file."""

    source: str
    destination: str


@dataclass(frozen=True, slots=True)
class FileWork:
    """What is to be made of the files of one turn."""

    pipeline: str
    warm_up: Sequence[FileJob]
    scratch: Path


@dataclass(frozen=True, slots=True)
class Shot:
    """One HTTP request, as often as wanted, each time on a new connection."""

    port: int
    method: str
    target: str
    body: Path | None = None
    expects: int = 200


@dataclass(frozen=True, slots=True)
class Gate:
    """Where bodies are to be delivered; ``accepted`` says how many it has on its books, where it has any."""

    shot: Shot
    accepted: Callable[[], int] | None = None


FilesRun: TypeAlias = Callable[[Sequence[FileJob]], None]
"""Returns when every destination is written, or raises."""

NoopRun: TypeAlias = Callable[[Sequence[bytes]], int]
"""Has each payload executed as a task of its own; returns the length of all that arrived, when all is acknowledged."""

Call: TypeAlias = Callable[[bytes], None]
"""Does one task that does nothing, and returns when its result is there."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to get work done, and what it can be asked for: each ability starts it, and ends it afterwards."""

    name: str
    about: str
    install: str
    modules: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    other_versions: Callable[[], Mapping[str, str]] = field(default=dict)
    noop_tasks: int = 0
    files: Callable[[FileWork], AbstractContextManager[FilesRun]] | None = None
    noop: Callable[[Path], AbstractContextManager[NoopRun]] | None = None
    call: Callable[[Path], AbstractContextManager[Call]] | None = None
    server: Callable[[Path, Path], AbstractContextManager[Callable[[str], Shot]]] | None = None
    ingest: Callable[[Path, Path], AbstractContextManager[Gate]] | None = None

    @property
    def missing(self) -> str | None:
        """Say what it needs and this machine lacks."""
        modules = [name for name in self.modules if importlib.util.find_spec(name) is None]
        programs = [name for name in self.programs if shutil.which(name) is None]
        lacks = [f"no module {name}" for name in modules] + [f"no program {name} on the PATH" for name in programs]
        return ", ".join(lacks) or None

    @property
    def versions(self) -> dict[str, str]:
        """Return the versions of what it is made of."""
        return {package: version(package) for package in self.packages} | dict(self.other_versions())


def one_by_one(
    noop: Callable[[Path], AbstractContextManager[NoopRun]],
) -> Callable[[Path], AbstractContextManager[Call]]:
    """Make single calls of what does many."""

    @contextmanager
    def call(scratch: Path) -> Iterator[Call]:
        with noop(scratch) as run:

            def one(payload: bytes) -> None:
                run([payload])

            yield one

    return call


NOTE = "note: "
"""How a line of a turn's output begins that goes into the report."""


def note(text: str) -> None:
    """Say something about this turn that belongs into the report."""
    print(f"{NOTE}{text}", flush=True)


def cores() -> int:
    """Return how many cores there are for this process: every contender gets as many workers."""
    return len(os.sched_getaffinity(0))
