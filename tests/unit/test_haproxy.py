"""HAProxy before Serve: what it may be bound to, and what is started in its place."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from imgray import haproxy
from imgray.haproxy import confined, free_port, haproxy_environment

CONFIGURATION = """
frontend prometheus
    bind :9101
frontend http_frontend
    bind 127.0.0.1:8000
frontend everyone
    bind *:8000
listen stats
  bind *:8404
  stats enable
"""


def binds(configuration: str) -> list[str]:
    return [line.split()[1] for line in configuration.splitlines() if line.split()[:1] == ["bind"]]


def test_what_would_be_open_to_everyone_is_not() -> None:
    expected = ["unix@/a/9101.sock", "127.0.0.1:8000", "unix@/a/8000.sock", "unix@/a/8404.sock"]
    assert binds(confined(CONFIGURATION, 0, "/a")) == expected


def test_only_the_port_that_is_meant_to_be_open_stays_so() -> None:
    expected = ["unix@/a/9101.sock", "127.0.0.1:8000", "*:8000", "unix@/a/8404.sock"]
    assert binds(confined(CONFIGURATION, 8000, "/a")) == expected


def test_nothing_else_is_changed_and_once_more_does_the_same() -> None:
    once = confined(CONFIGURATION, 0, "/a")
    assert [line for line in once.splitlines() if "bind" not in line] == [
        line for line in CONFIGURATION.splitlines() if "bind" not in line
    ]
    assert confined(once, 0, "/a") == once


def test_two_services_on_a_machine_share_no_port_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray has one port for all, where any of them may be asked for what another was to answer."""
    binary = tmp_path / "real"
    binary.touch()
    monkeypatch.setattr(haproxy, "_binary", lambda: binary)
    monkeypatch.setattr(haproxy, "_PORTS", range(20_000, 20_064, 32))

    def ports(environment: Mapping[str, str]) -> set[int]:
        named = {name: int(value) for name, value in environment.items() if name.endswith("_PORT")}
        replicas = range(
            named["RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT"], named["RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT"]
        )
        assert len(replicas) == 31
        return {named["RAY_SERVE_FALLBACK_PROXY_HTTP_PORT"], *replicas}

    for _ in range(20):
        with haproxy_environment("127.0.0.1", 8000) as one, socket.socket() as proxy:
            proxy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            proxy.bind(("127.0.0.1", int(one["RAY_SERVE_FALLBACK_PROXY_HTTP_PORT"])))
            proxy.listen()
            with haproxy_environment("127.0.0.1", 8001) as other:
                assert not ports(one) & ports(other)


@pytest.mark.parametrize(("host", "public"), [("127.0.0.1", 0), ("0.0.0.0", 8000), ("::", 8000), ("10.0.0.1", 0)])
def test_what_is_started_mends_the_configuration_and_becomes_haproxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, public: int
) -> None:
    binary = tmp_path / "real"
    binary.write_text('#!/bin/sh\necho "$@"\ncat "$3"\n')
    binary.chmod(0o700)
    monkeypatch.setattr(haproxy, "_binary", lambda: binary)
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(CONFIGURATION)
    with haproxy_environment(host, 8000) as environment:
        starter = environment["RAY_SERVE_HAPROXY_BINARY_PATH"]
        folder = str(Path(starter).parent)
        done = subprocess.run(
            [starter, "-db", "-f", configuration, "-sf", "1"], capture_output=True, check=True, text=True
        )
    assert done.stdout == f"-db -f {configuration} -sf 1\n{confined(CONFIGURATION, public, folder)}"
    assert not Path(starter).exists()


def test_two_of_them_share_no_files() -> None:
    with haproxy_environment("127.0.0.1", 8000) as one, haproxy_environment("127.0.0.1", 8001) as other:
        names = {name for name in one if name.endswith(("PATH", "LOC", "BASE", "FILE"))}
        assert names
        assert all(one[name] != other[name] for name in names)


def test_where_there_is_no_haproxy_serve_listens_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with haproxy_environment("127.0.0.1", 8000) as environment:
        assert environment == {}


def test_a_free_port_is_free() -> None:
    assert 0 < free_port() < 65536


def test_what_a_service_that_was_killed_left_behind_goes_and_what_is_in_use_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, new, other = (tmp_path / name for name in ("imgray-haproxy-left", "imgray-haproxy-new", "other"))
    for folder in (left, new, other):
        folder.mkdir()
        (folder / "haproxy").touch()
    with haproxy_environment("127.0.0.1", 8000) as environment:
        used = Path(environment["RAY_SERVE_HAPROXY_BINARY_PATH"]).parent
        for folder in (left, other, used):
            os.utime(folder, (0, 0))
        with haproxy_environment("127.0.0.1", 8001):
            assert not left.exists()
            assert all((folder / "haproxy").exists() for folder in (new, other, used))
    assert {path.name for path in tmp_path.iterdir()} == {new.name, other.name}
