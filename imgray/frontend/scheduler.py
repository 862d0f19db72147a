"""The routes of the single scheduler: start, stop and query a job on a chosen worker, in its own JSON."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from imgray.errors import ImgrayError, JobNotFoundError, TaskNotFoundError, WorkerNotFoundError
from imgray.frontend.access import STARTS, CallerDep, needs
from imgray.frontend.dependencies import GatewayDep, retry_after, shown
from imgray.jobs import JobRequest
from imgray.keys import Scope
from imgray.target import Target

router = APIRouter(tags=["scheduler"])

_CREATED = 201
_MESSAGES: dict[type[ImgrayError], str] = {
    WorkerNotFoundError: "worker not found",
    JobNotFoundError: "job not found",
    TaskNotFoundError: "job not found",
}


class StartJson(BaseModel):
    """What `/start` takes."""

    worker_id: str
    command: str
    path: str = ""


class JobIdJson(BaseModel):
    """What `/stop` and `/query` take."""

    worker_id: str
    job_id: str


@router.post("/start", status_code=_CREATED, dependencies=STARTS)
async def start(asked: Annotated[StartJson, Body()], gateway: GatewayDep, caller: CallerDep) -> Response:
    """Run `command path` on a worker; answer the job's id."""
    target = Target(worker=asked.worker_id)
    try:
        task = await gateway.jobs.start(JobRequest(asked.command, asked.path, target=target, owner=caller.name))
    except ImgrayError as error:
        return _refused(error)
    return JSONResponse({"job_id": task.id}, _CREATED)


@router.post("/stop", dependencies=[needs(Scope.OPERATE)])
async def stop(asked: Annotated[JobIdJson, Body()], gateway: GatewayDep) -> Response:
    """Stop a job, with all its processes; one that has ended already is no error."""
    try:
        await gateway.jobs.stop(asked.worker_id, asked.job_id)
    except ImgrayError as error:
        return _refused(error)
    return JSONResponse({"success": True})


@router.post("/query", dependencies=[needs(Scope.READ)])
async def query(asked: Annotated[JobIdJson, Body()], gateway: GatewayDep) -> Response:
    """Say whether a job is done, and how it ended."""
    try:
        status = await gateway.jobs.query(asked.worker_id, asked.job_id)
    except ImgrayError as error:
        return _refused(error)
    return JSONResponse({"done": status.done, "error": status.error, "error_text": status.error_text})


def _refused(error: ImgrayError) -> Response:
    body: dict[str, Any] = {"error": _MESSAGES.get(type(error)) or shown(error), "code": error.code}
    return JSONResponse(body, error.status, retry_after(error))
