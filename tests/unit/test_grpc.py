"""Images over gRPC: the calls of a client, through a real server and a socket, to the whole service in one process."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_calls import ALL, LIMIT, TOKENS, Served, bearing, grpc_here, told, upload, uploaded
from pictures import encoded, picture

from imgray.frontend.grpc.messages import task_message
from imgray.task import Failure, OutputSpec, PathSource, State, Task, TaskSpec
from imgray.v1 import imgray_pb2 as pb

SWAP = pb.SubmitOptions(pipeline="swap:rg/convert:png")
OPTIONS = pb.UploadRequest(options=SWAP)
CHUNK = pb.UploadRequest(chunk=b"abc")


async def downloaded(imgray: Any, task_id: str, output: str = "") -> tuple[pb.Output, bytes, int]:
    """Return an output's description, its bytes, and the length of its longest chunk."""
    request = pb.DownloadRequest(id=task_id, output=output)
    messages = [message async for message in imgray.Download(request, metadata=ALL)]
    assert [message.WhichOneof("part") for message in messages] == ["output"] + ["chunk"] * (len(messages) - 1)
    chunks = [message.chunk for message in messages[1:]]
    return messages[0].output, b"".join(chunks), max(map(len, chunks))


def in_state(number: int) -> pb.ListTasksRequest:
    return pb.ListTasksRequest(states=[number])  # type: ignore[list-item]  # the number of no state


