"""The calls about workers, and about the commands that they run."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from imgray.errors import RequestError
from imgray.frontend.grpc.calls import Calls, stream, unary
from imgray.frontend.grpc.messages import chunk_message, ended_message, task_message, worker_message
from imgray.frontend.grpc.submissions import job_of
from imgray.keys import Caller, Scope
from imgray.v1 import imgray_pb2 as pb


class JobCalls(Calls):
    """See imgray.proto, which describes each."""

    @unary(Scope.READ)
    async def ListWorkers(self, _request: pb.ListWorkersRequest, _caller: Caller) -> pb.ListWorkersResponse:
        """List the workers."""
        return pb.ListWorkersResponse(workers=map(worker_message, await self.gateway.master.workers()))

    @unary(Scope.OPERATE)
    async def StartJob(self, request: pb.StartJobRequest, caller: Caller) -> pb.Task:
        """Start a command on a worker."""
        self.limits.admit(caller, 0)
        return task_message(await self.gateway.jobs.start(job_of(request, caller)))

    @unary(Scope.OPERATE)
    async def StopJob(self, request: pb.StopJobRequest, _caller: Caller) -> pb.StopJobResponse:
        """Stop a job."""
        await self.gateway.jobs.stop(request.worker_id, request.job_id)
        return pb.StopJobResponse()

    @unary(Scope.READ)
    async def QueryJob(self, request: pb.QueryJobRequest, _caller: Caller) -> pb.QueryJobResponse:
        """Say whether a job has ended."""
        status = await self.gateway.jobs.query(request.worker_id, request.job_id)
        return pb.QueryJobResponse(done=status.done, error=status.error, error_text=status.error_text)

    @stream(Scope.READ)
    async def StreamJob(
        self, request: pb.StreamJobRequest, _caller: Caller
    ) -> AsyncGenerator[pb.StreamJobResponse, None]:
        """Follow what a job writes."""
        if request.offset < 0:
            raise RequestError(f"offset={request.offset}: give a number of bytes that is not negative.")
        async for output in self.gateway.jobs.follow(request.job_id, request.offset, follow=request.follow):
            for chunk in output.part.chunks:
                yield chunk_message(chunk)
            if output.ended is not None:
                yield ended_message(output.part.next_offset, output.ended)
