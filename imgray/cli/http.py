"""How commands talk to a service: where it is, and one request that is answered or ends the command."""

from __future__ import annotations

import functools
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import click

from imgray import service
from imgray.errors import ServiceError
from imgray.settings import Settings

ANSWER_TIMEOUT_S = 60.0
EXIT_REFUSED = 2

data_option = click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help="Folder of the journal and the blobs."
)


class AnsweredError(click.ClickException):
    """The service answered with an error, which is shown as it says it."""

    exit_code = EXIT_REFUSED

    def show(self, file: Any = None) -> None:  # noqa: ANN401  # click's signature
        """Print it."""
        click.echo(f"imgray: {self.format_message()}", file=file, err=file is None)


def asks_service(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which service is meant, and the service's address as ``url``."""

    @data_option
    @click.option("--url", callback=_check_url, help="Address of the service, instead of --data.")
    @functools.wraps(command)
    def asking(data: Path | None, url: str | None, **options: object) -> None:
        command(url=url or service.running(Settings.having(data=data).data_folder).url, **options)

    return asking


def ask(
    url: str,
    path: str,
    *,
    query: Mapping[str, object] | None = None,
    body: Mapping[str, object] | None = None,
    timeout_s: float = ANSWER_TIMEOUT_S,
) -> Any:  # noqa: ANN401  # the JSON of any answer
    """Send a request, a POST if it has a body, and return the answer's JSON. What is None in a query is left out.

    Raises:
        AnsweredError: the service refuses; it says why.
        ServiceError: it does not answer, or something else does.
    """
    given = {name: value for name, value in (query or {}).items() if value is not None}
    request = urllib.request.Request(  # noqa: S310  # the address was checked, or is our own note's
        f"{url}{path}" + (f"?{urlencode(given, errors='replace')}" if given else ""),
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is on this machine, as a rule
    try:
        with direct.open(request, timeout=timeout_s) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise _refusal(url, error.code, error.read().decode(errors="replace")) from error
    except (OSError, ValueError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise ServiceError(f"The service at {url} does not answer: {reason}.") from error


def _refusal(url: str, status: int, text: str) -> Exception:
    try:
        answer = json.loads(text)
        return AnsweredError(f"{answer['code']}: {answer['message']}")
    except (ValueError, TypeError, KeyError):  # some other program listens there
        return ServiceError(f"{url} answers {status}: {text}")


def _check_url(_context: click.Context, _parameter: click.Parameter, url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        understood = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        understood = False
    if not understood:
        raise click.BadParameter("write it as in http://127.0.0.1:8000")
    return url.rstrip("/")
