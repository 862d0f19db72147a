"""gRPC as its users meet it: through Ray Serve's own ingress, with real keys, over real sockets."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_calls import ALL, KEYS, TOKENS, bearing, told, upload
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpcurl import grpcurl
from pictures import encoded, picture
from PIL import Image
from running import free_port, serving

from imgray.v1 import imgray_pb2 as pb
from imgray.v1 import imgray_pb2_grpc

ROOT = Path(__file__).parents[2]
LIMIT = 8_000_000
SWAP = pb.SubmitOptions(pipeline="swap:rg/convert:png")
CALL_S = 60


@dataclass
class Reached:
    """A service that is reached by gRPC."""

    address: str
    folder: Path
    channel: grpc.Channel
    imgray: Any
    health: Any


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reached]:
    folder = tmp_path_factory.mktemp("grpc")
    port = free_port()
    (folder / "count.sh").write_text('for i in 1 2 3; do echo "$i"; done; echo done >&2; exit 7')
    jobs = {"count": {"run": ["/bin/sh", "{path}"], "folders": [str(folder)]}}
    env = {
        "IMGRAY_GRPC_PORT": str(port),
        "IMGRAY_JOBS": json.dumps(jobs),
        "IMGRAY_KEYS": json.dumps(KEYS),
        "IMGRAY_MAX_BODY_BYTES": str(LIMIT),
    }
    address = f"localhost:{port}"
    with serving(folder, env=env, workers=1), grpc.insecure_channel(address) as channel:
        yield Reached(
            address, folder, channel, imgray_pb2_grpc.ImgrayStub(channel), health_pb2_grpc.HealthStub(channel)
        )


def example(*arguments: object, key: str = TOKENS["all"]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "examples" / "grpc_client.py"), *map(str, arguments)]
    env = {**os.environ, "IMGRAY_KEY": key}
    return subprocess.run(command, capture_output=True, text=True, timeout=CALL_S, check=False, env=env)


def refused(call: Any) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    status, metadata = told(raised.value)
    return status.name, str(metadata.get("imgray-code"))


def test_a_picture_of_several_megabytes_goes_up_and_down(served: Reached) -> None:
    image = encoded(picture(size=(1200, 1000)))
    assert len(image) > 3_000_000
    task = served.imgray.Upload(upload(image, SWAP), metadata=ALL, timeout=CALL_S)
    done = served.imgray.Wait(pb.WaitRequest(id=task.id), metadata=ALL, timeout=CALL_S)
    assert (done.state, done.error.message) == (pb.Task.SUCCEEDED, "")
    first, *others = served.imgray.Download(pb.DownloadRequest(id=task.id), metadata=ALL, timeout=CALL_S)
    data = b"".join(part.chunk for part in others)
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (first.output.sha256, first.output.size_bytes)
    assert max(len(part.chunk) for part in others) == 2**20
    red, green, _, _ = Image.open(io.BytesIO(image)).convert("RGBA").split()
    swapped = Image.open(io.BytesIO(data))
    assert swapped.getchannel("R").tobytes() == green.tobytes()
    assert swapped.getchannel("G").tobytes() == red.tobytes()


def test_errors_come_through_with_status_sentence_and_code(served: Reached) -> None:
    imgray = served.imgray
    with pytest.raises(grpc.RpcError) as raised:
        imgray.Get(pb.GetRequest(id="none"), metadata=ALL)
    status, metadata = told(raised.value)
    assert (status.name, metadata["imgray-code"], metadata["imgray-task-id"]) == ("NOT_FOUND", "task_not_found", "none")
    assert "There is no task 'none'." in str(raised.value)
    submit = pb.SubmitRequest(options=pb.SubmitOptions(pipeline="swop"), image=b"x")
    assert refused(lambda: imgray.Submit(submit, metadata=ALL)) == ("INVALID_ARGUMENT", "unknown_operation")
    over = upload(bytes(LIMIT + 1), SWAP)
    assert refused(lambda: imgray.Upload(over, metadata=ALL)) == ("RESOURCE_EXHAUSTED", "body_too_large")
    download = pb.DownloadRequest(id="none")
    assert refused(lambda: list(imgray.Download(download, metadata=ALL))) == ("NOT_FOUND", "task_not_found")
    huge = pb.SubmitRequest(image=bytes(32 * 2**20))
    assert refused(lambda: imgray.Submit(huge, metadata=ALL)) == ("RESOURCE_EXHAUSTED", "None")  # by the server itself


def test_a_key_is_needed_and_its_scope(served: Reached) -> None:
    imgray = served.imgray
    request = pb.ListWorkersRequest()
    assert refused(lambda: imgray.ListWorkers(request)) == ("UNAUTHENTICATED", "unauthenticated")
    assert refused(lambda: imgray.ListWorkers(request, metadata=bearing("imgray_guessed"))) == (
        "UNAUTHENTICATED",
        "unauthenticated",
    )
    lesser = bearing(TOKENS["submit"])
    assert refused(lambda: imgray.ListWorkers(request, metadata=lesser)) == ("PERMISSION_DENIED", "scope_missing")
    assert refused(lambda: imgray.Upload(upload(b"", SWAP))) == ("UNAUTHENTICATED", "unauthenticated")
    unsigned = pb.DownloadRequest(id="none")
    assert refused(lambda: list(imgray.Download(unsigned))) == ("UNAUTHENTICATED", "unauthenticated")


def test_calls_from_beyond_this_machine_are_refused(served: Reached) -> None:
    """Ray Serve listens on every interface; what comes by another address than loopback comes from without."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only chooses the address that packets would have
            outside = probe.getsockname()[0]
        except OSError:
            pytest.skip("this machine has no address but loopback")
    with grpc.insecure_channel(f"{outside}:{served.address.rpartition(':')[2]}") as channel:
        imgray = imgray_pb2_grpc.ImgrayStub(channel)
        request = pb.ListWorkersRequest()
        code = refused(lambda: imgray.ListWorkers(request, metadata=ALL, timeout=CALL_S))
        assert code == ("PERMISSION_DENIED", "peer_not_allowed")


