"""Integration tests: the installed command, real Ray, real Serve, real HTTP. Each ends only what it started."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from running import Service, serving

README = Path(__file__).parents[2] / "README.md"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have one process run them all, one after the other: each has a Ray, and some kill what they find."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.xdist_group("integration"))


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    (jobs,) = re.findall(r"IMGRAY_JOBS='(.*?)'", README.read_text(encoding="utf-8"), re.DOTALL)
    with serving(tmp_path_factory.mktemp("service"), env={"IMGRAY_JOBS": jobs}) as running:
        yield running


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client
