"""The Python client, on a private cluster and on one that is there already."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pictures import encoded, picture
from PIL import Image

import imgray
from imgray.client import Client
from imgray.errors import RequestError, TaskFailedError, TaskNotFoundError
from imgray.task import State

SHELL = {
    "run": ["sh", "-c", "echo up; sleep {pause}; echo down >&2"],
    "arguments": {"pause": {"type": "number", "minimum": 0, "maximum": 600}},
}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with imgray.connect(workers=2, jobs={"shell": SHELL}) as connected:
        yield connected


def test_importing_imgray_does_not_import_ray() -> None:
    code = "import sys, imgray, imgray.pipeline; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_files_bytes_arrays_and_images_go_in_and_bytes_arrays_and_images_come_out(
    client: Client, tmp_path: Path
) -> None:
    image = picture()
    image = image.convert("RGB")
    image.save(tmp_path / "a.png")
    expected = np.asarray(image)[..., [1, 0, 2]]
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), encoded(image), np.asarray(image), image):
        task = client.submit(source, "swap:rg")
        assert np.array_equal(task.array(), expected)
        assert task.image().size == image.size
        assert task.bytes().startswith(b"\x89PNG")
        assert (task.state, task.output().width) == (State.SUCCEEDED, image.width)


def test_several_outputs(client: Client) -> None:
    task = client.submit(picture(), outputs={"small": "resize:8", "grey": [{"op": "grayscale"}]})
    assert (task.image("small").width, task.image("grey").mode) == (8, "L")


def test_map_yields_every_source_as_it_is_done(client: Client) -> None:
    sources = [encoded(picture(seed=seed)) for seed in range(150)]
    done = list(client.map(sources, "rotate:90"))
    assert sorted(sources) == sorted(task.source for task in done if isinstance(task.source, bytes))
    assert {task.state for task in done} == {State.SUCCEEDED}


def test_as_completed_and_lookup_by_id(client: Client) -> None:
    tasks = [client.submit(picture(seed=seed), "grayscale") for seed in range(5)]
    assert {task.id for task in client.as_completed(tasks, timeout_s=60)} == {task.id for task in tasks}
    assert client.task(tasks[0].id).state is State.SUCCEEDED
    assert sum(client.counts().values()) >= 5


def test_errors_are_those_of_the_http_interface(client: Client, tmp_path: Path) -> None:
    with pytest.raises(TaskFailedError) as failed:
        client.submit(b"hello", "swap:rg").bytes()
    assert (failed.value.code, failed.value.status) == ("not_an_image", 415)
    with pytest.raises(TaskFailedError) as missing:
        client.submit(tmp_path / "nowhere.png").bytes()
    assert missing.value.code == "source_unreadable"
    with pytest.raises(imgray.ImgrayError, match="Did you mean 'swap'"):
        client.submit(b"x", "swop")
    with pytest.raises(TaskNotFoundError):
        client.task("nope")
    with pytest.raises(RequestError, match="uint8"):
        client.submit(np.zeros((2, 2, 7)))
    with pytest.raises(TimeoutError):
        client.submit(picture(size=(2000, 2000)), "resize:4000/resize:4001").wait(0.001)


def test_a_job_is_followed_while_it_runs_and_stopped(client: Client) -> None:
    worker = client.workers()[0].info.id
    short = client.start("shell", arguments={"pause": 0.1}, worker=worker)
    long = client.start("shell", arguments={"pause": 600}, worker=worker)
    assert [chunk.data for chunk in short.output()] == [b"up\n", b"down\n"]
    assert next(long.output()).data == b"up\n"
    assert (long.status().done, client.pool().active) == (False, 2)
    assert long.stop().status().error_text == "signal: terminated"
    assert short.wait(60).history[0].worker == worker


def test_a_cluster_that_is_there_is_used_and_left_as_it_was(tmp_path: Path) -> None:
    """A script on Ray's own connection: the actors end with the client that started them, Ray does not."""
    script = f"""
import ray
from pathlib import Path
import imgray
from imgray.actors.cluster import has_actors
ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
with imgray.connect(data={str(tmp_path / "data")!r}, workers=1) as first:
    with imgray.connect() as second:
        task = second.submit(Path({str(tmp_path / "a.png")!r}), "rotate:90")
        assert task.image().size == (24, 32)
        try:
            second.submit(Path({str(tmp_path / "b.png")!r}))
        except imgray.ImgrayError as error:
            assert error.code == "source_unreadable"
        else:
            raise SystemExit("a missing file was accepted")
    assert first.task(task.id).state == "succeeded"
assert ray.is_initialized() and not has_actors()
"""
    picture().save(tmp_path / "a.png")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr


def test_a_private_cluster_leaves_nothing_behind(tmp_path: Path) -> None:
    script = "import imgray, os\nwith imgray.connect(workers=1) as c: c.submit(b'x')\n"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin", "RAY_AUTH_MODE": "disabled", "RAY_TMPDIR": "/tmp"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob("imgray-*"))


def test_images_of_every_kind_can_be_shown(client: Client) -> None:
    assert isinstance(client.submit(picture("L"), "rotate:90").image(), Image.Image)


def test_a_second_ray_on_a_machine_does_not_wait_for_the_agents_port_of_the_first() -> None:
    from ray._private.parameter import RayParams  # noqa: PLC0415  # Ray only when this test runs

    from imgray.actors.cluster import _agent_on_any_port  # noqa: PLC0415  # the same

    usual = RayParams().dashboard_agent_listen_port
    with _agent_on_any_port():
        assert RayParams().dashboard_agent_listen_port == 0
    assert RayParams().dashboard_agent_listen_port == usual != 0
