"""Access over HTTP: who calls, before anything of the body is read, and what a route asks of the caller.

Every route says which scope it needs where it is declared, with `needs`; a test walks over them. What is not in
`PUBLIC` needs a key, if the service has keys, whether there is such a path or not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, MutableMapping
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.params import Depends as Dependency
from starlette.datastructures import Headers
from starlette.responses import Response

from imgray.errors import ImgrayError
from imgray.frontend.dependencies import gateway_of
from imgray.frontend.limits import Limits
from imgray.frontend.uploads import BODY_BYTES, App, Receive, Send, check_size
from imgray.keys import Authenticator, Caller, Scope, bearer

PUBLIC = frozenset({"/", "/docs", "/openapi.json", "/healthz", "/readyz"})
"""Paths that need no key: what says how to use the service, and whether it is there."""

_CALLER = "imgray.caller"


class Authentication:
    """ASGI middleware that lets through only whoever has a key."""

    def __init__(self, app: App, authenticator: Authenticator, render: Callable[[ImgrayError], Response]) -> None:
        self._app = app
        self._authenticator = authenticator
        self._render = render

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Pass a request on with its caller, or answer what is wrong."""
        if scope["type"] == "http" and scope["path"] not in PUBLIC:
            try:
                token = bearer(Headers(raw=scope["headers"]).get("authorization", ""))
                scope[_CALLER] = self._authenticator.authenticate(token)
            except ImgrayError as error:
                await self._render(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def caller_of(request: Request) -> Caller:
    """Return who makes a request."""
    caller: Caller = request.scope[_CALLER]
    return caller


async def _caller(request: Request) -> Caller:  # a coroutine: FastAPI has plain functions called in a thread
    return caller_of(request)


CallerDep = Annotated[Caller, Depends(_caller)]


class Needs:
    """A dependency that requires a scope."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> None:
        """Refuse a caller without the scope.

        Raises:
            ScopeMissingError: the key lacks it.
        """
        caller_of(request).require(self.scope)


def needs(scope: Scope) -> Dependency:
    """Have a route, or all of a router's, require a scope."""
    dependency: Dependency = Depends(Needs(scope))
    return dependency


async def within_limits(request: Request) -> AsyncIterator[None]:
    """Count a submission and its body against the limits of the caller's key.

    Raises:
        BodyTooLargeError: the body is over the limit of all.
        RateLimitedError: the key is over one.
    """
    limits: Limits = request.app.state.limits
    caller = caller_of(request)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal():  # before it is charged: nothing so large is read
        check_size(int(declared), gateway_of(request).settings.max_body_bytes)
    limits.admit(caller, int(declared) if declared.isdecimal() else None)
    try:
        yield
    finally:
        if not declared.isdecimal():
            limits.charge(caller, request.scope[BODY_BYTES])


SUBMITS = [needs(Scope.SUBMIT), Depends(within_limits)]
"""What every route that takes a submission depends on."""

STARTS = [needs(Scope.OPERATE), Depends(within_limits)]
"""What every route that starts a job depends on."""
