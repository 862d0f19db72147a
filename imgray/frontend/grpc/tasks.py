"""The calls about images: submit, look at, wait for, cancel, list, download."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace

from imgray.errors import BodyTooLargeError, RequestError, UploadCutError
from imgray.frontend.dependencies import DEFAULT_PAGE, MAX_PAGE, cursor_of, position_of
from imgray.frontend.grpc.calls import Calls, stream, unary
from imgray.frontend.grpc.messages import output_message, state_of, task_message
from imgray.frontend.grpc.submissions import submission_of
from imgray.frontend.uploads import check_image
from imgray.gateway import Submission
from imgray.keys import Caller, Scope
from imgray.task import DEFAULT_OUTPUT, Filter
from imgray.v1 import imgray_pb2 as pb

CHUNK_BYTES = 2**20
"""Most bytes of a message of a download."""


class TaskCalls(Calls):
    """See imgray.proto, which describes each."""

    @unary(Scope.SUBMIT)
    async def Submit(self, request: pb.SubmitRequest, caller: Caller) -> pb.Task:
        """Submit an image in one message, or by its path."""
        if len(request.image) > self.settings.max_body_bytes:  # before it is charged
            raise BodyTooLargeError(self.settings.max_body_bytes)
        self.limits.admit(caller, len(request.image))
        asked = submission_of(request.options, self.gateway.catalogue)
        if request.WhichOneof("source") != "path":
            return await self._submit(await self._with_image(asked, request.image), caller)
        caller.require(Scope.OPERATE)  # it reads what the operator has, not what the caller has
        if not request.path:
            raise RequestError("The path is empty.")
        return await self._submit(replace(asked, path=request.path), caller)

    @unary(Scope.SUBMIT)
    async def Upload(self, request: AsyncIterator[pb.UploadRequest], caller: Caller) -> pb.Task:
        """Submit an image in chunks."""
        self.limits.admit(caller, None)
        data = bytearray()
        with self.limits.receiving.upload() as count:
            try:
                asked = await self._received(request, data, count)
            finally:
                self.limits.charge(caller, len(data))
            return await self._submit(await self._with_image(asked, bytes(data)), caller)

    @unary(Scope.READ)
    async def Get(self, request: pb.GetRequest, _caller: Caller) -> pb.Task:
        """Show a task."""
        return task_message(await self.gateway.get(request.id))

    @unary(Scope.READ)
    async def Wait(self, request: pb.WaitRequest, _caller: Caller) -> pb.Task:
        """Show a task when it has finished."""
        wait_s = request.wait_s if request.HasField("wait_s") else self.settings.max_wait_s
        if math.isnan(wait_s) or wait_s < 0:
            raise RequestError(f"wait_s={wait_s:g}: give a number of seconds that is not negative.")
        return task_message(await self.gateway.wait(request.id, wait_s))

    @unary(Scope.OPERATE)
    async def Cancel(self, request: pb.CancelRequest, _caller: Caller) -> pb.Task:
        """Cancel a task."""
        return task_message(await self.gateway.cancel(request.id))

    @unary(Scope.READ)
    async def ListTasks(self, request: pb.ListTasksRequest, _caller: Caller) -> pb.ListTasksResponse:
        """List tasks."""
        limit = request.limit or DEFAULT_PAGE
        if not 1 <= limit <= MAX_PAGE:
            raise RequestError(f"limit={limit}: use 1 to {MAX_PAGE}.")
        tenant = request.tenant if request.HasField("tenant") else None
        wanted = Filter(tuple(map(state_of, request.states)), tenant, request.code or None)
        page = await self.gateway.page(wanted, position_of(request.cursor), limit)
        return pb.ListTasksResponse(tasks=map(task_message, page.tasks), next_cursor=cursor_of(page.before))

    @stream(Scope.READ)
    async def Download(self, request: pb.DownloadRequest, _caller: Caller) -> AsyncGenerator[pb.DownloadResponse, None]:
        """Fetch an output."""
        name = request.output or DEFAULT_OUTPUT
        task, output = await self.gateway.output(request.id, name)
        pipelines = {wanted.name: wanted.pipeline for wanted in task.spec.outputs}
        data = await self.gateway.fetch(request.id, output)
        yield pb.DownloadResponse(output=output_message(name, pipelines[name], output))
        for start in range(0, len(data), CHUNK_BYTES):
            yield pb.DownloadResponse(chunk=data[start : start + CHUNK_BYTES])

    async def _received(
        self, messages: AsyncIterator[pb.UploadRequest], data: bytearray, count: Callable[[int], None]
    ) -> Submission:
        """Take the image from an upload, into ``data``, telling ``count``; return what is to be made of it.

        Raises:
            UploadCutError: it ended without its last message: when a client goes, Ray Serve just ends the stream.
            BodyTooLargeError, TooMuchAtOnceError: it is over the limit, or there is no room; the rest is not read.
            RequestError: a message is not what should come.
        """
        asked: Submission | None = None
        async for message in messages:
            part = message.WhichOneof("part")
            if (part == "options") == (asked is not None):
                raise RequestError(
                    "An upload is a message with options, then some with chunks, then one with size_bytes."
                )
            if asked is None:
                asked = submission_of(message.options, self.gateway.catalogue)
            elif part != "size_bytes":
                count(len(message.chunk))
                data += message.chunk
                if len(data) > self.settings.max_body_bytes:
                    raise BodyTooLargeError(self.settings.max_body_bytes)
            elif message.size_bytes == len(data):
                return asked
            else:
                break
        raise UploadCutError(len(data))

    async def _with_image(self, asked: Submission, data: bytes) -> Submission:
        """Return a submission with its image, which was looked at."""
        info = await check_image(data, self.settings, list(asked.outputs.values()))
        return replace(asked, data=data, pixels=info.pixels)

    async def _submit(self, submission: Submission, caller: Caller) -> pb.Task:
        (task,) = await self.gateway.submit([replace(submission, owner=caller.name)])
        return task_message(task)
