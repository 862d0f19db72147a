"""What every call has in common: who makes it, what they may do, and how it ends with an error.

A method of a service is written as ``async def Name(self, request, caller)`` under `unary` or `stream`, which say what
scope it needs, and make of it what both grpc.aio and Ray Serve call: ``Name(request, grpc_context)``.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeVar

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2

from imgray.errors import GrpcKeysNeededError, ImgrayError, PeerNotAllowedError
from imgray.frontend.grpc.peer import is_near
from imgray.frontend.grpc.status import CallContext, tell
from imgray.frontend.limits import Limits
from imgray.gateway import Gateway
from imgray.keys import ANYONE, Authenticator, Caller, Scope, bearer
from imgray.settings import Settings
from imgray.v1 import imgray_pb2

log = logging.getLogger(__name__)

SERVICE = imgray_pb2.DESCRIPTOR.services_by_name["Imgray"]
HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"]

_ANSWERS: Mapping[str, type[Message]] = MappingProxyType(
    {method.name: GetMessageClass(method.output_type) for service in (SERVICE, HEALTH) for method in service.methods}
)

Served = TypeVar("Served", bound="Calls")
Request = TypeVar("Request")
Answer = TypeVar("Answer", bound=Message)


class Calls:
    """The calls of one service; every one asks the gateway.

    Args:
        settings: the service's settings.
        connect: called once, in the event loop that serves, to get the way into the cluster.
        limits: those of the keys, shared with HTTP.
    """

    def __init__(self, settings: Settings, connect: Callable[[], Gateway], limits: Limits) -> None:
        self.settings = settings
        self.limits = limits
        self._connect = connect
        self._authenticator = Authenticator(settings.keys)

    @cached_property
    def gateway(self) -> Gateway:
        """The way into the cluster."""
        return self._connect()

    def admit(self, context: CallContext, scope: Scope | None) -> Caller:
        """Say who makes a call, if they may; with no scope, everyone may.

        Raises:
            GrpcKeysNeededError: there are no keys, so nobody may.
            PeerNotAllowedError: it comes from another machine, past the address that the service has.
            UnauthenticatedError, ScopeMissingError: it has no key, or the wrong one.
        """
        if scope is None:
            return ANYONE
        if not self.settings.keys:  # `imgray serve` would not have started, but `serve run` starts whatever it is told
            raise GrpcKeysNeededError
        offered_here = self.settings.beyond_loopback and self.settings.tls_cert is None
        if not offered_here and not is_near(context.peer()):
            raise PeerNotAllowedError(context.peer())
        sent = dict(context.invocation_metadata() or ())
        caller = self._authenticator.authenticate(bearer(str(sent.get("authorization", ""))))
        caller.require(scope)
        return caller


def unary(
    scope: Scope | None,
) -> Callable[
    [Callable[[Served, Request, Caller], Awaitable[Answer]]],
    Callable[[Served, Request, CallContext], Awaitable[Answer]],
]:
    """Make a method a call with one answer, for callers with this scope; for everyone without one."""

    def made(
        method: Callable[[Served, Request, Caller], Awaitable[Answer]],
    ) -> Callable[[Served, Request, CallContext], Awaitable[Answer]]:
        nothing: Any = _ANSWERS[method.__name__]

        async def call(self: Served, request: Request, grpc_context: CallContext) -> Answer:
            try:
                return await method(self, request, self.admit(grpc_context, scope))
            except Exception as error:  # noqa: BLE001  # a call ends with a status, whatever happens
                tell(_known(error, method.__name__), grpc_context)
                return nothing()  # type: ignore[no-any-return]  # it is not sent

        return _named(call, method)

    return made


def stream(
    scope: Scope | None,
) -> Callable[
    [Callable[[Served, Request, Caller], AsyncGenerator[Answer, None]]],
    Callable[[Served, Request, CallContext], AsyncIterator[Answer]],
]:
    """Make a method, a generator, a call with a stream of answers."""

    def made(
        method: Callable[[Served, Request, Caller], AsyncGenerator[Answer, None]],
    ) -> Callable[[Served, Request, CallContext], AsyncIterator[Answer]]:
        nothing: Any = _ANSWERS[method.__name__]

        async def call(self: Served, request: Request, grpc_context: CallContext) -> AsyncIterator[Answer]:
            try:
                async with aclosing(method(self, request, self.admit(grpc_context, scope))) as parts:
                    async for part in parts:
                        yield part
            except Exception as error:  # noqa: BLE001  # the same
                tell(_known(error, method.__name__), grpc_context)
                yield nothing()  # what Ray Serve is told comes to the client with the next message

        return _named(call, method)

    return made


def _known(error: Exception, method: str) -> ImgrayError:
    """Return an error as it is told: what was not raised on purpose goes into the log."""
    if isinstance(error, ImgrayError):
        return error
    log.error("action=defect call=%s", method, exc_info=error)
    return ImgrayError("Something went wrong inside imgray; its log says what.")


Called = TypeVar("Called", bound=Callable[..., Any])


def _named(call: Called, method: Callable[..., Any]) -> Called:
    """Give a call the name of its method, but not its parameters: Ray Serve looks for ``grpc_context`` there."""
    call.__name__, call.__qualname__, call.__doc__ = method.__name__, method.__qualname__, method.__doc__
    return call
