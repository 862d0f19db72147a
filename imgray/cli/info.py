"""``imgray operations`` and ``imgray samples``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from imgray.operations import CATALOGUE


@click.command()
def operations() -> None:
    """List the operations and their arguments."""
    table = Table("operation", "arguments", "example", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for operation in CATALOGUE.values():
        described = operation.describe()
        required = described["arguments"]["required"]
        arguments = ", ".join(
            name if name in required else f"[{name}]" for name in described["arguments"]["properties"]
        )
        table.add_row(operation.name, arguments.replace("[", r"\["), operation.example)
    Console().print(table)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def samples(folder: Path) -> None:
    """Draw a few sample pictures into FOLDER."""
    from imgray.samples import draw_samples  # noqa: PLC0415  # other commands need not wait for NumPy

    for path in draw_samples(folder):
        print(path)
