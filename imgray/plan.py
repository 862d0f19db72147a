"""What a bulk job is to do: find images in files and folders, and name a result for each. Reads, never writes."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from imgray.codec import HEAD_BYTES, IMAGE_EXTENSIONS, RESULTS, sniff
from imgray.errors import ImgrayError, RequestError, SourceUnreadableError
from imgray.pipeline import Pipeline
from imgray.task import DEFAULT_OUTPUT


@dataclass(frozen=True, slots=True)
class Item:
    """One image to process: its absolute path, that of each result by its output's name, and a digest of all of it."""

    source: Path
    destinations: Mapping[str, Path]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A path that cannot be processed."""

    source: Path
    error: ImgrayError


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a bulk job found. ``ignored`` counts files in folders that are no images."""

    items: list[Item] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    ignored: int = 0


@dataclass(frozen=True, slots=True)
class _Found:
    """A file that may be an image: where it is, where it stands in its folder, and the format that it announces."""

    source: Path
    relative: Path
    format: str
    size: int
    mtime_ns: int


def make_plan(paths: Sequence[Path], out: Path, pipelines: Mapping[str, Pipeline]) -> Plan:
    """Find every image under the paths, and name its results under ``out``: each output in a folder of its own name.

    The one of a job that has only `DEFAULT_OUTPUT` lies in ``out`` itself.

    A file counts as an image when its content announces one, or its name does. Hidden files and folders, and ``out``
    itself, are passed over. The structure of a folder is kept; when several paths are given, each folder keeps its own
    name too. A result has the extension of its format.

    Raises:
        RequestError: a path does not exist, or two results would have the same name, or one that of its source.
    """
    plan = Plan()
    found: list[_Found] = []
    ignored = 0
    for path in paths:
        try:
            path.stat()
        except OSError as error:
            raise RequestError(f"'{path}' does not exist, or cannot be seen: {error.strerror}.") from error
        for entry in _walk(Path(os.path.abspath(path)), os.path.realpath(out), several=len(paths) > 1):  # noqa: PTH100
            if isinstance(entry, Problem):
                plan.problems.append(entry)
            elif entry is None:
                ignored += 1
            else:
                found.append(entry)
    base = Path(os.path.abspath(out))  # noqa: PTH100
    folders = {name: base if pipelines.keys() == {DEFAULT_OUTPUT} else base / name for name in pipelines}
    named = {name: _named(found, folders[name], pipeline) for name, pipeline in pipelines.items()}
    overlays = [_stamp(path) for pipeline in pipelines.values() for path in pipeline.files]
    items = [
        Item(image.source, destinations, _fingerprint(image, destinations, pipelines, overlays))
        for number, image in enumerate(found)
        for destinations in [{name: named[name][number] for name in pipelines}]
    ]
    return replace(plan, items=items, ignored=ignored)


def _walk(path: Path, out: str, *, several: bool) -> Iterator[_Found | Problem | None]:
    """Yield images and problems under a path, and None for each file that is neither."""
    if path.is_file():
        yield _look(path, Path(path.name), named=True)
        return
    base = path.parent if several else path
    problems: list[OSError] = []
    for folder, folders, names in os.walk(path, onerror=problems.append):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and os.path.realpath(Path(folder, name)) != out
        )
        for name in sorted(names):
            file = Path(folder, name)
            try:
                regular = not name.startswith(".") and file.is_file()
            except OSError as error:
                problems.append(error)
            else:
                if regular:
                    yield _look(file, file.relative_to(base), named=False)
    for problem in problems:
        name = str(problem.filename)
        yield Problem(Path(name), SourceUnreadableError(name, problem.strerror or str(problem)))


def _look(path: Path, relative: Path, *, named: bool) -> _Found | Problem | None:
    """Look at a file; ``named`` says that the user named it, so that it counts whatever it is."""
    try:
        with path.open("rb") as file:
            fmt = sniff(file.read(HEAD_BYTES))
            status = os.fstat(file.fileno())
    except OSError as error:
        return Problem(path, SourceUnreadableError(str(path), error.strerror or str(error)))
    if fmt is None and not named and path.suffix.lower() not in IMAGE_EXTENSIONS:
        return None
    return _Found(path, relative, fmt or "png", status.st_size, status.st_mtime_ns)


def _named(found: Sequence[_Found], out: Path, pipeline: Pipeline) -> list[Path]:
    """Name the path of each image's result.

    ``a.png`` and ``a.jpg`` would both become ``a.webp``: then, and only then, the old extension is kept as well.
    """
    named = [(image, *_rename(image, out, pipeline)) for image in found]
    times = Counter(destination for _, destination, _ in named)
    paired = [(image, longer if times[destination] > 1 else destination) for image, destination, longer in named]
    sources: dict[Path, Path] = {}
    originals = {os.path.realpath(image.source) for image, _ in paired}
    for image, destination in paired:
        if destination in sources:
            raise RequestError(
                f"'{sources[destination]}' and '{image.source}' would both become '{destination}'."
                " Process them in separate runs, with an --out of its own each."
            )
        if os.path.realpath(destination) in originals:
            raise RequestError(f"'{destination}' is a source, and would be replaced by a result. Choose another --out.")
        sources[destination] = image.source
    return [destination for _, destination in paired]


def _rename(image: _Found, out: Path, pipeline: Pipeline) -> tuple[Path, Path]:
    """Name the result, and how it is called when that name is taken."""
    extensions = RESULTS[pipeline.output_format(image.format)].extensions
    usual = out / image.relative
    if usual.suffix.lower() in extensions:
        return usual, usual
    return usual.with_suffix(extensions[0]), usual.with_name(usual.name + extensions[0])


def _fingerprint(
    image: _Found,
    destinations: Mapping[str, Path],
    pipelines: Mapping[str, Pipeline],
    overlays: Sequence[tuple[int, int]],
) -> str:
    outputs = [part for name in pipelines for part in (pipelines[name], destinations[name])]
    parts = (image.source, image.size, image.mtime_ns, *outputs, *overlays)
    return hashlib.sha256("\0".join(map(str, parts)).encode(errors="surrogateescape")).hexdigest()


def _stamp(path: str) -> tuple[int, int]:
    """Return what tells that a file was changed; one that cannot be seen will be an error of each task."""
    try:
        status = os.stat(path)  # noqa: PTH116  # the path is text here
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns
