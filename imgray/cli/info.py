"""``imgray operations`` and ``imgray samples``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.text import Text

from imgray.cli.tables import new_table, print_table, shown
from imgray.errors import RequestError
from imgray.extensions import catalogue_of
from imgray.operations import GROUPS, Operation
from imgray.settings import Settings


@click.command()
@click.argument("name", required=False)
def operations(name: str | None) -> None:
    """List the operations, or describe the one called NAME, with its arguments."""
    catalogue = catalogue_of(Settings.having())
    if name is not None:
        if name not in catalogue.operations:
            catalogue.parse(name)  # says which name is the nearest
            raise RequestError(f"'{name}' is no operation's name.")
        _describe(catalogue.operations[name])
        return
    table = new_table("operation", "arguments", "example")
    for group in GROUPS:
        members = [operation for operation in catalogue.operations.values() if operation.group == group]
        if members:
            table.add_row(Text(group, style="bold"))
        for operation in sorted(members, key=lambda member: member.name):
            table.add_row(*map(shown, (f"  {operation.name}", _arguments(operation.describe()), operation.example)))
    for preset, pipeline in catalogue.presets.items():
        table.add_row(shown(f"preset:{preset}"), "", shown(pipeline))
    print_table(table)


def _arguments(described: dict[str, Any]) -> str:
    arguments = described["arguments"]
    return ", ".join(name if name in arguments["required"] else f"[{name}]" for name in arguments["properties"])


def _describe(operation: type[Operation]) -> None:
    described = operation.describe()
    print(f"{described['summary']}\n\n{described['example']}\n")
    table = new_table("argument", "default", "meaning")
    for name, schema in described["arguments"]["properties"].items():
        required = name in described["arguments"]["required"]
        default = "required" if required else str(schema.get("default", "")).lower()
        table.add_row(*map(shown, (name, default, schema.get("description", ""))))
    if table.row_count:
        print_table(table)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def samples(folder: Path) -> None:
    """Draw a few sample pictures into FOLDER."""
    from imgray.samples import draw_samples  # noqa: PLC0415  # other commands need not wait for NumPy

    for path in draw_samples(folder):
        print(path)
