"""How commands talk to a service: where it is, and one request that is answered or ends the command."""

from __future__ import annotations

import functools
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import click

from imgray import service
from imgray.credentials import client_context, in_words
from imgray.errors import BadSettingError, ServiceError
from imgray.settings import Settings

ANSWER_TIMEOUT_S = 60.0
EXIT_REFUSED = 2

_KEY = "imgray.key"

data_option = click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help="Folder of the journal and the blobs."
)


class AnsweredError(click.ClickException):
    """The service answered with an error, which is shown as it says it."""

    exit_code = EXIT_REFUSED

    def show(self, file: Any = None) -> None:  # noqa: ANN401  # click's signature
        """Print it."""
        click.echo(f"imgray: {self.format_message()}", file=file, err=file is None)


class NotNowError(AnsweredError):
    """The service cannot do it for the moment: a part of it is being started again."""


AWAY = (NotNowError, ServiceError)
"""What is worth another attempt, for whoever follows a service."""


def asks_service(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which service is meant, and the service's address as ``url``."""

    @data_option
    @url_option
    @key_file_option
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
    method: str | None = None,
    timeout_s: float = ANSWER_TIMEOUT_S,
) -> Any:  # noqa: ANN401  # the JSON of any answer
    """Send a request, by default a POST if it has a body, and return the answer's JSON.

    What is None in a query is left out.

    Raises:
        AnsweredError: the service refuses; it says why.
        ServiceError: it does not answer, or something else does.
    """
    with answer_of(url, path, query=query, body=body, method=method, timeout_s=timeout_s) as answer:
        return json.load(answer)


@contextmanager
def answer_of(
    url: str,
    path: str,
    *,
    query: Mapping[str, object] | None = None,
    body: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
    timeout_s: float = ANSWER_TIMEOUT_S,
) -> Iterator[HTTPResponse]:
    """Send a request as `ask` does, and give the answer to be read while it comes. Raises as `ask`."""
    settings = Settings.having()
    given = {name: value for name, value in (query or {}).items() if value is not None}
    request = urllib.request.Request(  # noqa: S310  # the address was checked, or is our own note's
        f"{url}{path}" + (f"?{urlencode(given, errors='replace')}" if given else ""),
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json", **(headers or {})},
        method=method,
    )
    if key := click.get_current_context().meta.get(_KEY) or settings.key:
        request.add_unredirected_header("Authorization", f"Bearer {key}")  # it is for this service alone
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]  # it is on this machine, as a rule
    if url.startswith("https:"):
        handlers.append(urllib.request.HTTPSHandler(context=client_context(settings)))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout_s) as answer:
            yield answer
    except urllib.error.HTTPError as error:
        raise _refusal(url, error.code, error.read().decode(errors="replace")) from error
    except (OSError, ValueError, HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise ServiceError(
                f"The certificate of {url} is not trusted: {reason.verify_message}. Name its authority in"
                " IMGRAY_TLS_CA, and the service as its certificate does (--url)."
            ) from error
        raise ServiceError(f"The service at {url} does not answer: {in_words(reason)}.") from error


def _refusal(url: str, status: int, text: str) -> Exception:
    try:
        answer = json.loads(text)
        kind = NotNowError if status == HTTPStatus.SERVICE_UNAVAILABLE else AnsweredError
        return kind(f"{answer['code']}: {answer['message']}")
    except (ValueError, TypeError, KeyError):  # some other program listens there
        return ServiceError(f"{url} answers {status}: {text}")


def _keep_key(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    """Keep the key that a file holds for `answer_of`: on a command line, everyone on this machine could read it."""
    if path is None:
        return
    try:
        context.meta[_KEY] = Settings.having(key=path.read_text(encoding="utf-8").strip()).key
    except (OSError, UnicodeError, BadSettingError) as error:
        raise click.BadParameter(f"'{path}' holds no key: {error}") from error


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


url_option = click.option("--url", callback=_check_url, help="Address of the service, instead of --data.")
key_file_option = click.option(
    "--key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    expose_value=False,
    callback=_keep_key,
    help="File that holds the key, instead of IMGRAY_KEY.",
)
