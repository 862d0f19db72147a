"""Dead letters over HTTP: listed, put back, removed; one, some and all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from clusters import SWAP, until
from frontends import SLOW, calling, finished, http
from pictures import corrupt

from imgray.errors import QueueFullError, RequestError
from imgray.gateway import Letters, Submission
from imgray.local import LocalCluster
from imgray.settings import Settings
from imgray.task import DEFAULT_OUTPUT, State

LETTERS = "/v1/dead-letters"
REDRIVE, PURGE = f"{LETTERS}/redrive", f"{LETTERS}/purge"
UNCLEAR = (
    "",
    "{",
    "[]",
    "null",
    "{}",
    '{"all": false}',
    '{"all": 1}',
    '{"all": "yes"}',
    '{"all": true, "ids": ["x"]}',
    '{"all": true, "ids": []}',
    '{"all": true, "code": 17}',
    '{"all": true, "code": "\\ud800"}',
    '{"all": true, "tenant": "\\ud800"}',
    '{"all": true, "tenants": "ada"}',
    '{"all": true, "cursor": "x"}',
    '{"code": "image_corrupt"}',
    '{"ids": ["x"], "code": "image_corrupt"}',
    '{"ids": ["x"], "tenant": ""}',
    '{"ids": ["x"], "cursor": "17"}',
    '{"ids": "x"}',
    '{"ids": [1]}',
    '{"ids": ["\\ud800"]}',
    '{"ids": [' + ", ".join(['"x"'] * 1001) + "]}",
)


async def fail(client: httpx.AsyncClient, tenant: str = "", content: bytes | None = None) -> str:
    """Have a task fail; return its id."""
    params = {"tenant": tenant}
    answer = await client.post("/v1/tasks", params=params, content=content or corrupt())
    task = await finished(client, answer.headers["location"])
    assert task["state"] == "failed"
    return str(task["id"])


async def listed(client: httpx.AsyncClient, **params: Any) -> list[str]:
    answer = await client.get(LETTERS, params=params)
    assert answer.status_code == 200
    return [task["id"] for task in answer.json()["tasks"]]


async def counts(client: httpx.AsyncClient) -> dict[str, int]:
    tasks: dict[str, int] = (await client.get("/v1/status")).json()["tasks"]
    return tasks


async def wait_in_line(cluster: LocalCluster, number: int, tenant: str = "", expires_at: float | None = None) -> None:
    """Submit tasks that need no upload."""
    outputs = {DEFAULT_OUTPUT: SWAP}
    await cluster.gateway.submit(
        [Submission(outputs, path="/nowhere", tenant=tenant, expires_at=expires_at) for _ in range(number)]
    )


@asynccontextmanager
async def many_dead(
    folder: Path, number: int, monkeypatch: pytest.MonkeyPatch, **settings: object
) -> AsyncIterator[tuple[LocalCluster, httpx.AsyncClient]]:
    """Have many tasks that expired because nobody was there to do them."""
    monkeypatch.setattr(LocalCluster, "add_worker", lambda *_: None)
    async with (
        LocalCluster(Settings.having(**{"data": folder, **settings})) as cluster,
        calling(cluster) as client,
    ):
        for tenant in ("ada", "bob"):
            await wait_in_line(cluster, number // 2, tenant, time.time() + 1.5)

        async def all_failed() -> bool:
            return (await cluster.master.statistics()).tasks[State.FAILED] == number

        await until(all_failed)
        yield cluster, client


async def test_a_dead_letter_is_listed_with_its_failure_and_its_attempts(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        await finished(client, (await client.post("/v1/tasks", content=png)).headers["location"])
        task_id = await fail(client)
        (letter,) = (await client.get(LETTERS)).json()["tasks"]
        task = (await client.get(f"/v1/tasks/{task_id}")).json()
    (attempt,) = letter.pop("history")
    assert letter == task
    assert (letter["state"], letter["error"]["code"]) == ("failed", attempt["error"]["code"])
    assert (attempt["number"], attempt["ending"], attempt["node"]) == (1, "fail", "local")
    assert attempt["worker"].startswith("worker-1")


async def test_dead_letters_page_newest_first_and_can_be_narrowed(tmp_path: Path) -> None:
    async with http(tmp_path) as client:
        ids = [await fail(client, tenant) for tenant in ("", "ada", "bob", "ada", "bob", "ada", "bob")]
        (code,) = {task["error"]["code"] for task in (await client.get(LETTERS)).json()["tasks"]}
        seen, cursor = [], ""
        while cursor is not None:
            page = (await client.get(LETTERS, params={"limit": 3, "cursor": cursor})).json()
            seen += [task["id"] for task in page["tasks"]]
            cursor = page["next_cursor"]
        assert seen == ids[::-1]
        assert await listed(client, tenant="ada") == ids[5:0:-2]
        assert await listed(client, tenant="ada", code=code, limit=2) == [ids[5], ids[3]]
        assert await listed(client, tenant="") == [ids[0]]
        assert await listed(client, code="worker_died") == []


async def test_a_bad_list_is_a_400_with_a_sentence(tmp_path: Path) -> None:
    async with http(tmp_path) as client:
        for query in ("limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=99999999999999999999"):
            answer = await client.get(f"{LETTERS}?{query}")
            assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), query
            assert answer.json()["message"].endswith(".")


@pytest.mark.parametrize("path", [REDRIVE, PURGE])
async def test_a_body_that_does_not_say_which_is_a_400_and_nothing_happens(tmp_path: Path, path: str) -> None:
    """Invariant 7."""
    async with http(tmp_path) as client:
        task_id = await fail(client)
        for body in UNCLEAR:
            answer = await client.post(path, content=body, headers={"Content-Type": "application/json"})
            assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), body
            assert answer.json()["message"].endswith(".")
            assert await listed(client) == [task_id]


async def test_some_are_redriven_and_others_are_passed_over(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        good = (await finished(client, (await client.post("/v1/tasks", content=png)).headers["location"]))["id"]
        blocker = await client.post("/v1/tasks", params={"pipeline": SLOW}, content=png)
        await client.delete(blocker.headers["location"])
        dead = [await fail(client) for _ in range(3)]
        ids = [*dead[:2], dead[0], good, blocker.json()["id"], "nope"]
        blocker = await client.post("/v1/tasks", params={"pipeline": SLOW, "priority": 9}, content=png)
        answer = await client.post(REDRIVE, json={"ids": ids})
        again = await client.post(REDRIVE, json={"ids": ids})
        assert (answer.status_code, answer.json()) == (200, {"tasks": 2, "more": False, "next_cursor": None})
        assert again.json()["tasks"] == 0, "they wait, so they are no dead letters"
        await client.delete(blocker.headers["location"])
        for task_id in dead[:2]:
            await finished(client, f"/v1/tasks/{task_id}")
            assert len((await client.get(f"/v1/tasks/{task_id}/history")).json()["attempts"]) == 2
        assert len((await client.get(f"/v1/tasks/{dead[2]}/history")).json()["attempts"]) == 1
        assert (await counts(client))["succeeded"] == 1


async def test_some_are_purged_and_no_other_task_ever_is(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        good = (await finished(client, (await client.post("/v1/tasks", content=png)).headers["location"]))["id"]
        dead = [await fail(client) for _ in range(3)]
        live = (await client.post("/v1/tasks", params={"pipeline": SLOW}, content=png)).json()["id"]
        ids = [*dead[:2], good, live, "nope"]
        before = await counts(client)
        answer = await client.post(PURGE, json={"ids": ids})
        assert (answer.status_code, answer.json()) == (200, {"tasks": 2, "more": False, "next_cursor": None})
        assert (await client.post(PURGE, json={"ids": ids})).json()["tasks"] == 0
        assert [(await client.get(f"/v1/tasks/{task_id}")).status_code for task_id in (*dead, good, live)] == [
            404, 404, 200, 200, 200,
        ]  # fmt: skip
        assert await counts(client) == before, "invariant 5: what was purged counts as what it was"
        await client.delete(f"/v1/tasks/{live}")


async def test_nothing_is_asked_of_no_ids(tmp_path: Path) -> None:
    async with http(tmp_path) as client:
        await fail(client)
        for path in (REDRIVE, PURGE):
            assert (await client.post(path, json={"ids": []})).json()["tasks"] == 0
        assert len(await listed(client)) == 1


async def test_all_of_a_tenant_or_an_error_are_handled_a_thousand_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with many_dead(tmp_path, 4200, monkeypatch) as (_, client):
        for body in ({"all": True, "code": "image_corrupt"}, {"all": True, "tenant": "eve"}):
            assert (await client.post(REDRIVE, json=body)).json()["tasks"] == 0

        async def repeat(path: str, **which: Any) -> list[int]:
            body, done, more = {"all": True, **which}, [], True
            while more:
                answer = (await client.post(path, json=body)).json()
                done.append(answer["tasks"])
                body["cursor"], more = answer["next_cursor"] or "", answer["more"]
            return done

        assert await repeat(REDRIVE, tenant="ada", code="deadline_passed") == [1000, 1000, 100]
        assert await counts(client) == {"queued": 2100, "leased": 0, "succeeded": 0, "failed": 2100, "cancelled": 0}
        assert await repeat(PURGE) == [1000, 1000, 100]
        assert await listed(client) == []
        assert await counts(client) == {"queued": 2100, "leased": 0, "succeeded": 0, "failed": 2100, "cancelled": 0}
        assert await repeat(PURGE) == [0]


async def test_purging_all_ends_when_a_caller_just_repeats_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with many_dead(tmp_path, 2100, monkeypatch) as (_, client):
        done = []
        while (answer := (await client.post(PURGE, json={"all": True})).json())["more"]:
            done.append(answer["tasks"])
    assert [*done, answer["tasks"]] == [1000, 1000, 100]


async def test_redriving_all_ends_even_when_they_fail_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgray.gateway.MAX_HANDLED", 3)
    async with http(tmp_path) as client:
        ids = [await fail(client) for _ in range(8)]
        body: dict[str, Any] = {"all": True}
        more, done = True, 0
        while more:
            answer = (await client.post(REDRIVE, json=body)).json()
            done += answer["tasks"]
            body["cursor"], more = answer["next_cursor"], answer["more"]
            for task_id in ids:
                await finished(client, f"/v1/tasks/{task_id}")
        stories = [(await client.get(f"/v1/tasks/{task_id}/history")).json() for task_id in ids]
    assert done == 8
    assert [len(story["attempts"]) for story in stories] == [2] * 8


async def test_a_full_queue_stops_a_redrive_and_what_was_put_back_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariant 9."""
    async with many_dead(tmp_path, 20, monkeypatch, max_live_tasks=20) as (cluster, client):
        await wait_in_line(cluster, 15)
        for _ in range(2):
            answer = await client.post(REDRIVE, json={"all": True})
            assert (answer.status_code, answer.json()["code"]) == (429, QueueFullError.code)
            assert int(answer.headers["retry-after"]) >= 1
        assert ((await counts(client))["queued"], (await counts(client))["failed"]) == (20, 15)


