"""Keys, scopes and limits over HTTP: the whole service in one process."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from frontends import SLOW, calling
from frontends import http as service
from starlette.routing import BaseRoute, Route

from imgray.frontend.access import PUBLIC, Needs
from imgray.frontend.app import create_app
from imgray.keys import Scope, digest_of
from imgray.local import LocalCluster
from imgray.settings import Settings

TOKENS = {scope.value: f"imgray_{scope.value}" for scope in Scope}


def entry(name: str, *scopes: str, **limits: Any) -> dict[str, Any]:
    return {"name": name, "sha256": digest_of(f"imgray_{name}"), "scopes": list(scopes), **limits}


KEYS = [entry(name, name) for name in TOKENS]


def bearing(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer imgray_{name}"}


@asynccontextmanager
async def http(
    folder: Path, keys: list[dict[str, Any]] | None = None, **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    async with service(folder, keys=KEYS if keys is None else keys, **settings) as client:
        yield client


@dataclass(frozen=True)
class Way:
    """A path of the application: how it is called, and which scopes it needs."""

    path: str
    methods: frozenset[str]
    scopes: frozenset[Scope]

    @property
    def example(self) -> str:
        return re.sub(r"\{\w+\}", "x", self.path)


def ways() -> list[Way]:
    def connect() -> Any:
        raise NotImplementedError

    return list(walk(create_app(Settings.having(keys=KEYS), connect).routes))


def walk(routes: Iterable[BaseRoute]) -> Iterator[Way]:
    for route in routes:
        if included := getattr(route, "original_router", None):  # as newer versions of FastAPI keep them
            yield from walk(included.routes)
            continue
        assert isinstance(route, Route)
        dependencies = route.dependant.dependencies if isinstance(route, APIRoute) else []
        scopes = frozenset(part.call.scope for part in dependencies if isinstance(part.call, Needs))
        yield Way(route.path, frozenset(route.methods or ()), scopes)


def test_every_route_says_which_scope_it_needs() -> None:
    assert {"/v1/tasks", "/submitTask", "/metrics", "/openapi.json"} <= {way.path for way in ways()}
    assert {way.path for way in ways() if not way.scopes} == PUBLIC
    assert not [way for way in ways() if len(way.scopes) > 1 or (way.path in PUBLIC and way.scopes)]


def test_what_reads_needs_read_and_nothing_else_does() -> None:
    ancestors = {"/submitTask", "/isReady", "/getImage"}  # they answer every method
    for way in ways():
        if way.scopes and way.path not in ancestors:
            reads = way.methods <= {"GET", "HEAD"} or way.path == "/query"
            assert (way.scopes == {Scope.READ}) == reads, way


async def test_without_a_key_or_with_a_wrong_one_nothing_is_answered_but_what_is_public(
    tmp_path: Path, png: bytes
) -> None:
    async with http(tmp_path) as client:
        for headers, words in (
            ({}, "A key is needed."),
            ({"Authorization": "Basic aW1ncmF5OnJlYWQ="}, "A key is needed."),
            ({"Authorization": "Bearer imgray_wrong"}, "The key is none of this service's."),
            ({"Authorization": "Bearer " + KEYS[0]["sha256"]}, "The key is none of this service's."),
        ):
            for way in ways():
                for method in way.methods:
                    answer = await client.request(method, way.example, headers=headers)
                    if way.path in PUBLIC:
                        assert answer.status_code in {200, 503}, way
                        continue
                    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), way
                    if method != "HEAD":
                        assert answer.json()["code"] == "unauthenticated"
                        assert words in answer.json()["message"]
            for path in ("/nowhere", "/v1/tasks/../../etc"):
                assert (await client.get(path, headers=headers)).status_code == 401
        assert (await client.get("/openapi.json")).status_code == 200
        assert (await client.get("/nowhere", headers=bearing("read"))).status_code == 404
        assert (await client.post("/v1/tasks", content=png, headers=bearing("submit"))).status_code == 202


async def test_a_key_opens_what_its_scope_says_and_nothing_else(tmp_path: Path) -> None:
    async with http(tmp_path) as client:
        for way in ways():
            for name, method in itertools.product(TOKENS if way.scopes else (), way.methods - {"HEAD"}):
                answer = await client.request(method, way.example, headers=bearing(name), json={})
                if Scope(name) in way.scopes:
                    assert answer.status_code not in {401, 403}, way
                elif answer.status_code != 400:  # what is not even JSON of the right form
                    (scope,) = way.scopes
                    said = f"Key '{name}' lacks the scope '{scope}', which this request needs."
                    assert (answer.status_code, answer.json()) == (403, {"code": "scope_missing", "message": said}), way


async def test_who_has_no_key_cannot_make_the_service_read_a_body(tmp_path: Path) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 1000

    async with http(tmp_path) as client:
        for path, headers in (
            ("/v1/tasks", {}),
            ("/submitTask", {}),
            ("/v1/dead-letters/purge", {}),
            ("/v1/tasks", bearing("read")),
            ("/submitTask", bearing("read")),
        ):
            answer = await asyncio.wait_for(client.post(path, content=body(), headers=headers), 10)
            assert answer.status_code == (403 if headers else 401)
    assert read == 0


async def test_a_key_is_enough_for_a_foreign_name_and_page(tmp_path: Path) -> None:
    headers = {**bearing("read"), "Host": "images.example", "Origin": "https://elsewhere.example"}
    async with http(tmp_path) as client:
        assert (await client.get("/v1/status", headers=headers)).status_code == 200
    async with http(tmp_path / "open", keys=[]) as client:
        assert (await client.get("/v1/status")).status_code == 200
        assert (await client.get("/v1/status", headers=headers)).status_code == 403


async def test_over_the_limit_of_submissions_there_is_429_that_says_when(tmp_path: Path, png: bytes) -> None:
    keys = [entry("ci", "submit", "read", submissions_per_s=0.01), entry("other", "submit")]
    async with http(tmp_path, keys) as client:
        assert (await client.post("/v1/tasks", content=png, headers=bearing("ci"))).status_code == 202
        for path in ("/v1/tasks", "/submitTask"):
            refused = await client.post(path, content=png, headers=bearing("ci"))
            assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
            assert "Key 'ci' is over its limit of 0.01 (submissions_per_s)." in refused.json()["message"]
            assert 90 < int(refused.headers["retry-after"]) <= 100
        assert (await client.get("/v1/tasks", headers=bearing("ci"))).status_code == 200
        assert (await client.post("/v1/tasks", content=png, headers=bearing("other"))).status_code == 202


async def test_over_the_limit_of_bytes_too_whether_the_length_is_declared_or_not(tmp_path: Path, png: bytes) -> None:
    async def unsized() -> AsyncIterator[bytes]:
        yield png

    for content in (png, unsized):
        keys = [entry("ci", "submit", bytes_per_s=len(png) / 100)]
        async with http(tmp_path / str(callable(content)), keys) as client:
            first = await client.post(
                "/v1/tasks", content=content() if callable(content) else content, headers=bearing("ci")
            )
            assert first.status_code == 202, "over the burst, but the bucket was full"
            refused = await client.post("/v1/tasks", content=png, headers=bearing("ci"))
            assert (refused.status_code, "bytes_per_s" in refused.json()["message"]) == (429, True)
            assert 90 < int(refused.headers["retry-after"]) <= 100


async def test_a_key_has_only_so_many_live_tasks(tmp_path: Path, png: bytes) -> None:
    keys = [entry("ci", "submit", "read", "operate", live_tasks=1), entry("other", "submit")]
    async with (
        LocalCluster(Settings.having(data=tmp_path, workers=1, keys=keys)) as cluster,
        calling(cluster) as client,
    ):
        slow = await client.post("/v1/tasks", params={"pipeline": SLOW}, content=png, headers=bearing("ci"))
        assert slow.status_code == 202
        assert (await cluster.gateway.get(slow.json()["id"])).spec.owner == "ci"
        for path, files in (("/v1/tasks", {"image": png}), ("/submitTask", {"uploadfile": png})):
            refused = await client.post(path, files=files, headers=bearing("ci"))
            assert (refused.status_code, int(refused.headers["retry-after"])) == (429, 1)
            assert "1 tasks of key 'ci' may wait or run (its limit live_tasks)" in refused.text
        assert (await client.post("/v1/tasks", content=png, headers=bearing("other"))).status_code == 202
        await client.delete(slow.headers["location"], headers=bearing("ci"))
        assert (await client.post("/v1/tasks", content=png, headers=bearing("ci"))).status_code == 202


@pytest.mark.parametrize("header", ["Bearer imgray_read", "bearer imgray_read", "Bearer  imgray_read "])
async def test_the_header_is_read_as_others_read_it(tmp_path: Path, header: str) -> None:
    async with http(tmp_path) as client:
        assert (await client.get("/v1/status", headers={"Authorization": header})).status_code == 200
