"""Real parts of a real cluster of two nodes die and freeze while images come in, over HTTP and from a driver.

At the end a checker looks at everything that was promised. ``pytest -k chaos --chaos-rounds 20`` goes on for longer.
The times to recover are printed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import numpy as np
import pytest
from pictures import encoded, picture
from PIL import Image
from running import Service, command_line, descendants, kill_everything, serving, until

from imgray.actors.cluster import RAY_SETTINGS
from imgray.crash import FREEZE

UPLOADS = 120
DRIVEN = 60
ZONE = {"zone": "two"}
LEASE_S = 4.0
GIVE_UP_S = 150.0
_Found = TypeVar("_Found", list[int], dict[str, dict[str, Any]])
RPC_FAILURES = {
    "CoreWorkerService.grpc_client.PushTask": {
        "num_failures": -1,
        "req_failure_prob": 2,
        "resp_failure_prob": 2,
        "in_flight_failure_prob": 2,
    }
}


def reference(image: Image.Image) -> str:
    """Return a digest of the image with red and green swapped, made without imgray."""
    return digest(np.asarray(image)[..., [1, 0, 2]])


def digest(pixels: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


@dataclass
class Load:
    """Uploads images until each is accepted, as a patient client does."""

    url: str
    seeds: range
    accepted: dict[int, str] = field(default_factory=dict)
    answers: Counter[int | str] = field(default_factory=Counter)

    def start(self) -> ThreadPoolExecutor:
        pool = ThreadPoolExecutor(4)
        self.futures = [pool.submit(self._upload, seed) for seed in self.seeds]
        return pool

    def _upload(self, seed: int) -> None:
        data = encoded(picture(size=(240, 160), seed=seed))
        deadline = time.monotonic() + GIVE_UP_S
        while time.monotonic() < deadline:
            try:
                answer = httpx.post(
                    f"{self.url}/v1/tasks",
                    params={"pipeline": "swap:rg"},
                    headers={"Idempotency-Key": f"upload-{seed}"},
                    content=data,
                    timeout=20,
                )
            except httpx.TransportError as error:
                self.answers[type(error).__name__] += 1
                time.sleep(0.1)
                continue
            self.answers[answer.status_code] += 1
            if answer.status_code in {200, 202}:
                self.accepted[seed] = answer.json()["id"]
                return
            fresh_proxy = answer.status_code == 404 and "/-/routes" in answer.text  # Serve has not told it the routes
            assert answer.status_code >= 429 or fresh_proxy, answer.text
            time.sleep(0.2)
        raise AssertionError(f"image {seed} was never accepted")


def check(url: str, accepted: dict[int, str]) -> None:
    """Check everything that was promised: nothing lost, nothing done twice, all bytes right."""
    assert len(set(accepted.values())) == len(accepted), "two images have one task"
    with httpx.Client(base_url=url, timeout=90) as http:
        for seed, task_id in accepted.items():
            task = get(http, f"/v1/tasks/{task_id}?wait_s=60").json()
            assert task["state"] == "succeeded", task
            data = get(http, f"/v1/tasks/{task_id}/outputs/image").content
            assert digest(np.asarray(Image.open(io.BytesIO(data)))) == reference(picture(size=(240, 160), seed=seed))
            endings = [attempt["ending"] for attempt in get(http, f"/v1/tasks/{task_id}/history").json()["attempts"]]
            assert endings.count("ack") == 1
            assert endings[-1] == "ack"
        status = get(http, "/v1/status").json()
    assert sum(status["tasks"].values()) == status["submitted"]


def get(http: httpx.Client, path: str) -> httpx.Response:
    """Ask until Serve, too, finds the way: it answers 500 when Ray loses its own call."""
    while (answer := http.get(path)).status_code >= 500:
        time.sleep(0.1)
    assert answer.status_code == 200, answer.text
    return answer


@dataclass
class Town:
    """A cluster of two nodes with a service on it."""

    cluster: Any
    second: Any
    service: Service

    def pids(self, of: str) -> list[int]:
        return [pid for pid in descendants(os.getpid()) if of in command_line(pid)]

    def workers(self) -> dict[str, dict[str, Any]]:
        try:
            listed = httpx.get(f"{self.service.url}/v1/workers", timeout=5).json()
            return {worker["id"]: worker for worker in listed if worker["state"] != "lost"}
        except (httpx.TransportError, ValueError, TypeError, KeyError):
            return {}

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.service.url}/v1/status", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def town(folder: Path) -> Iterator[Town]:
    from ray.cluster_utils import Cluster  # noqa: PLC0415  # Ray only when this test runs

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    try:
        second = cluster.add_node(num_cpus=1, labels=ZONE)
        settings = {
            "IMGRAY_ADDRESS": cluster.address,
            "IMGRAY_LEASE_S": str(LEASE_S),
            "IMGRAY_RETRY_BASE_S": "0.1",
            "IMGRAY_MAX_ATTEMPTS": "20",
        }
        with serving(folder, env=settings, workers=0) as service:  # one for each core, as nodes come and go
            yield Town(cluster, second, service)
    finally:
        cluster.shutdown()


def check_aim(town: Town) -> None:
    """Have a task done on the node with a label, and nowhere else."""
    (label,) = (f"{name}={value}" for name, value in ZONE.items())
    with httpx.Client(base_url=town.service.url, timeout=60) as http:
        until(lambda: len(town.workers()) == 3)
        aimed = http.post("/v1/tasks", params={"pipeline": "swap:rg", "node_label": label}, content=encoded(picture()))
        assert aimed.status_code == 202, aimed.text
        assert http.get(aimed.headers["location"], params={"wait_s": 50}).json()["state"] == "succeeded"
        (attempt,) = http.get(f"{aimed.headers['location']}/history").json()["attempts"]
        assert attempt["node"] == town.second.node_id


def took(condition: Callable[[], bool]) -> float:
    begun = time.monotonic()
    until(condition)
    return time.monotonic() - begun


def present(look: Callable[[], _Found]) -> _Found:
    """Wait until something is there: what was struck before may be on its way back."""
    found = look()

    def there() -> bool:
        nonlocal found
        found = found or look()
        return bool(found)

    until(there)
    return found


def kill_a_worker(town: Town) -> tuple[str, float]:
    victim = random.choice(list(present(town.workers).values()))
    os.kill(victim["pid"], signal.SIGKILL)
    return "worker killed: noticed after", took(lambda: bool(found := town.workers()) and victim["id"] not in found)


def freeze_a_worker(town: Town) -> tuple[str, float]:
    pid = random.choice(present(lambda: town.pids("ray::WorkerActor")))
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(LEASE_S + 2, os.kill, (pid, signal.SIGCONT)).start()
    return "worker frozen past its lease: service answers after", took(town.answers)


def kill(of: str) -> Callable[[Town], tuple[str, float]]:
    def strike(town: Town) -> tuple[str, float]:
        (pid, *_) = present(lambda: town.pids(of))
        os.kill(pid, signal.SIGKILL)
        until(lambda: not command_line(pid))
        return f"{of} killed: service answers after", took(town.answers)

    return strike


def freeze_the_master(town: Town) -> tuple[str, float]:
    (pid, *_) = present(lambda: town.pids("ray::MasterActor"))
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(LEASE_S + 1, os.kill, (pid, signal.SIGCONT)).start()
    return f"Master frozen for {LEASE_S + 1:g} s: service answers after", took(town.answers)


def lose_a_node(town: Town) -> tuple[str, float]:
    lost = {worker for worker, view in present(town.workers).items() if view["node"] == town.second.node_id}
    raylet = town.second.all_processes["raylet"][0].process.pid
    kill_everything(raylet)  # a node takes all its processes with it, not only Ray's
    town.cluster.remove_node(town.second, allow_graceful=False)
    noticed = took(lambda: bool(found := town.workers()) and not lost & set(found))
    town.second = town.cluster.add_node(num_cpus=1, labels=ZONE)
    until(lambda: any(view["node"] == town.second.node_id for view in town.workers().values()))
    return f"node with {len(lost)} workers killed: noticed after", noticed


STRIKES: tuple[Callable[[Town], tuple[str, float]], ...] = (
    kill_a_worker,
    freeze_a_worker,
    freeze_the_master,
    lose_a_node,
    kill("imgray.runner"),
    kill("ray::MasterActor"),
    kill("ray::StorageActor"),
    kill("ray::ServeReplica:imgray"),
    kill("ray::ProxyActor"),
)


@pytest.mark.timeout(0)
def test_nothing_is_lost_or_done_twice_whatever_part_of_a_cluster_dies(
    tmp_path: Path,
    pytestconfig: pytest.Config,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Invariants 1, 3, 4, 8 and 10."""
    for name, value in RAY_SETTINGS.items():
        monkeypatch.setenv(name, value)
    strikes = list(STRIKES) * pytestconfig.getoption("--chaos-rounds")
    random.shuffle(strikes)
    images = []
    for seed in range(1000, 1000 + DRIVEN):
        images.append(tmp_path / f"{seed}.png")
        images[-1].write_bytes(encoded(picture(size=(240, 160), seed=seed)))
    told: list[str] = []
    with town(tmp_path / "data") as place:
        check_aim(place)
        what, recovered_s = kill_a_worker(place)
        told.append(f"before there is work: {what} {recovered_s:.2f} s")
        load = Load(place.service.url, range(UPLOADS * pytestconfig.getoption("--chaos-rounds")))
        driver = subprocess.Popen(
            [sys.executable, Path(__file__).parents[1] / "driver.py", place.cluster.address, *images],
            stdout=subprocess.PIPE,
            text=True,
        )
        with load.start():
            for number, strike in enumerate(strikes, start=1):
                until(lambda number=number: len(load.accepted) >= number * UPLOADS // (len(strikes) + 2))  # type: ignore[misc]
                what, recovered_s = strike(place)
                told.append(f"{what} {recovered_s:.2f} s")
            for future in load.futures:
                future.result()
        driven = [json.loads(line) for line in driver.communicate(timeout=GIVE_UP_S)[0].splitlines()]
        assert driver.returncode == 0
        check(place.service.url, load.accepted)
    assert {Path(one["source"]): one["digest"] for one in driven} == {
        path: reference(picture(size=(240, 160), seed=int(path.stem))) for path in images
    }
    with capsys.disabled():
        print("", *told, f"answers to {len(load.accepted)} uploads: {dict(load.answers)}", sep="\n  ")  # noqa: T201


def test_a_zombies_late_ack_is_refused_and_the_result_stays(tmp_path: Path) -> None:
    """Invariant 3: the worker freezes when it has stored its outputs, and thaws when another has long done the task."""
    fuse = tmp_path / "fuse"
    fuse.touch()
    frozen = {FREEZE: f"outputs-stored@{fuse}", "IMGRAY_LEASE_S": "2", "IMGRAY_INLINE_BYTES": "0"}
    with serving(tmp_path / "data", env=frozen) as service, httpx.Client(base_url=service.url, timeout=60) as http:
        begun = time.monotonic()
        location = http.post("/v1/tasks?pipeline=swap:rg", content=encoded(picture())).headers["location"]
        task = http.get(location, params={"wait_s": 50}).json()
        assert (task["state"], task["attempts"]) == ("succeeded", 2)
        assert time.monotonic() - begun >= 2
        (zombie,) = [pid for pid in descendants(service.process.pid) if stopped(pid)]
        assert metric(http, "imgray_refused_reports_total") == 0
        os.kill(zombie, signal.SIGCONT)
        until(lambda: metric(http, "imgray_refused_reports_total") == 1)
        assert http.get(location).json() == task
        endings = [attempt["ending"] for attempt in http.get(f"{location}/history").json()["attempts"]]
        assert endings == ["retry", "ack"]
        until(lambda: len(list((tmp_path / "data" / "blobs" / "outputs").iterdir())) == 1)  # the other is discarded
        assert http.get(task["outputs"][0]["url"]).status_code == 200


def test_calls_that_ray_loses_are_made_again(tmp_path: Path) -> None:
    """Invariant 11: Ray itself drops requests and answers between actors."""
    faults = {"RAY_testing_rpc_failure": json.dumps(RPC_FAILURES), "IMGRAY_SOCKETS": "false"}
    with serving(tmp_path, env=faults) as service:
        load = Load(service.url, range(2000, 2020))
        with load.start():
            until(lambda: len(load.accepted) >= 10)
            (master, *_) = [pid for pid in descendants(service.process.pid) if "ray::MasterActor" in command_line(pid)]
            os.kill(master, signal.SIGKILL)
            for future in load.futures:
                future.result()
        check(service.url, load.accepted)


def metric(http: httpx.Client, name: str) -> float:
    return next(
        float(line.split()[1]) for line in http.get("/metrics").text.splitlines() if line.startswith(f"{name} ")
    )


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