async def test_redriving_and_purging_the_same_at_once_does_each_task_one_thing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with many_dead(tmp_path, 900, monkeypatch) as (_, client):
        answers = await asyncio.gather(
            *(client.post(path, json={"all": True}) for path in (REDRIVE, PURGE, REDRIVE, PURGE))
        )
        assert [answer.status_code for answer in answers] == [200] * 4
        after = await counts(client)
        assert await listed(client) == []
    assert after["queued"] + after["failed"] == 900


async def test_one_finished_task_is_purged_with_all_that_belongs_to_it(tmp_path: Path, png: bytes) -> None:
    async with LocalCluster(Settings(data=tmp_path, workers=1)) as cluster, calling(cluster) as client:
        live = (await client.post("/v1/tasks", params={"pipeline": SLOW}, content=png)).headers["location"]
        refused = await client.post(f"{live}/purge")
        assert (refused.status_code, refused.json()["code"]) == (409, "task_live")
        await client.delete(live)
        location = (await client.post("/v1/tasks", content=png)).headers["location"]
        task = await finished(client, location)
        keys = (await cluster.gateway.get(task["id"])).keys
        for _ in range(2):
            answer = await client.post(f"{location}/purge")
            assert (answer.status_code, answer.content) == (204, b"")
        assert (await client.get(location)).status_code == 404
        assert (await client.get(task["outputs"][0]["url"])).status_code == 404
        assert (await client.post("/v1/tasks/nope/purge")).status_code == 204

        async def gone() -> bool:
            return await cluster.storage.get(keys) == [None] * len(keys)

        await until(gone)


