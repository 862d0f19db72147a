"""Workers, jobs and the pool on real Ray, over HTTP: real programs, real signals, a pool that follows its load."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from pictures import encoded, picture
from running import Service, command_line, descendants, serving, until

SCRIPT = """
(for n in $(seq 1000); do sleep 1; done) &
echo $! >&2
for n in $(seq 30); do echo $n; sleep 1; done
"""
MOST = 4
HEAVY = "/".join(["resize:1500,1500,exact", *["resize:1400,1400,exact", "resize:1500,1500,exact"] * 3])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("workers")
    (folder / "count.sh").write_text(SCRIPT)
    jobs = {"sh": {"run": ["/bin/sh", "{path}"], "folders": [str(folder)], "grace_s": 1}}
    settings = {"IMGRAY_JOBS": json.dumps(jobs), "IMGRAY_MAX_WORKERS": str(MOST), "IMGRAY_SCALE_DOWN_S": "2"}
    with serving(folder / "data", env=settings, workers=1) as made:
        yield made


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client


def workers(http: httpx.Client, state: str = "active") -> list[dict[str, Any]]:
    return [worker for worker in http.get("/v1/workers").json() if worker["state"] == state]


def started(http: httpx.Client, worker: str) -> str:
    answer = http.post("/start", json={"worker_id": worker, "command": "sh", "path": "count.sh"})
    assert answer.status_code == 201, answer.text
    job: str = answer.json()["job_id"]
    return job


def gone(pid: int) -> bool:
    return not command_line(pid)


def test_a_script_is_followed_live_and_stopped_in_the_middle(service: Service, http: httpx.Client) -> None:
    """Curl follows it while the Master is killed; then it is stopped, and its children are gone."""
    (worker,) = workers(http)
    job = started(http, worker["id"])
    url = f"{service.url}/v1/tasks/{job}/output?follow=true"
    curl = subprocess.Popen(["curl", "-sSN", url], stdout=subprocess.PIPE, text=True)
    assert curl.stdout is not None
    child = int(curl.stdout.readline())
    lines = [(curl.stdout.readline().strip(), time.monotonic()) for _ in range(3)]
    (master,) = [pid for pid in descendants(service.process.pid) if "ray::MasterActor" in command_line(pid)]
    os.kill(master, signal.SIGKILL)
    lines += [(curl.stdout.readline().strip(), time.monotonic()) for _ in range(3)]
    assert [text for text, _ in lines] == ["1", "2", "3", "4", "5", "6"]
    assert lines[-1][1] - lines[0][1] > 4, "it came when it was over, not while it ran"
    assert not gone(child)
    assert http.post("/stop", json={"worker_id": worker["id"], "job_id": job}).json() == {"success": True}
    assert gone(child)
    assert curl.wait(30) == 0
    told = http.post("/query", json={"worker_id": worker["id"], "job_id": job}).json()
    assert told == {"done": True, "error": True, "error_text": "signal: terminated"}
    kept = http.get(f"/v1/tasks/{job}/output", params={"stream": "stdout"}).text.split()
    assert kept[:6] == ["1", "2", "3", "4", "5", "6"]
    assert len(kept) < 30


def test_a_killed_worker_is_seen_lost_and_takes_its_programs_with_it(http: httpx.Client) -> None:
    (worker,) = workers(http)
    job = started(http, worker["id"])
    until(lambda: bool(http.get(f"/v1/tasks/{job}/output", params={"stream": "stderr"}).text))
    child = int(http.get(f"/v1/tasks/{job}/output", params={"stream": "stderr"}).text)
    os.kill(worker["pid"], signal.SIGKILL)
    killed_at = time.monotonic()
    until(lambda: http.get(f"/v1/workers/{worker['id']}").json()["state"] == "lost", timeout_s=2)
    assert time.monotonic() - killed_at < 2
    until(lambda: gone(child), timeout_s=5)
    assert http.get(f"/v1/tasks/{job}", params={"wait_s": 10}).json()["error"]["code"] == "worker_died"
    until(lambda: bool(workers(http)))
    (replacement,) = workers(http)
    assert (replacement["name"], replacement["id"] != worker["id"]) == (worker["name"], True)


def test_sigterm_drains_a_worker_and_another_takes_its_place(http: httpx.Client) -> None:
    (worker,) = workers(http)
    location = http.post(f"/v1/tasks?pipeline={HEAVY}", content=encoded(picture())).headers["location"]
    until(lambda: http.get(location).json()["state"] == "leased")
    os.kill(worker["pid"], signal.SIGTERM)
    assert http.get(location, params={"wait_s": 30}).json()["state"] == "succeeded"
    until(lambda: gone(worker["pid"]))
    assert http.get(f"/v1/workers/{worker['id']}").status_code == 404, "it said goodbye"
    until(lambda: bool(workers(http)))
    attempts = http.get(f"{location}/history").json()["attempts"]
    assert [attempt["ending"] for attempt in attempts] == ["ack"]


def test_the_pool_grows_with_its_load_and_shrinks_again_and_loses_nothing(http: httpx.Client) -> None:
    """The pool is of one worker, and may have four."""
    assert len(workers(http)) == 1
    data = encoded(picture(size=(320, 240)))

    def upload(_: int) -> str:
        answer = http.post(f"/v1/tasks?pipeline={HEAVY}", content=data)
        assert answer.status_code == 202
        return answer.headers["location"]

    with ThreadPoolExecutor(4) as threads:
        locations = list(threads.map(upload, range(30)))
    until(lambda: len(workers(http)) == MOST)
    for location in locations:
        assert http.get(location, params={"wait_s": 60}).json()["state"] == "succeeded"
    until(lambda: len(workers(http)) == 1)
    for location in locations:
        history = http.get(f"{location}/history").json()
        assert [attempt["ending"] for attempt in history["attempts"]] == ["ack"], "a running task was cut"
