"""Integration tests: the installed command, real Ray, real Serve, real HTTP. Each ends only what it started."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from running import Service, serving


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client