def test_an_upload_whose_client_goes_is_no_task(served: Reached) -> None:
    cut = threading.Event()

    def broken() -> Iterator[pb.UploadRequest]:
        yield pb.UploadRequest(options=pb.SubmitOptions(pipeline="swap:rg", tenant="broken"))
        yield pb.UploadRequest(chunk=encoded(picture()))
        cut.set()
        threading.Event().wait(CALL_S)

    call = served.imgray.Upload.future(broken(), metadata=ALL)
    assert cut.wait(CALL_S)
    call.cancel()
    whole = served.imgray.Upload(upload(encoded(picture()), SWAP), metadata=ALL, timeout=CALL_S)
    served.imgray.Wait(pb.WaitRequest(id=whole.id), metadata=ALL, timeout=CALL_S)
    assert not served.imgray.ListTasks(pb.ListTasksRequest(tenant="broken"), metadata=ALL).tasks


def test_health_needs_no_key(served: Reached) -> None:
    request = health_pb2.HealthCheckRequest(service="imgray.v1.Imgray")
    assert served.health.Check(request).status == health_pb2.HealthCheckResponse.SERVING
    watching = served.health.Watch(request, timeout=CALL_S)
    assert next(watching).status == health_pb2.HealthCheckResponse.SERVING
    watching.cancel()
    assert refused(lambda: served.health.Check(health_pb2.HealthCheckRequest(service="none")))[0] == "NOT_FOUND"


def test_the_calls_of_the_page_do_what_it_says(served: Reached) -> None:
    page = (ROOT / "docs" / "grpc.md").read_text(encoding="utf-8")
    blocks = [block.strip() for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL)]
    variables = {"IMGRAY_KEY": TOKENS["all"], "IMAGE": base64.b64encode(encoded(picture())).decode()}
    answers: dict[str, list[Any]] = {}
    for block in blocks:
        if block.startswith("grpcurl"):
            called = block.split()[-1]
            answers[called] = grpcurl(block.replace("localhost:9000", served.address), variables)
            if called.endswith("/Submit"):
                variables["ID"] = answers[called][0]["id"]
    assert answers["list"] == ["grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection", "imgray.v1.Imgray"]
    assert "Upload" in answers["imgray.v1.Imgray"]
    assert answers["imgray.v1.Imgray/Wait"][0]["state"] == "SUCCEEDED"
    output, chunk = answers["imgray.v1.Imgray/Download"]
    assert (output["output"]["format"], output["output"]["width"]) == ("webp", 320)
    assert Image.open(io.BytesIO(base64.b64decode(chunk["chunk"]))).width == 320
    assert variables["ID"] in {task["id"] for task in answers["imgray.v1.Imgray/ListTasks"][0]["tasks"]}
    assert len(answers["imgray.v1.Imgray/ListWorkers"][0]["workers"]) == 1
    assert answers["grpc.health.v1.Health/Check"] == [{"status": "SERVING"}]


def test_the_example_has_a_picture_processed(served: Reached, tmp_path: Path) -> None:
    picture(size=(64, 48)).save(tmp_path / "a.png")

    result = tmp_path / "b.webp"
    pipeline = ("--pipeline", "grayscale/convert:webp")
    ended = example("image", served.address, tmp_path / "a.png", result, *pipeline)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert Image.open(result).format == "WEBP"
    ended = example("image", served.address, tmp_path / "a.png", result, *pipeline, key="imgray_guessed")
    assert ended.returncode == 1
    assert ended.stderr.startswith("UNAUTHENTICATED: The key is none of this service's.")


def test_the_example_runs_a_job_and_ends_as_it_does(served: Reached) -> None:
    workers = served.imgray.ListWorkers(pb.ListWorkersRequest(), metadata=ALL).workers
    script = served.folder / "count.sh"
    ended = example("job", served.address, workers[0].id, "count", "--path", script)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("1\n2\n3\n", "done\nexit status 7\n", 1)
    ended = example("job", served.address, workers[0].id, "rm", "--path", script)
    assert ended.stderr.startswith("PERMISSION_DENIED: Command 'rm' is not allowed here.")
