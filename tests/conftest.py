"""What all tests share. The environment is set before anything can import Ray."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as of a job in the background: what tests start would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
for name in [name for name in os.environ if name.startswith("IMGRAY_")]:
    del os.environ[name]  # the settings of whoever runs the tests are not the tests' settings

import pytest  # noqa: E402  # after the environment is set
from pictures import encoded, picture  # noqa: E402  # the same


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--schedules", type=int, default=10_000, help="schedules that the simulation plays")
    parser.addoption("--first-seed", type=int, default=0, help="the seed that it begins with")
    parser.addoption("--fuzz-rounds", type=int, default=4_000, help="mutated files and pipelines that are tried")
    parser.addoption("--write-goldens", action="store_true", help="write the golden images that are missing")
    parser.addoption("--chaos-rounds", type=int, default=1, help="times that each part of a real cluster is struck")


@pytest.fixture
def write_goldens(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--write-goldens"))


@pytest.fixture
def png() -> bytes:
    return encoded(picture())


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run ``async def`` tests, each in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}  # noqa: SLF001
    asyncio.run(pyfuncitem.obj(**arguments))
    return True
