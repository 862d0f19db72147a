"""Who may call what over gRPC, and from where."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Iterable, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner
from grpc_calls import ALL, ALL_SCOPES, KEYS, TOKENS, Served, bearing, grpc_here, told, uploaded

from imgray import service
from imgray.cli.serve import serve
from imgray.errors import GrpcKeysNeededError, ImgrayError, KeysNeededError, PeerNotAllowedError
from imgray.frontend.grpc.calls import SERVICE
from imgray.frontend.grpc.peer import is_near
from imgray.frontend.grpc.servicer import Servicer
from imgray.frontend.limits import Limits
from imgray.keys import Scope
from imgray.service import Note
from imgray.settings import Settings
from imgray.v1 import imgray_pb2 as pb

ROOT = Path(__file__).parents[2]
SCOPES = {
    "Submit": "submit",
    "Upload": "submit",
    "Get": "read",
    "Wait": "read",
    "Cancel": "operate",
    "ListTasks": "read",
    "Download": "read",
    "ListWorkers": "read",
    "StartJob": "operate",
    "StopJob": "operate",
    "QueryJob": "read",
    "StreamJob": "read",
}


async def refused(call: Awaitable[object]) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as raised:
        await call
    status, metadata = told(raised.value)
    return status.name, str(metadata["imgray-code"])


async def consumed(call: Any) -> None:
    async for _ in call:
        pass


def called(served: Served, name: str, metadata: Any) -> Awaitable[object]:
    """Call a method with an empty request."""
    method = SERVICE.methods_by_name[name]
    request: Any = getattr(pb, method.input_type.name)()
    if method.client_streaming:
        return uploaded(served, [request], metadata)
    answer = getattr(served.imgray, name)(request, metadata=metadata)
    return consumed(answer) if method.server_streaming else answer


async def test_every_call_needs_a_key(tmp_path: Path) -> None:
    async with grpc_here(tmp_path) as served:
        for method in SERVICE.methods:
            for metadata in ((), bearing("imgray_guessed"), (("authorization", "Basic YTpi"),)):
                code = await refused(called(served, method.name, metadata))
                assert code == ("UNAUTHENTICATED", "unauthenticated"), method.name


async def test_every_call_needs_a_scope(tmp_path: Path) -> None:
    admitted: dict[str, list[str]] = {method.name: [] for method in SERVICE.methods}
    async with grpc_here(tmp_path) as served:
        for name, scopes in admitted.items():
            for scope in ALL_SCOPES:
                try:
                    await called(served, name, bearing(TOKENS[scope]))
                except grpc.RpcError as error:
                    code = told(error)[1].get("imgray-code")
                else:
                    code = None
                if code != "scope_missing":
                    scopes.append(scope)
    assert admitted == {name: [scope] for name, scope in SCOPES.items()}


def test_the_page_names_the_scope_of_every_call() -> None:
    page = (ROOT / "docs" / "grpc.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (submit|read|operate) \|", page, re.MULTILINE))
    assert rows == SCOPES


async def test_a_key_over_its_limit_is_told_when_to_come_again(tmp_path: Path, png: bytes) -> None:
    slow = bearing(TOKENS["slow"])
    async with grpc_here(tmp_path) as served:
        await served.imgray.Submit(pb.SubmitRequest(image=png), metadata=slow)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await served.imgray.Submit(pb.SubmitRequest(image=png), metadata=slow)
        status, metadata = told(raised.value)
        assert (status.name, metadata["imgray-code"]) == ("RESOURCE_EXHAUSTED", "rate_limited")
        assert 900 < int(str(metadata["retry-after"])) <= 1000


async def test_without_keys_nobody_may(tmp_path: Path) -> None:
    async with grpc_here(tmp_path, keys=[]) as served:
        for metadata in ((), ALL):
            code = await refused(served.imgray.ListWorkers(pb.ListWorkersRequest(), metadata=metadata))
            assert code == ("PERMISSION_DENIED", "grpc_keys_needed")


def test_a_service_with_grpc_and_without_keys_does_not_start() -> None:
    Settings.having(grpc_port=9000, keys=KEYS).require_keys()
    Settings.having().require_keys()
    with pytest.raises(GrpcKeysNeededError, match="imgray keys new"):
        Settings.having(grpc_port=9000).require_keys()
    with pytest.raises(KeysNeededError):
        Settings.having(grpc_port=9000, host="0.0.0.0").require_keys()


def test_the_command_refuses_without_keys_and_passes_its_port_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def start_detached(_data: Path, arguments: Sequence[str]) -> Note:
        asked.extend(arguments)
        return Note(1, "", "http://127.0.0.1:8000")

    monkeypatch.setattr(service, "start_detached", start_detached)
    options = ["--detach", "--data", str(tmp_path), "--grpc-port", "9000"]
    assert isinstance(CliRunner().invoke(serve, options).exception, GrpcKeysNeededError)
    assert not asked
    monkeypatch.setenv("IMGRAY_KEYS", json.dumps(KEYS))
    assert CliRunner().invoke(serve, options).exit_code == 0
    assert asked[asked.index("--grpc-port") + 1] == "9000"


class Call:
    """What a server knows of a call."""

    def __init__(self, peer: str, metadata: Iterable[tuple[str, str | bytes]] = ALL) -> None:
        self._peer, self._metadata = peer, metadata

    def peer(self) -> str:
        return self._peer

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]]:
        return self._metadata

    def set_code(self, code: grpc.StatusCode, /) -> None: ...

    def set_details(self, details: str, /) -> None: ...

    def set_trailing_metadata(self, trailing_metadata: list[tuple[str, str]], /) -> None: ...


@pytest.mark.parametrize(
    ("settings", "far"),
    [
        ({}, False),
        ({"host": "0.0.0.0"}, True),
        ({"host": "0.0.0.0", "tls_cert": "cert.pem", "tls_key": "key.pem"}, False),
    ],
)
def test_calls_past_the_address_of_the_service_are_refused(settings: dict[str, Any], *, far: bool) -> None:
    chosen = Settings.having(keys=KEYS, **settings)
    servicer = Servicer(chosen, lambda: pytest.fail("nobody is asked"), Limits(chosen.keys))
    assert servicer.admit(Call("ipv4:127.0.0.1:80"), Scope.READ).name == "all"
    try:
        assert servicer.admit(Call("ipv4:192.0.2.1:80"), Scope.READ).name == "all"
    except PeerNotAllowedError as error:
        assert not far, error
    else:
        assert far


def test_without_a_scope_everyone_may() -> None:
    chosen = Settings.having()
    servicer = Servicer(chosen, lambda: pytest.fail("nobody is asked"), Limits(chosen.keys))
    assert servicer.admit(Call("ipv4:192.0.2.1:80", ()), None).name == ""
    with pytest.raises(ImgrayError):
        servicer.admit(Call("ipv4:192.0.2.1:80", ()), Scope.READ)


@pytest.mark.parametrize(
    ("peer", "near"),
    [
        ("ipv4:127.0.0.1:4321", True),
        ("ipv4:127.9.9.9:4321", True),
        ("ipv6:[::1]:4321", True),
        ("ipv6:%5B::1%5D:4321", True),
        ("ipv6:%5B::ffff:127.0.0.1%5D:4321", True),
        ("unix:", True),
        ("ipv4:192.0.2.1:4321", False),
        ("ipv6:%5B::ffff:192.0.2.1%5D:4321", False),
        ("ipv6:%5Bfe80::1%25eth0%5D:4321", False),
        ("ipv4:1.127.0.0.1:80", False),
        ("", False),
        ("unknown", False),
    ],
)
def test_where_a_call_comes_from(peer: str, *, near: bool) -> None:
    assert is_near(peer) is near
