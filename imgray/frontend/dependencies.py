"""What routes are given: the way into the cluster."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from imgray.errors import HostNotAllowedError
from imgray.gateway import Gateway
from imgray.settings import is_loopback


def gateway_of(request: Request) -> Gateway:
    """Return the gateway that the application connected when it started."""
    gateway: Gateway = request.app.state.gateway
    return gateway


async def check_host(request: Request) -> None:
    """Refuse what a browser was tricked into: a foreign name that leads here, or another site's page.

    Raises:
        HostNotAllowedError: the ``Host`` is no name of this service's, or the ``Origin`` is another.
    """
    settings = gateway_of(request).settings
    for url in (f"//{request.headers.get('host', '')}", request.headers.get("origin", "")):
        try:
            host = urlsplit(url).hostname
        except ValueError:
            host = url
        if url not in {"", "//"} and not (host and (is_loopback(host) or host in settings.hosts)):
            raise HostNotAllowedError(host or url)


GatewayDep = Annotated[Gateway, Depends(gateway_of)]
