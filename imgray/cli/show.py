"""``imgray show``: all that is known of one task."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import quote

import click
from rich.table import Table

from imgray.cli.http import ask, asks_service
from imgray.cli.tables import NODE_LETTERS, moment, new_table, print_table, shown


@click.command()
@click.argument("task_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print it for machines.")
@asks_service
def show(url: str, task_id: str, as_json: bool) -> None:  # noqa: FBT001
    """Show a task of the service: what was asked, how it stands, and the story of every attempt."""
    path = f"/v1/tasks/{quote(task_id, safe='', errors='replace')}"
    task = ask(url, path)
    task["history"] = ask(url, f"{path}/history")["attempts"]
    if as_json:
        print(json.dumps(task))
        return
    print_table(_facts(task))
    if task["history"]:
        print()
        print_table(_story(task["history"]))


def _facts(task: dict[str, Any]) -> Table:
    table = new_table()
    table.add_row("task", shown(task["id"]))
    table.add_row("state", task["state"])
    if task["error"]:
        table.add_row("error", shown(f"{task['error']['code']}: {task['error']['message']}"))
    for name in ("command", "path", "label", "tenant", "worker"):
        if task[name]:
            table.add_row(name, shown(task[name]))
    table.add_row("priority", str(task["priority"]))
    for name, key in (("submitted", "submitted_at"), ("deadline", "expires_at"), ("finished", "finished_at")):
        if task[key]:
            table.add_row(name, moment(task[key]))
    if task["target"]:
        table.add_row("meant for", shown(_target(task["target"])))
    for output in task["outputs"]:
        table.add_row(f"output {output['name']}", shown(output["pipeline"] or "as it is"))
        if output["format"]:
            size = f"{output['width']} by {output['height']}, {output['size_bytes']:,} bytes"
            table.add_row("", shown(f"{output['format']}, {size}"))
    return table


def _target(target: dict[str, Any]) -> str:
    labels = [f"label {name}={value}" for name, value in target["labels"].items()]
    return ", ".join([*(f"{kind} {target[kind]}" for kind in ("worker", "node") if target[kind]), *labels])


def _story(history: list[dict[str, Any]]) -> Table:
    table = new_table("attempt", "worker", "node", "began", "took", "ending", "error")
    for attempt in history:
        took = datetime.fromisoformat(attempt["ended_at"]) - datetime.fromisoformat(attempt["leased_at"])
        error = attempt["error"]
        table.add_row(
            str(attempt["number"]),
            shown(attempt["worker"]),
            shown(attempt["node"][:NODE_LETTERS]),
            moment(attempt["leased_at"]),
            f"{took.total_seconds():.2f} s",
            attempt["ending"],
            shown(f"{error['code']}: {error['message']}") if error else "",
        )
    return table