async def refused(call: Awaitable[object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as raised:
        await call
    status, metadata = told(raised.value)
    return status, str(metadata["imgray-code"])


async def test_an_image_in_one_message_is_waited_for_and_downloaded(tmp_path: Path, png: bytes) -> None:
    options = pb.SubmitOptions(
        pipeline="swap:rg/convert:png",
        outputs=[pb.NamedPipeline(name="small", pipeline="resize:8/convert:webp")],
        label="a.png",
        tenant="ada",
        priority=3,
    )
    async with grpc_here(tmp_path) as served:
        task = await served.imgray.Submit(pb.SubmitRequest(options=options, image=png), metadata=ALL)
        assert (task.label, task.tenant, task.priority, task.state) == ("a.png", "ada", 3, pb.Task.QUEUED)
        done = await served.imgray.Wait(pb.WaitRequest(id=task.id), metadata=ALL)
        assert (done.state, done.attempts, [output.name for output in done.outputs]) == (
            pb.Task.SUCCEEDED,
            1,
            ["image", "small"],
        )
        assert abs(done.finished_at.seconds - time.time()) < 60
        assert not done.HasField("expires_at")
        assert not done.HasField("error")
        output, data, _ = await downloaded(served.imgray, task.id, "small")
        assert (output.format, output.content_type, output.width, output.size_bytes) == (
            "webp",
            "image/webp",
            8,
            len(data),
        )
        assert hashlib.sha256(data).hexdigest() == output.sha256
        assert await served.imgray.Get(pb.GetRequest(id=task.id), metadata=ALL) == done
        assert (await served.cluster.gateway.get(task.id)).spec.owner == "all"


async def test_a_large_image_goes_up_and_down_in_chunks(tmp_path: Path) -> None:
    image = encoded(picture(size=(1000, 800)))
    assert len(image) > 2_000_000
    async with grpc_here(tmp_path) as served:
        task = await served.imgray.Upload(upload(image, pb.SubmitOptions(pipeline="convert:bmp")), metadata=ALL)
        await served.imgray.Wait(pb.WaitRequest(id=task.id), metadata=ALL)
        output, data, longest = await downloaded(served.imgray, task.id)
        assert (len(data), longest) == (output.size_bytes, 2**20)
        assert hashlib.sha256(data).hexdigest() == output.sha256


@pytest.mark.parametrize(
    ("messages", "status", "code"),
    [
        ([], "INVALID_ARGUMENT", "upload_cut"),
        ([OPTIONS, CHUNK], "INVALID_ARGUMENT", "upload_cut"),
        ([OPTIONS, CHUNK, pb.UploadRequest(size_bytes=2)], "INVALID_ARGUMENT", "upload_cut"),
        ([CHUNK], "INVALID_ARGUMENT", "bad_request"),
        ([pb.UploadRequest()], "INVALID_ARGUMENT", "bad_request"),
        ([OPTIONS, OPTIONS], "INVALID_ARGUMENT", "bad_request"),
        ([pb.UploadRequest(size_bytes=0)], "INVALID_ARGUMENT", "bad_request"),
        ([OPTIONS, pb.UploadRequest(size_bytes=0)], "INVALID_ARGUMENT", "image_empty"),
        ([OPTIONS, CHUNK, pb.UploadRequest(size_bytes=3)], "INVALID_ARGUMENT", "not_an_image"),
        ([pb.UploadRequest(options=pb.SubmitOptions(pipeline="swop"))], "INVALID_ARGUMENT", "unknown_operation"),
        ([OPTIONS, pb.UploadRequest(chunk=b"x" * (LIMIT + 1))], "RESOURCE_EXHAUSTED", "body_too_large"),
    ],
)
async def test_an_upload_that_is_wrong_is_refused(
    messages: list[pb.UploadRequest], status: str, code: str, tmp_path: Path
) -> None:
    async with grpc_here(tmp_path) as served:
        assert await refused(uploaded(served, messages)) == (grpc.StatusCode[status], code)
        assert not (await served.imgray.ListTasks(pb.ListTasksRequest(), metadata=ALL)).tasks


async def test_an_upload_without_end_is_stopped_at_the_limit(tmp_path: Path) -> None:
    sent = 0

    def endless() -> Iterator[pb.UploadRequest]:
        nonlocal sent
        yield OPTIONS
        while True:
            sent += 1
            yield pb.UploadRequest(chunk=bytes(LIMIT // 10))

    async with grpc_here(tmp_path) as served:
        answer = await refused(uploaded(served, endless()))
        assert answer == (grpc.StatusCode.RESOURCE_EXHAUSTED, "body_too_large")
        assert sent < 100


async def test_an_upload_whose_client_goes_is_no_task(tmp_path: Path, png: bytes) -> None:
    reached = asyncio.Event()

    async def broken() -> AsyncIterator[pb.UploadRequest]:
        yield OPTIONS
        yield pb.UploadRequest(chunk=png)
        reached.set()
        await asyncio.Event().wait()

    async with grpc_here(tmp_path) as served:
        call = served.imgray.Upload(broken(), metadata=ALL)
        await reached.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not (await served.imgray.ListTasks(pb.ListTasksRequest(), metadata=ALL)).tasks


Case = Callable[[Any], Awaitable[object]]

REFUSED: list[tuple[Case, str, str]] = [
    (lambda i: i.Get(pb.GetRequest(id="none"), metadata=ALL), "NOT_FOUND", "task_not_found"),
    (lambda i: i.Get(pb.GetRequest(id="über\n"), metadata=ALL), "NOT_FOUND", "task_not_found"),
    (lambda i: i.Wait(pb.WaitRequest(id="none", wait_s=-1), metadata=ALL), "INVALID_ARGUMENT", "bad_request"),
    (lambda i: i.Wait(pb.WaitRequest(id="none", wait_s=float("nan")), metadata=ALL), "INVALID_ARGUMENT", "bad_request"),
    (lambda i: i.Cancel(pb.CancelRequest(id="none"), metadata=ALL), "NOT_FOUND", "task_not_found"),
    (lambda i: i.ListTasks(pb.ListTasksRequest(limit=1001), metadata=ALL), "INVALID_ARGUMENT", "bad_request"),
    (lambda i: i.ListTasks(pb.ListTasksRequest(cursor="x"), metadata=ALL), "INVALID_ARGUMENT", "bad_request"),
    (lambda i: i.ListTasks(in_state(0), metadata=ALL), "INVALID_ARGUMENT", "bad_request"),
    (lambda i: i.ListTasks(in_state(77), metadata=ALL), "INVALID_ARGUMENT", "bad_request"),
    (lambda i: downloaded(i, "none"), "NOT_FOUND", "task_not_found"),
    (lambda i: i.Submit(pb.SubmitRequest(), metadata=ALL), "INVALID_ARGUMENT", "image_empty"),
    (lambda i: i.Submit(pb.SubmitRequest(path=""), metadata=ALL), "INVALID_ARGUMENT", "bad_request"),
    (
        lambda i: i.Submit(pb.SubmitRequest(options=pb.SubmitOptions(priority=99)), metadata=ALL),
        "INVALID_ARGUMENT",
        "bad_request",
    ),
    (
        lambda i: i.Submit(
            pb.SubmitRequest(options=pb.SubmitOptions(expires_at=Timestamp(seconds=2**40))), metadata=ALL
        ),
        "INVALID_ARGUMENT",
        "bad_request",
    ),
]


@pytest.mark.parametrize(("call", "status", "code"), REFUSED)
async def test_what_is_wrong_is_told_with_status_and_code(call: Case, status: str, code: str, tmp_path: Path) -> None:
    async with grpc_here(tmp_path) as served:
        assert await refused(call(served.imgray)) == (grpc.StatusCode[status], code)


async def test_an_error_names_its_task_and_says_when_to_try_again(tmp_path: Path, png: bytes) -> None:
    request = pb.SubmitRequest(options=SWAP, image=png)
    async with grpc_here(tmp_path, max_live_tasks=1, workers=1) as served:
        for worker in list(served.cluster.workers):
            served.cluster.kill_worker(worker)
        task = await served.imgray.Submit(request, metadata=ALL)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await downloaded(served.imgray, task.id)
        status, metadata = told(raised.value)
        assert (status, metadata["imgray-code"]) == (grpc.StatusCode.FAILED_PRECONDITION, "task_not_ready")
        assert metadata["imgray-task-id"] == task.id
        assert "queued" in (raised.value.details() or "")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await served.imgray.Submit(request, metadata=ALL)
        status, metadata = told(raised.value)
        assert (status, metadata["imgray-code"]) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "queue_full")
        assert int(str(metadata["retry-after"])) >= 1


async def test_a_defect_is_internal_and_says_nothing_of_its_insides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with grpc_here(tmp_path) as served:
        monkeypatch.setattr(served.servicer.gateway, "get", None)
        assert await refused(served.imgray.Get(pb.GetRequest(id="a"), metadata=ALL)) == (
            grpc.StatusCode.INTERNAL,
            "internal_error",
        )


async def test_a_deadline_an_idempotency_key_and_deduplication_mean_what_they_do_over_http(
    tmp_path: Path, png: bytes
) -> None:
    async def submitted(served: Served, **options: Any) -> pb.Task:
        request = pb.SubmitRequest(options=pb.SubmitOptions(pipeline="swap:rg", **options), image=png)
        task: pb.Task = await served.imgray.Submit(request, metadata=ALL)
        return task

    async with grpc_here(tmp_path) as served:
        expiring = await submitted(served, expires_at=Timestamp(seconds=2_000_000_000, nanos=500_000_000))
        assert (expiring.expires_at.seconds, expiring.expires_at.nanos) == (2_000_000_000, 500_000_000)
        first = await submitted(served, idempotency_key="a")
        assert (await submitted(served, idempotency_key="a")).id == first.id
        same = await submitted(served, deduplicate=True)
        assert (await submitted(served, deduplicate=True)).id == same.id != first.id


async def test_a_path_is_for_those_who_operate(tmp_path: Path, png: bytes) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(png)
    request = pb.SubmitRequest(options=SWAP, path=str(pictures / "a.png"))
    async with grpc_here(tmp_path / "data", file_roots=[pictures]) as served:
        lesser = bearing(TOKENS["submit"])
        assert await refused(served.imgray.Submit(request, metadata=lesser)) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "scope_missing",
        )
        task = await served.imgray.Submit(request, metadata=ALL)
        assert (await served.imgray.Wait(pb.WaitRequest(id=task.id), metadata=ALL)).state == pb.Task.SUCCEEDED
        elsewhere = pb.SubmitRequest(options=SWAP, path=str(tmp_path / "b.png"))
        task = await served.imgray.Submit(elsewhere, metadata=ALL)
        failed = await served.imgray.Wait(pb.WaitRequest(id=task.id), metadata=ALL)
        assert (failed.state, failed.error.code) == (pb.Task.FAILED, "path_not_allowed")


async def test_tasks_are_listed_in_pages_and_cancelled(tmp_path: Path, png: bytes) -> None:
    async with grpc_here(tmp_path) as served:
        for worker in list(served.cluster.workers):
            served.cluster.kill_worker(worker)
        made = []
        for tenant in ("ada", "", "ada"):
            options = pb.SubmitOptions(pipeline="swap:rg", tenant=tenant)
            made.append(await served.imgray.Submit(pb.SubmitRequest(options=options, image=png), metadata=ALL))
        newest = [task.id for task in reversed(made)]

        async def listed(**wanted: Any) -> tuple[list[str], str]:
            page = await served.imgray.ListTasks(pb.ListTasksRequest(**wanted), metadata=ALL)
            return [task.id for task in page.tasks], page.next_cursor

        first, cursor = await listed(limit=2)
        rest, end = await listed(limit=2, cursor=cursor)
        assert (first + rest, end) == (newest, "")
        assert await listed(tenant="ada") == ([newest[0], newest[2]], "")
        assert await listed(tenant="") == ([newest[1]], "")
        cancelled = await served.imgray.Cancel(pb.CancelRequest(id=newest[1]), metadata=ALL)
        assert cancelled.state == pb.Task.CANCELLED
        assert await listed(states=[pb.Task.CANCELLED, pb.Task.FAILED]) == ([newest[1]], "")
        waited = await served.imgray.Wait(pb.WaitRequest(id=newest[0], wait_s=0), metadata=ALL)
        assert waited.state == pb.Task.QUEUED


def test_what_is_no_text_is_shown_all_the_same() -> None:
    spec = TaskSpec("ab", PathSource("/a\udcff.png"), (OutputSpec("image", "text:\udcff"),), label="a\udcff.png")
    failure = Failure("bad_source", 400, "'/a\udcff.png' cannot be read.")
    message = task_message(Task(spec, 1, State.FAILED, 0.0, 0.0, failure=failure))
    assert (message.label, message.error.message) == ("a?.png", "'/a?.png' cannot be read.")
    assert message.outputs[0].pipeline == "text:?"


def test_a_message_knows_every_state_of_a_task() -> None:
    assert {name for name, number in pb.Task.State.items() if number} == {state.name for state in State}
