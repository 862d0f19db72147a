"""The standard health service, which needs no key."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from grpc_calls import grpc_here, told
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse, HealthListRequest

from imgray.frontend.grpc import health
from imgray.frontend.grpc.calls import SERVICE

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
LOST_S = 0.2


async def test_it_serves_with_a_worker_and_not_without(tmp_path: Path) -> None:
    async with grpc_here(tmp_path) as served:
        watching = served.health.Watch(HealthCheckRequest())
        seen = [(await watching.read()).status]
        if seen != [SERVING]:  # the worker had not registered yet
            seen = [(await watching.read()).status]
        assert seen == [SERVING]
        for service in ("", SERVICE.full_name):
            assert (await served.health.Check(HealthCheckRequest(service=service))).status == SERVING
        listed = (await served.health.List(HealthListRequest())).statuses
        assert {name: answer.status for name, answer in listed.items()} == {"": SERVING, SERVICE.full_name: SERVING}


async def test_a_watcher_is_told_of_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "WATCH_S", 0.01)
    async with grpc_here(tmp_path) as served:
        watching = served.health.Watch(HealthCheckRequest(service=SERVICE.full_name))
        while (await watching.read()).status != SERVING:
            pass
        for worker in list(served.cluster.workers):
            served.cluster.kill_worker(worker)
        assert (await watching.read()).status == NOT_SERVING
        served.cluster.add_worker("another")
        assert (await watching.read()).status == SERVING


async def test_an_unknown_service_is_not_found(tmp_path: Path) -> None:
    async with grpc_here(tmp_path) as served:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await served.health.Check(HealthCheckRequest(service="another"))
        assert told(raised.value)[0] == grpc.StatusCode.NOT_FOUND
        watching = served.health.Watch(HealthCheckRequest(service="another"))
        assert (await watching.read()).status == HealthCheckResponse.SERVICE_UNKNOWN
        watching.cancel()


async def test_watchers_are_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MAX_WATCHERS", 2)
    async with grpc_here(tmp_path) as served:
        watching = [served.health.Watch(HealthCheckRequest()) for _ in range(2)]
        for one in watching:
            await one.read()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            async for _ in served.health.Watch(HealthCheckRequest()):
                pass
        assert told(raised.value)[1]["imgray-code"] == "too_many_watchers"
