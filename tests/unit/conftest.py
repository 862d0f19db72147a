"""Unit tests start no Ray."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from commands import Imgray, command_of


@pytest.fixture(autouse=True)
def _no_ray() -> Iterator[None]:
    before = "ray" in sys.modules and sys.modules["ray"].is_initialized()
    yield
    assert not ("ray" in sys.modules and sys.modules["ray"].is_initialized()) or before, "a unit test started Ray"


@pytest.fixture
def imgray(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Imgray:
    """Run the command in this process."""
    return command_of(monkeypatch, capsys)


@pytest.fixture(autouse=True)
def _no_master_has_just_been_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it known at once who is there; how it is in the first seconds has tests of its own."""
    monkeypatch.setattr("imgray.actors.dispatcher.RETURN_S", 0.0)
