"""Unit tests start no Ray."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _no_ray() -> Iterator[None]:
    before = "ray" in sys.modules and sys.modules["ray"].is_initialized()
    yield
    assert not ("ray" in sys.modules and sys.modules["ray"].is_initialized()) or before, "a unit test started Ray"
