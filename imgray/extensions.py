"""The catalogue that the settings describe: imgray's own operations, and those that an operator adds."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator
from importlib.metadata import entry_points
from types import ModuleType

from imgray.catalogue import BUILT_IN, PRESET, Catalogue
from imgray.custom import command, operations_in
from imgray.errors import BadSettingError, PipelineError
from imgray.operations import OPERATIONS, Operation
from imgray.settings import Settings

ENTRY_POINTS = "imgray.operations"
"""The group of entry points by which an installed package adds operations."""


def catalogue_of(settings: Settings) -> Catalogue:
    """Return the catalogue of a service with these settings.

    Raises:
        BadSettingError: a module cannot be imported, has no operations, or a name is taken; or a preset is no pipeline.
    """
    added = {operation.name: operation for operation in _added(settings)}
    if not added and not settings.presets:
        return BUILT_IN
    taken = added.keys() & {PRESET, *BUILT_IN.operations}
    if taken:
        raise BadSettingError("OPERATIONS", f"'{min(taken)}' is the name of one of imgray's own; choose another")
    try:
        return Catalogue((*OPERATIONS, *added.values()), settings.presets)
    except PipelineError as error:
        raise BadSettingError("PRESETS", str(error)) from error


@functools.cache
def installed() -> tuple[type[Operation], ...]:
    """Return the operations of installed packages: they are looked for once, among all that is installed."""
    return tuple(operation for entry in entry_points(group=ENTRY_POINTS) for operation in operations_in(entry.load()))


def _added(settings: Settings) -> Iterator[type[Operation]]:
    yield from installed()
    for named in settings.operations:
        found = operations_in(_module(named))
        if not found:
            raise BadSettingError("OPERATIONS", f"there is no operation in '{_short(named)}'")
        yield from found
    for name, program in settings.commands.items():
        yield command(name, program)


def _module(named: str) -> ModuleType:
    """Import a module by name, or make one of the source that came with the settings."""
    try:
        if "\n" not in named and not named.endswith(".py"):
            return importlib.import_module(named)
        module = ModuleType("imgray_operations")
        source = named if "\n" in named else Settings(operations=(named,)).portable().operations[0]
        exec(compile(source, "<operations>", "exec"), vars(module))  # noqa: S102  # the operator's own code
    except BadSettingError:
        raise
    except Exception as error:
        raise BadSettingError("OPERATIONS", f"'{_short(named)}' cannot be imported: {error}") from error
    return module


def _short(named: str) -> str:
    """Name a module by its first line, when it is a source."""
    return named.partition("\n")[0]
