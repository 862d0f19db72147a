"""The definition of gRPC, the code made of it, and that nothing of it is left out."""

from __future__ import annotations

import inspect
import re
import runpy
from pathlib import Path

import grpc
import pytest

from imgray import errors
from imgray.errors import ImgrayError
from imgray.frontend.grpc.calls import HEALTH, SERVICE
from imgray.frontend.grpc.servicer import REGISTRATIONS, Servicer
from imgray.frontend.grpc.status import CODES

ROOT = Path(__file__).parents[2]
METHODS = [method for service in (SERVICE, HEALTH) for method in service.methods]
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ImgrayError)]


def test_the_generated_code_is_that_of_the_definition() -> None:
    for name, code in runpy.run_path(str(ROOT / "scripts" / "generate_grpc.py"))["generated"]().items():
        assert (ROOT / name).read_text(encoding="utf-8") == code, "run: python scripts/generate_grpc.py"


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_method_is_as_ray_serve_wants_it(method: object) -> None:
    name, streams = method.name, method.server_streaming  # type: ignore[attr-defined]
    made = getattr(Servicer, name)
    assert list(inspect.signature(made).parameters) == ["self", "request", "grpc_context"]
    assert inspect.isasyncgenfunction(made) if streams else inspect.iscoroutinefunction(made)
    assert made.__name__ == name


def test_no_two_methods_have_one_name() -> None:
    """Ray Serve calls them by their names, whatever service they belong to."""
    names = [method.name for method in METHODS]
    assert len(set(names)) == len(names)


def test_ray_serve_is_told_of_what_there_is() -> None:
    for path in REGISTRATIONS:
        module, _, name = path.rpartition(".")
        assert callable(getattr(__import__(module, fromlist=[name]), name))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_a_status(kind: type[ImgrayError]) -> None:
    assert CODES[kind.status] not in {grpc.StatusCode.UNKNOWN, grpc.StatusCode.OK}


def test_the_page_lists_every_status() -> None:
    page = (ROOT / "docs" / "grpc.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([0-9, ]+) \| `([A-Z_]+)` \|$", page, re.MULTILINE)
    listed = {int(status): code for statuses, code in rows for status in statuses.split(",")}
    assert listed == {status: code.name for status, code in CODES.items()}
