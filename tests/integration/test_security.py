"""The service with keys, TLS and mutual TLS, as its users and those who are none meet it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import grpc
import httpx
import pytest
from authorities import Authority, Pair
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pictures import encoded, picture
from running import IMGRAY, Service, free_port, imgray, serving

SCOPES = {"all": ["submit", "read", "operate"], "reader": ["read"]}


def new_key(name: str) -> tuple[str, dict[str, object]]:
    """Have the command make a key."""
    scopes = [part for scope in SCOPES[name] for part in ("--scope", scope)]
    made = json.loads(imgray("keys", "new", "--name", name, *scopes, "--json").stdout)
    return made["key"], made["entry"]


def test_keys_tls_and_mutual_tls(tmp_path: Path) -> None:
    authority, foreign = Authority(tmp_path), Authority(tmp_path, "foreign")
    pair, mine, stranger = authority.pair("localhost", "127.0.0.1"), authority.pair("client"), foreign.pair("client")
    (key, entry), (reader, reader_entry) = new_key("all"), new_key("reader")
    grpc_port = free_port()
    env = {
        "IMGRAY_KEYS": json.dumps([entry, reader_entry]),
        "IMGRAY_TLS_CERT": str(pair.cert),
        "IMGRAY_TLS_KEY": str(pair.key),
        "IMGRAY_TLS_CLIENT_CA": str(authority.path),
        "IMGRAY_GRPC_PORT": str(grpc_port),
    }
    with serving(tmp_path / "data", env=env, workers=1) as service:
        url = f"https://localhost:{service.url.rpartition(':')[2]}"
        with httpx.Client(base_url=url, verify=authority.trusted(mine), timeout=60) as http:
            keys_are_asked_for(http, key, reader)
        only_clients_of_the_authority_come_in(url, authority, stranger)
        key_file = tmp_path / "key"
        key_file.write_text(f"{key}\n")
        commands_show_key_and_certificate(service, url, key_file, authority, mine)
        grpc_is_behind_tls_too(grpc_port, authority, mine)


def keys_are_asked_for(http: httpx.Client, key: str, reader: str) -> None:
    png = encoded(picture())
    assert http.get("/healthz").text == "ok"
    for headers, status, code in (
        ({}, 401, "unauthenticated"),
        ({"Authorization": "Bearer imgray_wrong"}, 401, "unauthenticated"),
        ({"Authorization": f"Bearer {reader}"}, 403, "scope_missing"),
    ):
        answer = http.post("/v1/tasks", content=png, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    bearing = {"Authorization": f"Bearer {key}"}
    big = encoded(picture(size=(1500, 1000)))  # some megabytes through the edge, both ways
    accepted = http.post("/v1/tasks", params={"pipeline": "swap:rg"}, content=big, headers=bearing)
    assert accepted.status_code == 202
    task = http.get(accepted.headers["location"], params={"wait_s": 50}, headers=bearing).json()
    fetched = http.get(task["outputs"][0]["url"], headers={"Authorization": f"Bearer {reader}"})
    assert len(fetched.content) == task["outputs"][0]["size_bytes"] > 2**20


def only_clients_of_the_authority_come_in(url: str, authority: Authority, stranger: Pair) -> None:
    for shown in (None, stranger):
        with (
            httpx.Client(verify=authority.trusted(shown)) as client,
            pytest.raises(httpx.TransportError, match=r"(?i)certificate required|unknown ca"),
        ):
            client.get(f"{url}/healthz")
    with httpx.Client() as client:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            client.get(f"{url}/healthz")
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(f"{url.replace('https', 'http')}/healthz")


def commands_show_key_and_certificate(
    service: Service, url: str, key_file: Path, authority: Authority, mine: Pair
) -> None:
    key = key_file.read_text().strip()
    trusting = {"IMGRAY_TLS_CA": str(authority.path)}
    shown = {"IMGRAY_TLS_CLIENT_CERT": str(mine.cert), "IMGRAY_TLS_CLIENT_KEY": str(mine.key)}
    by_note = ["--data", service.data]
    for env, options, status, words in (
        ({**trusting, **shown, "IMGRAY_KEY": key}, by_note, 0, "https://127.0.0.1:"),
        ({**trusting, **shown}, ["--url", url, "--key-file", key_file], 0, "https://localhost:"),
        ({**trusting, **shown}, by_note, 2, "unauthenticated: A key is needed."),
        ({**trusting, "IMGRAY_KEY": key}, by_note, 2, "certificate required"),
        ({**shown, "IMGRAY_KEY": key}, by_note, 2, "Name its authority in IMGRAY_TLS_CA"),
    ):
        said = run("status", *options, env=env)
        assert (said.returncode, words in said.stdout + said.stderr) == (status, True), said


def grpc_is_behind_tls_too(port: int, authority: Authority, mine: Pair) -> None:
    credentials = grpc.ssl_channel_credentials(
        authority.path.read_bytes(), mine.key.read_bytes(), mine.cert.read_bytes()
    )
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with grpc.insecure_channel(f"localhost:{port}") as channel, pytest.raises(grpc.RpcError) as refused:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def run(*arguments: object, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [*IMGRAY, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **env})
