"""The standard `grpc.health.v1.Health`, by which load balancers look: it serves when /readyz says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from grpc_health.v1.health_pb2 import (
    HealthCheckRequest,
    HealthCheckResponse,
    HealthListRequest,
    HealthListResponse,
)

from imgray.errors import PassingError, ServiceNotFoundError, TooManyWatchersError
from imgray.frontend.grpc.calls import SERVICE, Calls, stream, unary
from imgray.frontend.readiness import check_ready
from imgray.keys import Caller

MAX_WATCHERS = 100
"""Streams of `Watch` that a replica has at a time: it needs no key, and must not take the place of other calls."""

WATCH_S = 5.0
"""How often `Watch` looks; the Master tells nobody when it goes."""

_SERVICES = ("", SERVICE.full_name)  # the first is the whole server


class HealthCalls(Calls):
    """Health needs no key."""

    _watchers = 0

    @unary(None)
    async def Check(self, request: HealthCheckRequest, _caller: Caller) -> HealthCheckResponse:
        """Say whether a service can be used."""
        if request.service not in _SERVICES:
            raise ServiceNotFoundError(request.service)
        return await self._answer(request.service)

    @unary(None)
    async def List(self, _request: HealthListRequest, _caller: Caller) -> HealthListResponse:
        """Say of every service whether it can be used."""
        answer = await self._answer(SERVICE.full_name)
        return HealthListResponse(statuses=dict.fromkeys(_SERVICES, answer))

    @stream(None)
    async def Watch(self, request: HealthCheckRequest, _caller: Caller) -> AsyncGenerator[HealthCheckResponse, None]:
        """Say it again whenever it changes."""
        if self._watchers >= MAX_WATCHERS:
            raise TooManyWatchersError(MAX_WATCHERS)
        self._watchers += 1
        try:
            said = None
            while True:
                answer = await self._answer(request.service)
                if answer != said:
                    said = answer
                    yield answer
                await asyncio.sleep(WATCH_S)
        finally:
            self._watchers -= 1

    async def _answer(self, service: str) -> HealthCheckResponse:
        if service not in _SERVICES:
            return HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN)
        try:
            await check_ready(self.gateway)
        except PassingError:
            return HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING)
        return HealthCheckResponse(status=HealthCheckResponse.SERVING)
