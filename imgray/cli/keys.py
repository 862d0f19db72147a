"""``imgray keys``: making API keys. Nothing is stored here: the settings know a key by its hash alone."""

from __future__ import annotations

import json

import click

from imgray.keys import Scope, digest_of, new_key
from imgray.settings import Settings


@click.group()
def keys() -> None:
    """Look after API keys."""


@keys.command()
@click.option("--name", required=True, help="What the key is called in errors and limits.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    required=True,
    help="What it may do; may be repeated.",
)
@click.option("--submissions-per-s", type=float, help="Most submissions a second.")
@click.option("--bytes-per-s", type=float, help="Most uploaded bytes a second.")
@click.option("--live-tasks", type=int, help="Most tasks that wait or run.")
@click.option("--json", "as_json", is_flag=True, help="Print it for machines.")
def new(name: str, scopes: tuple[str, ...], as_json: bool, **limits: float | None) -> None:  # noqa: FBT001
    """Make a key: print it, this once, and its entry for IMGRAY_KEYS."""
    key = new_key()
    given = {limit: value for limit, value in limits.items() if value is not None}
    entry = {"name": name, "sha256": digest_of(key), "scopes": list(dict.fromkeys(scopes)), **given}
    Settings.having(keys=[entry])  # says what is wrong with it
    if as_json:
        print(json.dumps({"key": key, "entry": entry}))
        return
    print(f"The key, which is shown only now:\n\n  {key}\n")
    print(f"Its entry in the list IMGRAY_KEYS:\n\n  {json.dumps(entry)}")
