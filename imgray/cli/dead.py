"""``imgray dead``: the tasks of the service that failed for good, and what to do with them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click
from rich.console import Console

from imgray.cli.http import ask, asks_service
from imgray.cli.tables import moment, new_table, print_table, shown

EXIT_NOT_ALL = 1

_LETTERS = "/v1/dead-letters"
_AT_A_TIME = 1000  # as many as the service takes in one call

_code_option = click.option("--code", help="Only those that failed with this error code.")
_tenant_option = click.option("--tenant", help='Only this tenant\'s; "": only those that name none.')


@click.group()
def dead() -> None:
    """Look after the tasks that failed for good: dead letters."""


@dead.command("list")
@_code_option
@_tenant_option
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="Print them for machines.")
@asks_service
def list_letters(url: str, code: str | None, tenant: str | None, limit: int, as_json: bool) -> None:  # noqa: FBT001
    """List dead letters, newest first."""
    found = list(itertools.islice(_letters(url, code, tenant, limit + 1), limit + 1))
    letters = found[:limit]
    if as_json:
        print(json.dumps(letters))
        return
    if not letters:
        print("There are no dead letters.")
        return
    table = new_table("task", "failed", "attempts", "error", "label")
    for letter in letters:
        table.add_row(
            shown(letter["id"]),
            moment(letter["finished_at"]),
            str(len(letter["history"])),
            shown(letter["error"]["code"]),
            shown(letter["label"]),
        )
    print_table(table)
    if len(found) > limit:
        click.echo("There are more: --limit.", err=True)


def _chooses(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the arguments that say which dead letters are meant."""
    for option in (
        _tenant_option,
        _code_option,
        click.option("--all", "everything", is_flag=True, help="All of them, or of a code and a tenant."),
        click.argument("ids", nargs=-1, metavar="[ID]..."),
    ):
        command = option(command)
    return command


@dead.command()
@_chooses
@asks_service
def redrive(url: str, **which: Any) -> None:  # noqa: ANN401
    """Put dead letters back in the queue: those with these IDs, or --all."""
    _handle(url, "redrive", "put back", _bodies(**which), len(set(which["ids"])))


@dead.command()
@_chooses
@click.option("--yes", is_flag=True, help="Do not ask.")
@asks_service
def purge(url: str, yes: bool, **which: Any) -> None:  # noqa: ANN401, FBT001
    """Remove dead letters and their images for good: those with these IDs, or --all."""
    bodies = _bodies(**which)
    question = f"Remove {_described(which['code'], which['tenant'])} for good?"
    if which["everything"] and not yes and not click.confirm(question):
        raise click.exceptions.Exit(EXIT_NOT_ALL)
    _handle(url, "purge", "removed", bodies, len(set(which["ids"])))


def _letters(url: str, code: str | None, tenant: str | None, limit: int) -> Iterator[dict[str, Any]]:
    """Yield dead letters, a page at a time."""
    query: dict[str, object] = {"code": code, "tenant": tenant, "limit": min(limit, _AT_A_TIME)}
    while True:
        page = ask(url, _LETTERS, query=query)
        yield from page["tasks"]
        if page["next_cursor"] is None:
            return
        query["cursor"] = page["next_cursor"]


def _bodies(*, ids: tuple[str, ...], everything: bool, code: str | None, tenant: str | None) -> list[dict[str, object]]:
    """Return the requests that say which dead letters are meant."""
    if bool(ids) == everything:
        raise click.UsageError("Give the IDs of tasks, or --all.")
    if everything:
        given = {"code": code, "tenant": tenant}
        return [{"all": True, **{name: value for name, value in given.items() if value is not None}}]
    if code is not None or tenant is not None:
        raise click.UsageError("--code and --tenant choose among --all.")
    each = list(dict.fromkeys(ids))
    return [{"ids": each[start : start + _AT_A_TIME]} for start in range(0, len(each), _AT_A_TIME)]


def _described(code: str | None, tenant: str | None) -> str:
    words = "all dead letters"
    if tenant is not None:
        words += f" of tenant '{tenant}'" if tenant else " without a tenant"
    return words + (f" that failed with {code}" if code else "")


def _handle(url: str, verb: str, done: str, bodies: Sequence[Mapping[str, object]], asked: int) -> None:
    """Have dead letters redriven or purged, and tell how many were."""
    count = 0
    try:
        with Console(stderr=True).status("…") as progress:
            for handled in itertools.chain.from_iterable(_calls(f"{_LETTERS}/{verb}", url, body) for body in bodies):
                count += handled
                progress.update(f"{count:,} {done}")
    finally:  # also when the service refuses to go on: what was done is done
        print(f"Dead letters {done}: {count:,}")
    if count < asked:
        click.echo(f"{asked - count:,} of the {asked:,} tasks named are no dead letters.", err=True)
        raise click.exceptions.Exit(EXIT_NOT_ALL)


def _calls(path: str, url: str, body: Mapping[str, object]) -> Iterator[int]:
    """Make a request, and again while more is left to do; yield how many dead letters each call handled."""
    while True:
        answer = ask(url, path, body=body)
        yield answer["tasks"]
        if not answer["more"]:
            return
        body = {**body, "cursor": answer["next_cursor"]}
