"""What commands print as tables; words that come from elsewhere are shown so that they cannot steer the terminal."""

from __future__ import annotations

import sys
from datetime import datetime

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

NODE_LETTERS = 8
"""Characters of a node's id, which tell it from the others."""

_WIDE = 1000  # columns of a file or a pipe, where nothing need be folded


def new_table(*heads: str) -> Table:
    """Make a table without lines, whose first column is never folded; without heads it has two columns."""
    first, *others = heads or ("", "")
    columns = [Column(first, no_wrap=True), *(Column(head, overflow="fold") for head in others)]
    return Table(*columns, show_header=bool(heads), box=None, pad_edge=False, padding=(0, 2, 0, 0))


def print_table(table: Table) -> None:
    """Print a table, folded to the terminal if there is one."""
    (Console() if sys.stdout.isatty() else Console(width=_WIDE)).print(table)


def shown(words: object) -> Text:
    """Show words as they are, but for what is not printable."""
    return Text("".join(letter if letter.isprintable() else "\ufffd" for letter in str(words)))


def moment(written: str) -> Text:
    """Show a moment that is written in ISO 8601, to the second."""
    return Text(f"{datetime.fromisoformat(written):%Y-%m-%d %H:%M:%S} UTC")