async def test_one_that_has_succeeded_since_it_was_looked_at_is_spared(tmp_path: Path, png: bytes) -> None:
    async with LocalCluster(Settings(data=tmp_path, workers=1)) as cluster, calling(cluster) as client:
        good = (await finished(client, (await client.post("/v1/tasks", content=png)).headers["location"]))["id"]
        bad = await fail(client)
        assert await cluster.master.purge([good, bad], {State.FAILED}) == [bad]
        assert (await cluster.gateway.get(good)).state is State.SUCCEEDED


async def test_the_gateway_wants_ids_or_conditions(tmp_path: Path) -> None:
    async with LocalCluster(Settings(data=tmp_path, workers=1)) as cluster:
        for handle in (cluster.gateway.redrive_letters, cluster.gateway.purge_letters):
            with pytest.raises(RequestError, match="not by both"):
                await handle(Letters(ids=["x"], code="image_corrupt"))


async def test_openapi_describes_the_bodies(tmp_path: Path) -> None:
    async with http(tmp_path) as client:
        described = (await client.get("/openapi.json")).json()
    assert {LETTERS, REDRIVE, PURGE, "/v1/tasks/{task_id}/purge"} <= set(described["paths"])
    assert set(described["components"]["schemas"]["WhichJson"]["properties"]) == {
        "ids", "all", "code", "tenant", "cursor",
    }  # fmt: skip
