"""``imgray show`` and ``imgray dead``, against the service on a port of this machine."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import Imgray
from frontends import LIMIT, SLOW, serving_here
from pictures import corrupt

from imgray import service


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving_here(tmp_path_factory.mktemp("data")) as address:
        yield address


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client
        client.post("/v1/dead-letters/purge", json={"all": True}).raise_for_status()


def submit(http: httpx.Client, content: bytes, **params: Any) -> str:
    """Have a task finished; return its id."""
    answer = http.post("/v1/tasks", params=params, content=content).raise_for_status()
    assert http.get(answer.headers["location"], params={"wait_s": 30}).json()["finished_at"]
    return str(answer.json()["id"])


def test_a_task_is_shown_with_all_that_was_asked(imgray: Imgray, url: str, http: httpx.Client, png: bytes) -> None:
    asked = {"pipeline": "swap:rg/convert:webp", "tenant": "ada", "priority": 3, "expires_at": "2040-01-02T03:04:05Z"}
    task_id = submit(http, png, label="[bold]cat\x1b[31m.png", **asked)
    said = imgray("show", task_id, "--url", url)
    assert (said.status, said.err) == (0, "")
    for words in (
        task_id, "succeeded", "[bold]cat\ufffd[31m.png", "ada", "3", "2040-01-02 03:04:05 UTC",
        "swap:rg", "webp, 32 by 24", "worker-1", "ack",
    ):  # fmt: skip
        assert words in said.out
    shown = json.loads(imgray("show", task_id, "--url", url, "--json").out)
    history = shown.pop("history")
    assert shown == http.get(f"/v1/tasks/{task_id}").json()
    assert history == http.get(f"/v1/tasks/{task_id}/history").json()["attempts"]


def test_a_failed_task_is_shown_with_the_story_of_every_attempt(imgray: Imgray, url: str, http: httpx.Client) -> None:
    task_id = submit(http, corrupt())
    http.post(f"/v1/tasks/{task_id}/redrive")
    http.get(f"/v1/tasks/{task_id}", params={"wait_s": 30})
    said = imgray("show", task_id, "--url", url)
    assert said.out.count("worker-1") == said.out.count(" fail ") == 2
    assert said.out.count("image_") == 3, "why the task failed, and why each attempt did"


def test_dead_letters_are_listed(imgray: Imgray, url: str, http: httpx.Client) -> None:
    assert imgray("dead", "list", "--url", url) == (0, "There are no dead letters.\n", "")
    ids = [submit(http, corrupt(), tenant=tenant) for tenant in ("ada", "bob", "bob", "")]
    said = imgray("dead", "list", "--url", url)
    assert [line.split()[0] for line in said.out.splitlines()[1:]] == ids[::-1]
    letters = json.loads(imgray("dead", "list", "--url", url, "--json", "--tenant", "bob").out)
    assert [letter["id"] for letter in letters] == [ids[2], ids[1]]
    assert all(len(letter["history"]) == 1 for letter in letters)
    assert json.loads(imgray("dead", "list", "--url", url, "--json", "--code", "worker_died").out) == []
    assert [
        letter["id"] for letter in json.loads(imgray("dead", "list", "--url", url, "--json", "--tenant", "").out)
    ] == [ids[3]]
    said = imgray("dead", "list", "--url", url, "--limit", 2)
    assert (len(said.out.splitlines()), said.err) == (3, "There are more: --limit.\n")


def test_dead_letters_are_put_back_and_removed_by_id(imgray: Imgray, url: str, http: httpx.Client, png: bytes) -> None:
    good, *bad = submit(http, png), submit(http, corrupt()), submit(http, corrupt())
    said = imgray("dead", "redrive", *bad, "--url", url)
    assert said[:2] == (0, "Dead letters put back: 2\n")
    for task_id in bad:
        http.get(f"/v1/tasks/{task_id}", params={"wait_s": 30})
    said = imgray("dead", "purge", good, bad[0], "nope", "--url", url)
    assert said.status == 1
    assert said.out == "Dead letters removed: 1\n"
    assert said.err.endswith("2 of the 3 tasks named are no dead letters.\n")
    assert [http.get(f"/v1/tasks/{task_id}").status_code for task_id in (good, *bad)] == [200, 404, 200]


def test_all_dead_letters_are_handled_in_as_many_calls_as_it_takes(
    imgray: Imgray, url: str, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgray.gateway.MAX_HANDLED", 2)
    ids = [submit(http, corrupt(), tenant=tenant) for tenant in ("ada", "bob", "ada", "bob", "ada")]
    said = imgray("dead", "redrive", "--all", "--tenant", "ada", "--url", url)
    assert said[:2] == (0, "Dead letters put back: 3\n")
    for task_id in ids:
        http.get(f"/v1/tasks/{task_id}", params={"wait_s": 30})
    assert imgray("dead", "purge", "--all", "--code", "worker_died", "--yes", "--url", url).out.endswith(": 0\n")
    assert imgray("dead", "purge", "--all", "--yes", "--url", url)[:2] == (0, "Dead letters removed: 5\n")
    assert imgray("dead", "purge", "--all", "--yes", "--url", url)[:2] == (0, "Dead letters removed: 0\n")


def test_removing_all_is_asked_for_once_more(imgray: Imgray, url: str, http: httpx.Client) -> None:
    for tenant in ("ada", "bob"):
        submit(http, corrupt(), tenant=tenant)
    for answer, status, left in (("", 130, 2), ("n\n", 1, 2), ("y\n", 0, 1)):
        said = imgray("dead", "purge", "--all", "--tenant", "ada", "--url", url, answer=answer)
        assert said.status == status
        assert "Remove all dead letters of tenant 'ada' for good?" in said.out
        assert len(http.get("/v1/dead-letters").json()["tasks"]) == left


@pytest.mark.parametrize("verb", ["redrive", "purge"])
def test_a_command_that_does_not_say_which_is_refused(imgray: Imgray, url: str, http: httpx.Client, verb: str) -> None:
    submit(http, corrupt())
    for arguments in ([], ["x", "--all"], ["x", "--code", "y"], ["--tenant", "ada"]):
        said = imgray("dead", verb, *arguments, "--url", url)
        assert (said.status, "--all" in said.err) == (2, True)
    assert len(http.get("/v1/dead-letters").json()["tasks"]) == 1


def test_errors_of_the_service_are_shown_by_code_and_sentence(imgray: Imgray, url: str) -> None:
    assert imgray("show", "nope?", "--url", url) == (2, "", "imgray: task_not_found: There is no task 'nope?'.\n")


def test_a_refusal_half_way_tells_what_was_done(
    imgray: Imgray, tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgray.gateway.MAX_HANDLED", 1)
    with serving_here(tmp_path, max_live_bytes=LIMIT) as url, httpx.Client(base_url=url, timeout=30) as http:
        for _ in range(3):
            submit(http, corrupt())
        blocker = http.post("/v1/tasks", params={"pipeline": SLOW, "priority": 9}, content=png).headers["location"]
        said = imgray("dead", "redrive", "--all", "--url", url)
        http.delete(blocker)
    assert said.status == 2
    assert said.out == "Dead letters put back: 1\n"
    assert said.err.splitlines()[-1].startswith("imgray: queue_full: ")


def test_a_service_is_found_by_its_note(imgray: Imgray, tmp_path: Path, url: str, http: httpx.Client) -> None:
    task_id = submit(http, corrupt())
    with service.noted(tmp_path, url):
        assert task_id in imgray("show", task_id, "--data", tmp_path).out
        assert task_id in imgray("dead", "list", "--data", tmp_path).out
        assert json.loads(imgray("status", "--data", tmp_path, "--json").out)["tasks"]["failed"] >= 1
    said = imgray("show", task_id, "--data", tmp_path)
    assert said == (2, "", f"imgray: service: No service is running on '{tmp_path}' (--data).\n")


@pytest.mark.parametrize(
    "address", ["127.0.0.1:8000", "file:///etc/passwd", "http://", "http://x:99999", "http://[::1"]
)
def test_what_is_no_address_is_refused(imgray: Imgray, address: str) -> None:
    said = imgray("show", "x", "--url", address)
    assert (said.status, "http://127.0.0.1:8000" in said.err) == (2, True)


@pytest.mark.parametrize("answer", [b"", b"hello\r\n", b"HTTP/1.1 200 OK\r\n\r\nhello", b"HTTP/1.1 500 No\r\n\r\n[]"])
def test_what_is_no_imgray_is_said_to_be_none(imgray: Imgray, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)
                time.sleep(0.05)

        thread = threading.Thread(target=serve)
        thread.start()
        said = imgray("show", "x", "--url", f"http://127.0.0.1:{listening.getsockname()[1]}")
        thread.join()
    assert (said.status, said.err.startswith("imgray: service: ")) == (2, True), said


def test_a_service_that_is_not_there_is_an_error_in_one_line(imgray: Imgray) -> None:
    said = imgray("dead", "list", "--url", "http://127.0.0.1:1")
    assert said.status == 2
    assert said.err == (
        "imgray: service: The service at http://127.0.0.1:1 does not answer: [Errno 111] Connection refused.\n"
    )
