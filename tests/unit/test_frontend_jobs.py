"""Jobs, workers and the pool over HTTP, and the routes of the single scheduler with its own JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from clusters import until
from frontends import finished, http

COUNT = "import sys, time\nfor n in range(1, 31): print(n, flush=True); time.sleep(0.02)\n"
SLEEP = "import time; print('up', flush=True); time.sleep(600)"
BOTH = "import os\nfor n in range(3): os.write(1, b'out\\n'); os.write(2, b'err \\xff\\n')"


@asynccontextmanager
async def service(folder: Path, **settings: object) -> AsyncIterator[httpx.AsyncClient]:
    scripts = folder / "scripts"
    scripts.mkdir()
    for name, text in {"count": COUNT, "sleep": SLEEP, "both": BOTH, "fail": "raise SystemExit(1)"}.items():
        (scripts / name).write_text(text)
    jobs = {"python": {"run": [sys.executable, "{path}"], "folders": [str(scripts)], "grace_s": 1}}
    async with http(folder / "data", **{"jobs": jobs, **settings}) as client:

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await until(ready)
        yield client


async def the_worker(client: httpx.AsyncClient) -> dict[str, Any]:
    (worker,) = (await client.get("/v1/workers")).json()
    found: dict[str, Any] = worker
    return found


async def post(client: httpx.AsyncClient, route: str, /, **body: str) -> tuple[int, Any]:
    answer = await client.post(route, json=body)
    return answer.status_code, answer.json()


async def test_start_query_and_stop_speak_the_schedulers_json(tmp_path: Path) -> None:
    async with service(tmp_path) as client:
        worker = (await the_worker(client))["id"]
        status, started = await post(client, "/start", worker_id=worker, command="python", path="sleep")
        assert (status, list(started)) == (201, ["job_id"])
        job = started["job_id"]
        running = {"done": False, "error": False, "error_text": ""}
        assert await post(client, "/query", worker_id=worker, job_id=job) == (200, running)
        assert (await client.get(f"/v1/workers/{worker}")).json()["leased"] == 1
        assert await post(client, "/stop", worker_id=worker, job_id=job) == (200, {"success": True})
        assert await post(client, "/stop", worker_id=worker, job_id=job) == (200, {"success": True})
        code, ended = await post(client, "/query", worker_id=worker, job_id=job)
        assert (code, ended["done"], ended["error"]) == (200, True, True)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("count", {"done": True, "error": False, "error_text": ""}),
        ("fail", {"done": True, "error": True, "error_text": "exit status 1"}),
    ],
)
async def test_query_after_the_end_tells_how_it_was(tmp_path: Path, script: str, told: dict[str, object]) -> None:
    async with service(tmp_path) as client:
        worker = (await the_worker(client))["id"]
        _, started = await post(client, "/start", worker_id=worker, command="python", path=script)
        await finished(client, f"/v1/tasks/{started['job_id']}")
        assert await post(client, "/query", worker_id=worker, job_id=started["job_id"]) == (200, told)


async def test_the_schedulers_errors_have_its_words(tmp_path: Path) -> None:
    async with service(tmp_path) as client:
        worker = (await the_worker(client))["id"]
        for path in ("/query", "/stop"):
            code, answer = await post(client, path, worker_id=worker, job_id="none")
            assert (code, answer["error"]) == (404, "job not found")
            code, answer = await post(client, path, worker_id="nobody", job_id="none")
            assert (code, answer["error"]) == (404, "worker not found")
        code, answer = await post(client, "/start", worker_id=worker, command="rm", path="count")
        assert (code, answer["code"]) == (403, "command_not_allowed")
        assert "setting jobs" in answer["error"]
        code, answer = await post(client, "/start", worker_id=worker, command="python", path="../x")
        assert (code, answer["code"]) == (403, "path_not_allowed")
        assert (await client.post("/start", content=b"{")).status_code == 400
        assert (await client.get("/start")).status_code == 405


async def test_output_comes_as_text_and_as_events(tmp_path: Path) -> None:
    async with service(tmp_path) as client:
        answer = await client.post("/v1/jobs", json={"command": "python", "path": "both"})
        assert answer.status_code == 202
        task = answer.json()
        assert (task["command"], task["path"], task["outputs"]) == ("python", "both", [])
        url = f"/v1/tasks/{task['id']}/output"
        text = await client.get(url, params={"follow": True})
        assert text.headers["content-type"] == "text/plain; charset=utf-8"
        assert sorted(text.text.splitlines()) == ["err �"] * 3 + ["out"] * 3
        assert (await client.get(url, params={"stream": "stdout"})).text == "out\n" * 3
        events = await client.get(url, params={"offset": 4}, headers={"accept": "text/event-stream"})
        assert events.headers["content-type"].startswith("text/event-stream")
        told = [
            dict(line.split(": ", 1) for line in event.splitlines()) for event in events.text.split("\n\n") if event
        ]
        assert [one["event"] for one in told[-1:]] == ["end"]
        assert json.loads(told[-1]["data"])["error_text"] == ""
        assert all(json.loads(one["data"])["offset"] >= 4 for one in told[:-1])
        last = told[-2]["id"]
        rest = await client.get(url, headers={"accept": "text/event-stream", "last-event-id": last})
        assert "event: output" not in rest.text
        assert (await client.get("/v1/tasks/none/output")).status_code == 404


async def test_a_job_can_be_aimed_and_described(tmp_path: Path) -> None:
    async with service(tmp_path) as client:
        worker = await the_worker(client)
        (command,) = (await client.get("/v1/commands")).json()
        assert (command["name"], command["takes_path"]) == ("python", True)
        asked = {"command": "python", "path": "count", "target": {"worker": worker["name"]}, "label": "mine"}
        task = (await client.post("/v1/jobs", json=asked)).json()
        assert task["target"] == {"worker": worker["name"], "node": "", "labels": {}}
        nowhere = {**asked, "target": {"labels": {"gpu": "true"}}}
        refused = await client.post("/v1/jobs", json=nowhere)
        assert refused.json()["code"] in {"worker_not_found", "workers_returning"}
        waiting = await client.post("/v1/jobs", json={**nowhere, "wait_for_worker": True})
        assert (waiting.status_code, "expires_at" in waiting.json()["message"]) == (400, True)
        task = await finished(client, f"/v1/tasks/{task['id']}")
        history = (await client.get(f"/v1/tasks/{task['id']}/history")).json()
        assert history["attempts"][0]["worker"] == worker["id"]


async def test_an_image_can_be_aimed_and_waits_until_its_deadline(tmp_path: Path, png: bytes) -> None:
    async with service(tmp_path) as client:
        worker = await the_worker(client)
        there = await client.post(f"/v1/tasks?pipeline=swap:rg&worker={worker['id']}", content=png)
        assert (await finished(client, there.headers["location"]))["state"] == "succeeded"
        nowhere = await client.post("/v1/tasks?pipeline=swap:rg&node_label=gpu", content=png)
        assert (nowhere.status_code, "NAME=VALUE" in nowhere.json()["message"]) == (400, True)
        waits = await client.post(
            "/v1/tasks?pipeline=swap:rg&node_label=gpu=true&wait_for_worker=true&expires_at=4102444800", content=png
        )
        assert waits.status_code == 202
        assert waits.json()["target"]["labels"] == {"gpu": "true"}


async def test_workers_are_described_drained_and_scaled(tmp_path: Path) -> None:
    async with service(tmp_path) as client:
        worker = await the_worker(client)
        assert worker["state"] == "active"
        assert worker["memory_bytes"] > 0
        assert "swap" in worker["operations"]
        assert worker["commands"] == ["python"]
        assert (await client.get("/v1/workers/nobody")).status_code == 404
        assert (await client.post("/v1/workers/nobody/drain")).status_code == 404
        pool = (await client.get("/v1/pool")).json()
        assert (pool["per_core"], pool["active"]) == (True, 1)
        for wrong in ({}, {"per_core": True, "minimum": 1}, {"minimum": 3, "maximum": 2}, {"minimum": -1}):
            assert (await client.put("/v1/pool", json=wrong)).status_code == 400
        scaled = (await client.put("/v1/pool", json={"minimum": 2})).json()
        assert (scaled["minimum"], scaled["maximum"], scaled["per_core"]) == (2, 2, False)

        async def two() -> bool:
            return len((await client.get("/v1/workers")).json()) == 2

        await until(two)
        drained = (await client.post(f"/v1/workers/{worker['id']}/drain")).json()
        assert drained["state"] == "draining"

        async def gone() -> bool:
            return (await client.get(f"/v1/workers/{worker['id']}")).status_code == 404

        await until(gone)
        assert (await client.get("/v1/pool")).json()["maximum"] == 1
