"""What routes are given: the way into the cluster, and where in a list to go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Query, Request

from imgray.errors import HostNotAllowedError, ImgrayError, PassingError, RequestError
from imgray.gateway import Gateway
from imgray.settings import is_loopback

MAX_PAGE = 1000
DEFAULT_PAGE = 50

_CURSOR_DIGITS = 19  # of a 63-bit sequence number


def gateway_of(request: Request) -> Gateway:
    """Return the gateway that the application connected when it started."""
    gateway: Gateway = request.app.state.gateway
    return gateway


async def _gateway(request: Request) -> Gateway:  # a coroutine: FastAPI has plain functions called in a thread
    return gateway_of(request)


async def check_host(request: Request) -> None:
    """Refuse what a browser was tricked into: a foreign name that leads here, or another site's page.

    And whoever says that it calls this machine by a loopback name, but comes from another one.

    Raises:
        HostNotAllowedError: the ``Host`` is no name of this service's, or the ``Origin`` is another.
    """
    settings = gateway_of(request).settings
    from_here = request.client is not None and is_loopback(request.client.host)
    for url in (f"//{request.headers.get('host', '')}", request.headers.get("origin", "")):
        try:
            host = urlsplit(url).hostname
        except ValueError:
            host = url
        if url not in {"", "//"} and not (host and ((is_loopback(host) and from_here) or host in settings.hosts)):
            raise HostNotAllowedError(host or url)


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a list is asked for: where it begins, and how many it has at most."""

    before: int | None
    limit: int


async def part_of(
    cursor: Annotated[str, Query(description="`next_cursor` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> Part:
    """Return the part of a list that a request asks for."""
    return Part(position_of(cursor), limit)


def position_of(cursor: str) -> int | None:
    """Return where in a list a cursor stands; None, the beginning, without one.

    Raises:
        RequestError: it is not one of ours.
    """
    if cursor and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < _CURSOR_DIGITS):
        raise RequestError(f"'{cursor}' is not a cursor that this service made.")
    return int(cursor) if cursor else None


def cursor_of(position: int | None) -> str | None:
    """Return the cursor for a place in a list."""
    return None if position is None else str(position)


def shown(error: ImgrayError) -> str:
    """Return what an error says, though it may repeat what is no text."""
    return str(error).encode(errors="replace").decode()


def retry_after(error: ImgrayError) -> dict[str, str]:
    """Return the header that says when to try again, if that may help."""
    return {"Retry-After": str(error.retry_after_s)} if isinstance(error, PassingError) else {}


GatewayDep = Annotated[Gateway, Depends(_gateway)]
PartDep = Annotated[Part, Depends(part_of)]
TenantFilter = Annotated[str | None, Query(description="Only this tenant's; empty: only those that name none.")]
CodeFilter = Annotated[str, Query(description="Only those that failed with this error code.")]
