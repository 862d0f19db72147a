"""Workers and jobs over gRPC, with real programs."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_calls import ALL, Served, grpc_here, told

from imgray.messages import WorkerState
from imgray.v1 import imgray_pb2 as pb

TALK = """echo one
echo two >&2
read line < "$1/go"
echo "$line"
exit 3
"""


def talking(folder: Path) -> dict[str, Any]:
    """Return the setting of a command that says two things, then waits for a third that it is told."""
    (folder / "talk.sh").write_text(TALK)
    os.mkfifo(folder / "go")
    run = ["/bin/sh", "{path}", str(folder)]
    return {"talk": {"run": run, "folders": [str(folder)], "grace_s": 0.2}}


async def started(served: Served, folder: Path) -> tuple[str, pb.Task]:
    while not (workers := (await served.imgray.ListWorkers(pb.ListWorkersRequest(), metadata=ALL)).workers):
        pass
    worker = workers[0].id
    request = pb.StartJobRequest(command="talk", path=str(folder / "talk.sh"), target=pb.Target(worker=worker))
    return worker, await served.imgray.StartJob(request, metadata=ALL)


async def refused(call: Awaitable[object]) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    status, metadata = told(raised.value)
    return status.name, str(metadata["imgray-code"])


async def test_a_job_is_followed_while_it_runs_and_asked_about(tmp_path: Path) -> None:
    async with grpc_here(tmp_path / "data", jobs=talking(tmp_path)) as served:
        worker, job = await started(served, tmp_path)
        query = pb.QueryJobRequest(worker_id=worker, job_id=job.id)
        following = aiter(served.imgray.StreamJob(pb.StreamJobRequest(job_id=job.id, follow=True), metadata=ALL))
        pieces: list[pb.StreamJobResponse] = []
        while sum(len(piece.data) for piece in pieces) < len("one\ntwo\n"):
            pieces.append(await anext(following))
        assert {(piece.stream, piece.data) for piece in pieces} == {
            (pb.StreamJobResponse.STDOUT, b"one\n"),
            (pb.StreamJobResponse.STDERR, b"two\n"),
        }
        assert await served.imgray.QueryJob(query, metadata=ALL) == pb.QueryJobResponse()
        (tmp_path / "go").write_text("three\n")
        piece = await anext(following)
        assert (piece.data, piece.offset) == (b"three\n", 8)
        rest = [piece async for piece in following]
        assert [piece.ended.error_text for piece in rest] == ["exit status 3"]
        await served.imgray.Wait(pb.WaitRequest(id=job.id), metadata=ALL)
        done = await served.imgray.QueryJob(query, metadata=ALL)
        assert done == pb.QueryJobResponse(done=True, error=True, error_text="exit status 3")
        again = served.imgray.StreamJob(pb.StreamJobRequest(job_id=job.id, offset=10), metadata=ALL)
        kept = [piece async for piece in again]
        assert (kept[0].data, kept[0].offset, kept[-1].ended.error_text) == (b"ree\n", 10, "exit status 3")


async def test_a_job_is_stopped(tmp_path: Path) -> None:
    async with grpc_here(tmp_path / "data", jobs=talking(tmp_path)) as served:
        worker, job = await started(served, tmp_path)
        following = aiter(served.imgray.StreamJob(pb.StreamJobRequest(job_id=job.id, follow=True), metadata=ALL))
        await anext(following)  # it runs
        stop = pb.StopJobRequest(worker_id=worker, job_id=job.id)
        for _ in range(2):  # the second time it has ended already, which is no error
            await served.imgray.StopJob(stop, metadata=ALL)
        assert [piece async for piece in following][-1].ended.error_text == "signal: terminated"
        query = pb.QueryJobRequest(worker_id=worker, job_id=job.id)
        assert (await served.imgray.QueryJob(query, metadata=ALL)).error_text == "signal: terminated"
        assert (await served.imgray.Get(pb.GetRequest(id=job.id), metadata=ALL)).state == pb.Task.CANCELLED


async def test_what_cannot_be_started_or_found_is_told(tmp_path: Path, png: bytes) -> None:
    async with grpc_here(tmp_path / "data", jobs=talking(tmp_path)) as served:
        imgray = served.imgray
        image = await imgray.Submit(pb.SubmitRequest(image=png), metadata=ALL)

        async def followed(**wanted: Any) -> None:
            async for _ in imgray.StreamJob(pb.StreamJobRequest(**wanted), metadata=ALL):
                pass

        def start(**wanted: Any) -> Any:
            return imgray.StartJob(pb.StartJobRequest(**wanted), metadata=ALL)

        cases: Mapping[str, tuple[Any, tuple[str, str]]] = {
            "command": (start(command="rm", path="/"), ("PERMISSION_DENIED", "command_not_allowed")),
            "deadline": (
                start(command="talk", expires_at=Timestamp(seconds=-(2**50))),
                ("INVALID_ARGUMENT", "bad_request"),
            ),
            "priority": (start(command="talk", priority=10), ("INVALID_ARGUMENT", "bad_request")),
            "path": (start(command="talk", path="/etc/passwd"), ("PERMISSION_DENIED", "path_not_allowed")),
            "no such job": (followed(job_id="none"), ("NOT_FOUND", "task_not_found")),
            "no job": (followed(job_id=image.id), ("FAILED_PRECONDITION", "not_a_command")),
            "offset": (followed(job_id=image.id, offset=-1), ("INVALID_ARGUMENT", "bad_request")),
            "query": (
                imgray.QueryJob(pb.QueryJobRequest(worker_id="nobody"), metadata=ALL),
                ("NOT_FOUND", "worker_not_found"),
            ),
        }
        for name, (call, code) in cases.items():
            assert await refused(call) == code, name


def test_a_message_knows_every_state_of_a_worker() -> None:
    assert {name for name, number in pb.Worker.State.items() if number} == {state.name for state in WorkerState}
