"""``imgray commands``, ``start``, ``output`` and ``cancel``: programs that workers run, and what they write."""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import quote

import click

from imgray.cli.events import output_events
from imgray.cli.http import AnsweredError, ask, asks_service
from imgray.cli.tables import new_table, print_table, shown
from imgray.transcript import Stream

EXIT_FAILED = 1


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print them for machines.")
@asks_service
def commands(url: str, as_json: bool) -> None:  # noqa: FBT001
    """List the commands that the service allows to be started, with their arguments."""
    allowed = ask(url, "/v1/commands")
    if as_json:
        print(json.dumps(allowed))
        return
    if not allowed:
        print("No command is allowed. An operator allows some by the setting jobs.")
        return
    table = new_table("command", "arguments", "what it does")
    for command in allowed:
        arguments = [_argument(name, rule) for name, rule in command["arguments"].items()]
        given = ["PATH"] * command["takes_path"] + arguments
        table.add_row(shown(command["name"]), shown("  ".join(given)), shown(command["summary"]))
    print_table(table)


def _argument(name: str, rule: dict[str, Any]) -> str:
    match rule["type"]:
        case "choice":
            values = " or ".join(rule["choices"])
        case "text":
            values = rule["pattern"]
        case kind:
            values = f"{kind} from {rule['minimum']:g} to {rule['maximum']:g}"
    default = "" if rule["default"] is None else f", else {rule['default']}"
    return f"{name}=({values}{default})"


def _pairs(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"'{one}' has no name or no value: write NAME=VALUE.")
        if name in pairs:
            raise click.BadParameter(f"'{name}' is given twice.")
        pairs[name] = value
    return pairs


@click.command()
@click.argument("command")
@click.argument("path", default="")
@click.option("--worker", default="", help="Only this worker may run it: an id, or a name for whoever has it.")
@click.option("--node", default="", help="Only workers on the node with this id may run it.")
@click.option(
    "--node-label",
    "labels",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_pairs,
    help="Only workers on nodes with this label may run it; may be repeated.",
)
@click.option(
    "--arg",
    "arguments",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_pairs,
    help="An argument of the command; may be repeated.",
)
@click.option(
    "--wait-until",
    metavar="TIME",
    help="Accept it though no worker can run it yet; it fails if it has not ended by TIME, as in 2030-01-31T18:00:00Z.",
)
@click.option("-f", "--follow", is_flag=True, help="Show what it writes until it ends, and fail if it fails.")
@asks_service
def start(
    url: str,
    *,
    command: str,
    path: str,
    worker: str,
    node: str,
    labels: dict[str, str],
    arguments: dict[str, str],
    wait_until: str | None,
    follow: bool,
) -> None:
    """Have a worker run COMMAND, on the file or folder PATH if it takes one, and print the job's id.

    With --follow, standard output and standard error are the program's, and the id goes to standard error.
    """
    asked: dict[str, Any] = {
        "command": command,
        "path": path,
        "arguments": arguments,
        "target": {"worker": worker, "node": node, "labels": labels},
    }
    if wait_until is not None:
        asked |= {"wait_for_worker": True, "expires_at": wait_until}
    job_id = ask(url, "/v1/jobs", body=asked)["id"]
    click.echo(job_id, err=follow)
    if follow:
        try:
            _show_output(url, job_id, 0, follow=True)
        except KeyboardInterrupt:
            click.echo(f"The job goes on. To end it: imgray cancel {job_id}", err=True)
            raise


@click.command()
@click.argument("job_id", metavar="ID")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job ends.")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="Bytes of both streams together to pass over.")
@click.option("--stream", type=click.Choice([stream.value for stream in Stream]), help="Only this stream.")
@asks_service
def output(url: str, job_id: str, follow: bool, offset: int, stream: str | None) -> None:  # noqa: FBT001
    """Show what a job has written: its standard output and its standard error, each where it belongs.

    The exit status is 1 when the job ended, but not well.
    """
    _show_output(url, job_id, offset, stream, follow=follow)


def _show_output(url: str, job_id: str, offset: int, only: str | None = None, *, follow: bool) -> None:
    for event in output_events(url, f"{_path(job_id)}/output", offset, follow=follow):
        match event.kind:
            case "output" if only in {None, event.data["stream"]}:
                to = sys.stderr if event.data["stream"] == Stream.STDERR else sys.stdout
                print(event.data["text"], end="", file=to, flush=True)
            case "dropped":
                click.echo(f"imgray: {event.data['bytes']:,} bytes are not kept.", err=True)
            case "end" if event.data["error_text"]:
                click.echo(f"imgray: The job did not end well: {event.data['error_text']}", err=True)
                raise click.exceptions.Exit(EXIT_FAILED)


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@asks_service
def cancel(url: str, ids: tuple[str, ...]) -> None:
    """Cancel tasks, also jobs that run: their programs are stopped. One that has finished stays as it is."""
    refused = 0
    for task_id in ids:
        try:
            print(task_id, ask(url, _path(task_id), method="DELETE")["state"])
        except AnsweredError as error:  # the others are to be cancelled all the same
            error.show()
            refused += 1
    if refused:
        raise click.exceptions.Exit(EXIT_FAILED)


def _path(task_id: str) -> str:
    return f"/v1/tasks/{quote(task_id, safe='', errors='replace')}"
