"""``imgray workers`` and ``imgray scale``, against the service on a port of this machine."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from commands import Imgray
from frontends import serving_here
from running import until

SLEEP = {"run": [sys.executable, "-c", "import time; time.sleep(600)"], "grace_s": 0}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with serving_here(tmp_path, workers=2, jobs={"sleep": SLEEP}) as address:
        until(lambda: len(httpx.get(f"{address}/v1/workers").json()) == 2)
        yield address


def test_workers_are_shown_with_what_they_do(imgray: Imgray, url: str) -> None:
    heads, *lines = imgray("workers", "--url", url).out.splitlines()
    assert heads.split() == [
        "worker", "state", "node", "host", "process", "running", "done", "failed", "images/s", "memory",
    ]  # fmt: skip
    assert [line.split()[:3] for line in lines] == [
        [worker["id"], "active", "local"] for worker in httpx.get(f"{url}/v1/workers").json()
    ]
    assert all(str(os.getpid()) in line and "MiB" in line for line in lines)
    assert imgray("workers", "list", "--url", url, "--once").out.splitlines()[0] == heads
    shown = json.loads(imgray("workers", "--url", url, "--json").out)
    assert [worker["name"] for worker in shown] == ["worker-1", "worker-2"]


def test_on_a_terminal_they_are_shown_again_and_again_until_ctrl_c(url: str) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "imgray", "workers", "--url", url]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"}) as process:
        os.close(theirs)
        said = b""
        while said.count(b"Ctrl-C ends this view") < 3:
            said += os.read(ours, 65536)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    os.close(ours)
    assert b"worker-1" in said


def test_a_drained_worker_is_waited_for(imgray: Imgray, url: str) -> None:
    worker = httpx.get(f"{url}/v1/workers/worker-2").json()["id"]
    said = imgray("workers", "drain", "worker-2", "--url", url)
    assert said[:2] == (0, f"{worker} has ended.\n")
    assert [one["name"] for one in httpx.get(f"{url}/v1/workers").json()] == ["worker-1"]


def test_a_drained_worker_that_has_much_to_do_need_not_be_waited_for(imgray: Imgray, url: str) -> None:
    worker = httpx.get(f"{url}/v1/workers/worker-1").json()["id"]
    job = imgray("start", "sleep", "--worker", "worker-1", "--url", url).out.strip()
    until(lambda: job in httpx.get(f"{url}/v1/workers/worker-1").json()["running"])
    assert imgray("workers", "drain", worker, "--no-wait", "--url", url)[:2] == (0, f"{worker} draining\n")
    assert httpx.get(f"{url}/v1/workers/{worker}").json()["state"] == "draining"
    httpx.delete(f"{url}/v1/tasks/{job}")


def test_the_pool_is_shown_and_set(imgray: Imgray, url: str) -> None:
    assert "one worker for each core" in imgray("scale", "--url", url).out
    for size, shown, bounds in (
        ("2", "always 2", (2, 2)),
        ("2..4", "2 to 4, by the load", (2, 4)),
        ("cores", "one worker for each core", (None, None)),
    ):
        assert shown in imgray("scale", size, "--url", url).out
        pool = json.loads(imgray("scale", "--url", url, "--json").out)
        assert (pool["minimum"], pool["maximum"]) == bounds
        assert pool["active"] == 2


@pytest.mark.parametrize("size", ["", "x", "1..", "..4", "4..1", "-1", "1...4", "1.5", "\u0661"])
def test_what_is_no_size_is_said_to_be_none(imgray: Imgray, size: str) -> None:
    said = imgray("scale", "--url", "http://127.0.0.1:1", "--", size)
    assert said.status == 2
    assert f"'{size}'" in said.err


def test_a_size_that_the_service_refuses_is_an_error_of_its_own(imgray: Imgray, url: str) -> None:
    said = imgray("scale", "999999", "--url", url)
    assert (said.status, "10000" in said.err) == (2, True)


def test_an_unknown_worker_is_an_error_in_one_line(imgray: Imgray, url: str) -> None:
    said = imgray("workers", "drain", "nobody/..", "--url", url)
    assert (said.status, said.err.startswith("imgray: "), said.err.count("\n")) == (2, True, 1)


def test_a_word_that_is_no_command_is_refused(imgray: Imgray) -> None:
    assert "No such command 'drian'" in imgray("workers", "drian", "x").err
    assert "drain" in imgray("workers", "--help").out
