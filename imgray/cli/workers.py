"""``imgray workers`` and ``imgray scale``: who works, and how many there are to be."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from imgray.cli.http import AWAY, ask, asks_service
from imgray.cli.tables import NODE_LETTERS, new_table, print_table, shown
from imgray.messages import WorkerState

EXIT_LOST = 1

_WORKERS = "/v1/workers"
_POOL = "/v1/pool"
_PERIOD_S = 1.0  # between two looks
_PATIENCE = 30  # looks that may fail in a row
_SIZE = re.compile(r"(?P<cores>cores)|(?P<minimum>[0-9]{1,9})(\.\.(?P<maximum>[0-9]{1,9}))?")
_MIB = 2**20


class _Listing(click.Group):
    """A group that lists when it is told nothing else."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Listing)
def workers() -> None:
    """Show the workers (`imgray workers list` is the same), or drain one."""


@workers.command("list")
@click.option("--once", is_flag=True, help="Show them once, also on a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print them for machines, once.")
@asks_service
def list_workers(url: str, once: bool, as_json: bool) -> None:  # noqa: FBT001
    """Show the workers and what they do: on a terminal live, until Ctrl-C."""
    if as_json:
        print(json.dumps(ask(url, _WORKERS)))
        return
    if once or not sys.stdout.isatty():
        print_table(_table(ask(url, _WORKERS)))
        return
    with Live(auto_refresh=False) as live:
        try:
            for views in _looks(url):
                table = _table(views)
                table.caption = f"{datetime.now(UTC):%H:%M:%S} UTC. Ctrl-C ends this view, and nothing else."
                table.caption_justify = "left"
                live.update(table, refresh=True)
        except KeyboardInterrupt:
            return


@workers.command()
@click.argument("worker", metavar="WORKER")
@click.option("--no-wait", is_flag=True, help="Do not wait until it is gone.")
@asks_service
def drain(url: str, worker: str, no_wait: bool) -> None:  # noqa: FBT001
    """Have WORKER, an id or a name, finish what runs, give back the rest, and end; wait until it is gone.

    The pool is then smaller by one, unless it varies with the load.
    """
    view = ask(url, f"{_WORKERS}/{quote(worker, safe='', errors='replace')}/drain", method="POST")
    if no_wait:
        print(view["id"], view["state"])
        return
    with Console(stderr=True).status("…") as progress:
        for views in _looks(url):
            there = next((one for one in views if one["id"] == view["id"]), None)
            if there is None:
                break
            if there["state"] == WorkerState.LOST:
                click.echo(f"imgray: Worker {view['id']} was lost before it had ended.", err=True)
                raise click.exceptions.Exit(EXIT_LOST)
            progress.update(f"{view['id']} finishes {len(there['running'])} tasks…")
    print(f"{view['id']} has ended.")


@click.command()
@click.argument("size", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print it for machines.")
@asks_service
def scale(url: str, size: str | None, as_json: bool) -> None:  # noqa: FBT001
    """Set how many workers there are to be, or show it: SIZE is a number, 1..4 (by the load), or cores.

    It stays so when the service is started again with the same settings.
    """
    pool = ask(url, _POOL) if size is None else ask(url, _POOL, body=_wanted(size), method="PUT")
    if as_json:
        print(json.dumps(pool))
        return
    print_table(_facts(pool))


def _looks(url: str) -> Iterator[list[dict[str, Any]]]:
    """Yield the workers once in a period; a service that goes away for a moment is waited for.

    Raises:
        AnsweredError, ServiceError: it does not come back, or was never there.
    """
    failures = _PATIENCE
    while True:
        try:
            yield ask(url, _WORKERS)
            failures = 0
        except AWAY:
            failures += 1
            if failures > _PATIENCE:
                raise
        time.sleep(_PERIOD_S)


def _table(views: list[dict[str, Any]]) -> Table:
    heads = ("worker", "state", "node", "host", "process", "running", "done", "failed", "images/s", "memory")
    table = new_table(*heads)
    for view in views:
        table.add_row(
            shown(view["id"]),
            view["state"],
            shown(view["node"][:NODE_LETTERS]),
            shown(view["host"]),
            str(view["pid"]),
            str(len(view["running"])),
            f"{view['succeeded']:,}",
            f"{view['failed']:,}",
            f"{view['images_per_s']:.1f}",
            f"{view['memory_bytes'] // _MIB:,} MiB",
        )
    return table


def _wanted(size: str) -> dict[str, object]:
    found = _SIZE.fullmatch(size)
    if found is None:
        raise click.UsageError(f"'{size}' is no size of a pool: write 4, 1..4 or cores.")
    if found["cores"]:
        return {"per_core": True}
    minimum = int(found["minimum"])
    maximum = int(found["maximum"] or minimum)
    if minimum > maximum:
        raise click.UsageError(f"'{size}' begins above its end: write the smaller number first.")
    return {"minimum": minimum, "maximum": maximum}


def _facts(pool: dict[str, Any]) -> Table:
    if pool["per_core"]:
        size = "one worker for each core"
    elif pool["minimum"] == pool["maximum"]:
        size = f"always {pool['minimum']}"
    else:
        size = f"{pool['minimum']} to {pool['maximum']}, by the load"
    table = new_table()
    table.add_row("size", size)
    for name in ("wanted", "started", "active"):
        table.add_row(name, str(pool[name]))
    table.add_row("waiting", f"{pool['waiting']:,} tasks of {pool['waiting_pixels']:,} pixels, {pool['waiting_s']:g} s")
    table.add_row("speed", f"{pool['pixels_per_s']:,.0f} pixels/s by each worker")
    return table
