"""``imgray commands``, ``start``, ``output``, ``show`` and ``cancel``, with real programs."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from clients import local_client
from commands import Imgray
from frontends import serving_here
from running import IMGRAY, until

from imgray import service
from imgray.retry import Backoff

ROOT = Path(__file__).parents[2]

SCRIPTS = {
    "count": "import sys, time\nfor n in range(1, 31): print(n, flush=True); time.sleep(float(sys.argv[1]))\n",
    "both": "import os\nos.write(1, b'out\\n'); os.write(2, b'err \\xff\\n')\nraise SystemExit(3)",
    "much": "import os\nfor _ in range(2000): os.write(1, b'x' * 1000)\n",
}
COUNTED = "".join(f"{n}\n" for n in range(1, 31))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    scripts = tmp_path_factory.mktemp("scripts")
    for name, text in SCRIPTS.items():
        (scripts / name).write_text(text)
    python = {
        "run": [sys.executable, "{path}", "{pause}"],
        "summary": "Run a script.",
        "folders": [str(scripts)],
        "arguments": {"pause": {"type": "number", "minimum": 0, "maximum": 10, "default": 0.01}},
        "grace_s": 1,
        "output_bytes": 100_000,
    }
    pick = {
        "run": ["echo", "{word}", "{text}"],
        "arguments": {
            "word": {"type": "choice", "choices": ["yes", "no"]},
            "text": {"type": "text", "pattern": "[a-z=]+"},
        },
    }
    with serving_here(tmp_path_factory.mktemp("data"), jobs={"python": python, "pick": pick}) as address:
        until(lambda: bool(httpx.get(f"{address}/v1/workers").json()))
        yield address


@contextmanager
def breaking(url: str, *after: int) -> Iterator[str]:
    """Pass connections on; the first ones break after so many bytes of their answer."""
    there = httpx.URL(url)

    def pump(client: socket.socket, left: float) -> None:
        with client, socket.create_connection((there.host, there.port or 80)) as server:
            server.sendall(client.recv(65536))
            while left > 0 and (data := server.recv(65536)):
                client.sendall(data[: int(min(left, len(data)))])
                left -= len(data)

    def serve() -> None:
        for left in itertools.chain(after, itertools.repeat(float("inf"))):
            try:
                client, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=pump, args=(client, left)).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_what_is_allowed_is_listed(imgray: Imgray, url: str) -> None:
    said = imgray("commands", "--url", url)
    assert [line.split("  ")[0].rstrip() for line in said.out.splitlines()] == ["command", "pick", "python"]
    for words in ("PATH  pause=(number from 0 to 10, else 0.01)", "word=(yes or no)", "text=([a-z=]+)", "a script."):
        assert words in said.out
    assert [one["name"] for one in json.loads(imgray("commands", "--url", url, "--json").out)] == ["pick", "python"]


def test_where_nothing_is_allowed_it_is_said(imgray: Imgray, tmp_path: Path) -> None:
    with serving_here(tmp_path) as url:
        assert imgray("commands", "--url", url).out.startswith("No command is allowed.")
        said = imgray("start", "python", "--url", url)
        assert (said.status, said.out) == (2, "")
        assert said.err.startswith("imgray: command_not_allowed: ")


def test_a_job_that_is_followed_speaks_with_the_programs_voice(imgray: Imgray, url: str) -> None:
    said = imgray("start", "python", "count", "-f", "--url", url)
    assert (said.status, said.out, len(said.err)) == (0, COUNTED, 33)
    said = imgray("start", "python", "both", "--follow", "--url", url)
    assert (said.status, said.out) == (1, "out\n")
    assert said.err.endswith("err \ufffd\nimgray: The job did not end well: exit status 3\n")
    said = imgray("start", "pick", "--arg", "word=no", "--arg", "text=a=b", "-f", "--url", url)
    assert said.out == "no a=b\n"


def test_a_job_is_started_on_a_worker_shown_and_read_again(imgray: Imgray, url: str) -> None:
    worker = httpx.get(f"{url}/v1/workers").json()[0]
    said = imgray("start", "python", "count", "--worker", worker["id"], "--url", url)
    job = said.out.strip()
    assert said == (0, f"{job}\n", "")
    assert imgray("output", job, "-f", "--url", url) == (0, COUNTED, "")
    assert imgray("output", job, "--offset", 4, "--url", url).out == COUNTED[4:]
    assert imgray("output", job, "--stream", "stderr", "--url", url) == (0, "", "")
    until(lambda: httpx.get(f"{url}/v1/tasks/{job}").json()["finished_at"] is not None)
    shown = imgray("show", job, "--url", url).out
    for words in ("command    python", "path       count", f"meant for  worker {worker['id']}", "succeeded", " ack "):
        assert words in shown


def test_what_is_not_kept_is_told(imgray: Imgray, url: str) -> None:
    said = imgray("start", "python", "much", "-f", "--url", url)
    job = said.err.split()[0]
    said = imgray("output", job, "--url", url)
    dropped = int(said.err.removeprefix("imgray: ").split()[0].replace(",", ""))
    assert len(said.out) + dropped == 2_000_000


def test_a_connection_that_breaks_is_taken_up_where_it_was(
    imgray: Imgray, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgray.cli.events._AGAIN", Backoff(0.01, 0.01))
    job = imgray("start", "python", "count", "--arg", "pause=0.1", "--url", url).out.strip()
    with breaking(url, 1000, 0, 1500, 0, 0, 0, 0) as broken:
        said = imgray("output", job, "-f", "--url", broken)
    assert said == (0, COUNTED, "")


def test_output_that_stops_without_an_end_is_asked_for_again(imgray: Imgray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgray.cli.events._AGAIN", Backoff(0.01, 0.01))
    answers = [
        'id: 2\nevent: output\ndata: {"stream": "stdout", "text": "1\\n"}\n\n: it is quiet\n\n',
        'event: end\ndata: {"error_text": ""}\n\n',
    ]
    asked: list[str] = []

    def serve() -> None:
        for answer in answers:
            client, _ = listening.accept()
            with client:
                asked.append(client.recv(65536).decode().split()[1])
                client.sendall(f"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{answer}".encode())

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        said = imgray("output", "x", "-f", "--url", f"http://127.0.0.1:{listening.getsockname()[1]}")
        thread.join()
    assert said == (0, "1\n", "")
    assert [path.partition("?")[2] for path in asked] == ["offset=0&follow=True", "offset=2&follow=True"]


def test_a_service_that_stays_away_is_not_waited_for_for_ever(
    imgray: Imgray, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgray.cli.events._AGAIN", Backoff(0.01, 0.01))
    monkeypatch.setattr("imgray.cli.events._ATTEMPTS", 2)
    job = imgray("start", "python", "count", "--arg", "pause=0.1", "--url", url).out.strip()
    with breaking(url, 1000, 0, 0, 0) as broken:
        said = imgray("output", job, "-f", "--url", broken)
        assert (said.status, COUNTED.startswith(said.out), said.out != "") == (2, True, True)
        assert said.err.startswith("imgray: service: ")
    assert imgray("cancel", job, "--url", url).out == f"{job} cancelled\n"


def test_jobs_are_cancelled_whatever_else_is_named(imgray: Imgray, url: str) -> None:
    jobs = [imgray("start", "python", "count", "--arg", "pause=10", "--url", url).out.strip() for _ in range(2)]
    said = imgray("cancel", jobs[0], "nope", jobs[1], "--url", url)
    assert said == (
        1,
        f"{jobs[0]} cancelled\n{jobs[1]} cancelled\n",
        "imgray: task_not_found: There is no task 'nope'.\n",
    )
    said = imgray("output", jobs[0], "-f", "--url", url)
    assert (said.status, "did not end well: " in said.err) == (1, True)
    assert imgray("cancel", jobs[0], "--url", url) == (0, f"{jobs[0]} cancelled\n", "")


def test_ctrl_c_says_that_the_job_goes_on(url: str) -> None:
    command = [*IMGRAY, "start", "python", "count", "--arg", "pause=10", "-f", "--url", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n", "it comes at once"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    job = told.split()[0]
    assert f"imgray cancel {job}\n" in told
    assert httpx.get(f"{url}/v1/tasks/{job}").json()["state"] == "leased"
    httpx.delete(f"{url}/v1/tasks/{job}")


def test_a_job_that_may_wait_for_a_worker_is_accepted(imgray: Imgray, url: str) -> None:
    where = ("--node-label", "gpu=true", "--url", url)
    said = imgray("start", "python", "count", *where)
    assert (said.status, "label gpu=true" in said.err) == (2, True)
    said = imgray("start", "python", "count", "--wait-until", "2040-01-01T00:00:00Z", *where)
    job = said.out.strip()
    assert imgray("output", job, "--url", url) == (0, "", "")
    assert "meant for  label gpu=true" in imgray("show", job, "--url", url).out
    assert imgray("cancel", job, "--url", url).status == 0
    said = imgray("output", job, "-f", "--url", url)
    assert (said.status, said.err) == (1, "imgray: The job did not end well: cancelled\n")


@pytest.mark.parametrize("given", [["--arg", "x"], ["--arg", "=x"], ["--node-label", "x"], ["--arg=a=1", "--arg=a=2"]])
def test_what_is_no_pair_is_refused(imgray: Imgray, given: list[str]) -> None:
    said = imgray("start", "python", "count", *given, "--url", "http://127.0.0.1:1")
    assert (said.status, given[0].partition("=")[0] in said.err) == (2, True)


def test_a_task_without_a_command_has_no_output(imgray: Imgray, url: str, png: bytes) -> None:
    task = httpx.post(f"{url}/v1/tasks?pipeline=swap:rg", content=png).json()["id"]
    said = imgray("output", task, "--url", url)
    assert (said.status, "runs no command" in said.err) == (2, True)
    assert imgray("output", "nope?", "-f", "--url", url).err == "imgray: task_not_found: There is no task 'nope?'.\n"


def test_the_page_on_jobs_says_what_works(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8").replace("/srv/jobs", str(tmp_path / "jobs"))
    page = page.replace("sleep 1", "sleep 0.1")
    making, allowing, *blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    (python,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (setting,) = re.findall(r"IMGRAY_JOBS='(.*?)'", allowing, re.DOTALL)
    data, jobs = tmp_path / "data", json.loads(setting)
    env = {**os.environ, "IMGRAY_DATA": str(data), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def run(commands: str) -> str:
        done = subprocess.run(
            ["bash", "-eu", "-c", commands], env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(making)
    with serving_here(data, workers=2, jobs=jobs) as url, service.noted(data, url):
        until(lambda: len(httpx.get(f"{url}/v1/workers").json()) == 2)
        said = [run(block.replace("http://127.0.0.1:8000", url)) for block in blocks]
    assert "1\n2\n3\n" in said[0]
    assert said[1].endswith('{"success":true}')
    assert said[2].endswith(" has ended.\n")
    with local_client(tmp_path / "python", jobs=jobs) as client:
        until(lambda: bool(client.workers()))
        exec(python, {"imgray": client})  # noqa: S102  # ours
