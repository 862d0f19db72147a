"""What may be asked beside the image: priority, tenant, deadline, idempotency key; over HTTP."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from frontends import SLOW, calling, finished, http
from pictures import encoded, picture

from imgray.local import LocalCluster
from imgray.settings import Settings
from imgray.task import State

KEY = "Idempotency-Key"
BAD = (
    ("priority", "10", "priority: Input should be less than or equal to 9."),
    ("priority", "-10", "greater than or equal to -9"),
    ("priority", "high", "valid integer"),
    ("priority", "1.5", "valid integer"),
    ("tenant", "x" * 65, "at most 64 characters"),
    ("tenant", "a\nb", "printable"),
    ("label", "x" * 256, "at most 255 characters"),
    ("deduplicate", "perhaps", "valid boolean"),
    ("expires_at", "tomorrow", "ISO 8601"),
    ("expires_at", "2030-01-01T00:00:00", "no offset"),
    ("expires_at", "2030-01-01T00:00:00 01:00", "%2B"),
    ("expires_at", "2020-01-01T00:00:00Z", "is past"),
    ("expires_at", "0", "is past"),
    ("expires_at", "-1e18", "is no time before the year 10000"),
    ("expires_at", "1e18", "is no time before the year 10000"),
    ("expires_at", "inf", "is no time before the year 10000"),
    ("expires_at", "nan", "is no time before the year 10000"),
)


def in_s(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def post(client: httpx.AsyncClient, content: bytes, key: str = "", **params: Any) -> httpx.Response:
    return await client.post("/v1/tasks", params=params, content=content, headers={KEY: key} if key else {})


async def test_what_is_asked_is_shown(tmp_path: Path, png: bytes) -> None:
    deadline = in_s(60)
    asked = {"priority": "-3", "tenant": "ada", "expires_at": deadline}
    async with http(tmp_path) as client:
        by_url = await post(client, png, **asked)
        by_form = await client.post("/v1/tasks", files={"image": ("a.png", png)}, data=asked)
        plain = await post(client, png, expires_at="")
    for answer in (by_url, by_form):
        assert answer.status_code == 202, answer.text
        task = answer.json()
        assert (task["priority"], task["tenant"]) == (-3, "ada")
        assert datetime.fromisoformat(task["expires_at"]) == datetime.fromisoformat(deadline)
    assert {name: plain.json()[name] for name in asked} == {"priority": 0, "tenant": "", "expires_at": None}


async def test_a_field_of_the_form_goes_before_the_url_and_an_empty_one_says_nothing(
    tmp_path: Path, png: bytes
) -> None:
    async with http(tmp_path) as client:
        params: dict[str, str | int] = {"priority": 1, "tenant": "url", "label": "url.png"}
        fields = {"priority": "2", "tenant": "", "label": "form.png", "expires_at": ""}
        answer = await client.post("/v1/tasks", params=params, files={"image": ("a.png", png)}, data=fields)
    task = answer.json()
    assert (task["priority"], task["tenant"], task["label"]) == (2, "url", "form.png")


async def test_a_bad_value_is_a_400_with_a_sentence(tmp_path: Path, png: bytes) -> None:
    """Invariant 7."""
    async with http(tmp_path) as client:
        for name, value, sentence in BAD:
            for answer in (
                await post(client, png, **{name: value}),
                await client.post("/v1/tasks", files={"image": ("a.png", png)}, data={name: value}),
            ):
                assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), (name, value)
                assert sentence in answer.json()["message"]
        for key in (b"x" * 256, b"tab\there", b"\x85"):
            answer = await client.post("/v1/tasks", content=png, headers={KEY.encode(): key})
            assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), key
            assert "characters" in answer.json()["message"]
        assert (await client.get("/v1/status")).json()["submitted"] == 0


async def test_a_repeated_submission_answers_the_first_task_while_it_is_live_and_after(
    tmp_path: Path, png: bytes
) -> None:
    """Invariant 11."""
    async with http(tmp_path) as client:
        blocker = await post(client, png, pipeline=SLOW)
        first = await post(client, png, "order-17", pipeline="rotate:90")
        live = await post(client, png, "order-17", pipeline="rotate:90")
        await client.delete(blocker.headers["location"])
        done = await finished(client, first.headers["location"])
        after = await post(client, png, "order-17", pipeline="rotate:90")
        assert (first.status_code, live.status_code, after.status_code) == (202, 200, 200)
        assert first.headers["location"] == live.headers["location"] == after.headers["location"]
        assert (live.json()["state"], after.json()) == ("queued", done)
        assert (await client.get("/v1/status")).json()["submitted"] == 2


async def test_many_at_once_under_one_key_are_one_task(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        answers = await asyncio.gather(*(post(client, png, "one") for _ in range(20)))
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [202]


async def test_a_key_with_another_image_or_pipeline_is_a_conflict(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        first = await post(client, png, "order-17")
        await finished(client, first.headers["location"])
        for answer in (
            await post(client, encoded(picture(seed=2)), "order-17"),
            await post(client, png, "order-17", pipeline="rotate:90"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_conflict")
            assert answer.json()["task_id"] == first.json()["id"]
        assert (await post(client, png, "order-17")).status_code == 200


async def test_tenants_have_keys_of_their_own(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        ada, bob = [await post(client, png, "order-17", tenant=tenant) for tenant in ("ada", "bob")]
        again = await post(client, png, "order-17", tenant="bob")
    assert (ada.status_code, bob.status_code, again.status_code) == (202, 202, 200)
    assert ada.json()["id"] != bob.json()["id"] == again.json()["id"]


async def test_the_same_image_again_is_recognised_by_its_content(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        first = await post(client, png, deduplicate="true", label="a.png")
        again = await client.post("/v1/tasks", files={"image": ("b.png", png)}, data={"deduplicate": "true"})
        others = [
            await post(client, png),
            await post(client, png, deduplicate="true", pipeline="rotate:90"),
            await post(client, encoded(picture(seed=2)), deduplicate="true"),
            await post(client, png, deduplicate="true", tenant="ada"),
        ]
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["id"] == first.json()["id"]
    assert [answer.status_code for answer in others] == [202] * 4
    assert len({answer.json()["id"] for answer in (first, *others)}) == 5


async def test_a_deadline_that_passes_ends_a_task_that_runs_and_one_that_waits(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        expires_at = time.time() + 1.5
        locations = [
            (await post(client, png, pipeline=SLOW, expires_at=expires_at)).headers["location"] for _ in range(2)
        ]
        running, waiting = [await finished(client, location) for location in locations]
        stories = [(await client.get(f"{location}/history")).json() for location in locations]
        assert {running["state"], waiting["state"]} == {"failed"}
        assert {running["error"]["code"], waiting["error"]["code"]} == {"deadline_passed"}
        (attempt,) = stories[0]["attempts"]
        assert (attempt["ending"], attempt["error"]["code"], attempt["node"]) == ("expire", "deadline_passed", "local")
        for story in stories:
            assert story["error"]["code"] == "deadline_passed"
            assert datetime.fromisoformat(story["expires_at"]).timestamp() == pytest.approx(expires_at)
            assert story["finished_at"] >= story["expires_at"]
        again = await client.post(f"{locations[1]}/redrive")
        assert (again.json()["state"], again.json()["expires_at"]) == ("queued", None)
        await client.delete(locations[1])


async def test_a_higher_priority_goes_first(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path, max_batch=1) as client:
        blocker = await post(client, png, pipeline=SLOW)
        work = f"{'/'.join(SLOW.split('/')[:8])}/resize:8"  # longer than a result waits for others to be reported with
        tasks = [await post(client, png, pipeline=work, priority=priority) for priority in (-9, 0, 9)]
        await client.delete(blocker.headers["location"])
        ends = [(await finished(client, task.headers["location"]))["finished_at"] for task in tasks]
    assert ends[2] < ends[1] < ends[0]


async def test_the_size_of_the_image_is_what_tenants_share_by(
    tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalCluster, "add_worker", lambda *_: None)
    async with LocalCluster(Settings(data=tmp_path)) as cluster, calling(cluster) as client:
        task_id = (await post(client, png)).json()["id"]
        assert (await cluster.gateway.get(task_id)).spec.pixels == 32 * 24


async def test_lists_can_be_narrowed_to_a_tenant_and_an_error(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        for tenant in ("", "ada", "bob", "ada"):
            await finished(client, (await post(client, png, tenant=tenant)).headers["location"])

        async def count(**params: str) -> int:
            return len((await client.get("/v1/tasks", params=params)).json()["tasks"])

        assert [await count(tenant=tenant) for tenant in ("", "ada", "bob", "eve")] == [1, 2, 1, 0]
        assert (await count(), await count(code=""), await count(code="image_corrupt")) == (4, 4, 0)
        assert await count(tenant="ada", state=State.FAILED) == 0


async def test_openapi_describes_every_option(tmp_path: Path) -> None:
    options = {"pipeline", "output", "label", "priority", "tenant", "expires_at", "deduplicate"}
    options |= {"worker", "node", "node_label", "wait_for_worker"}
    async with http(tmp_path) as client:
        call = (await client.get("/openapi.json")).json()["paths"]["/v1/tasks"]["post"]
    described = {parameter["name"]: parameter for parameter in call["parameters"]}
    assert set(described) == options | {KEY, "accept"}
    assert all(parameter["description"] for parameter in described.values())
    assert set(call["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]) == options | {"image"}
    assert {"200", "202"} <= set(call["responses"])


async def test_a_keyed_call_is_answered_even_when_its_deadline_has_passed_meanwhile(tmp_path: Path, png: bytes) -> None:
    """Invariant 11: the caller may not have heard the first answer."""
    async with http(tmp_path) as client:
        asked = {"pipeline": "swap:rg", "expires_at": in_s(1)}
        first = await client.post("/v1/tasks", params=asked, headers={KEY: "k"}, content=png)
        assert first.status_code == 202
        await finished(client, first.headers["location"])
        await asyncio.sleep(1.1)  # nothing happens then that could be awaited
        again = await client.post("/v1/tasks", params=asked, headers={KEY: "k"}, content=png)
        assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])


async def test_a_pipeline_too_long_to_be_meant_is_refused_before_it_is_read(tmp_path: Path, png: bytes) -> None:
    """Invariant 9."""
    async with http(tmp_path) as client:
        answer = await client.post("/v1/tasks", params={"pipeline": "swap:rg/" * 2000}, content=png)
        assert (answer.status_code, "characters long" in answer.json()["message"]) == (400, True)
