"""The routes of the first image application that imgray grew from, kept exactly: plain text in, plain text out."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from imgray.errors import ImgrayError, RequestError, TaskNotReadyError
from imgray.frontend.access import SUBMITS, CallerDep, needs
from imgray.frontend.dependencies import GatewayDep, retry_after, shown
from imgray.frontend.uploads import check_image, read_form
from imgray.gateway import Submission, find_output
from imgray.keys import Scope
from imgray.task import DEFAULT_OUTPUT, State

PIPELINE = "swap:rg,alpha=opaque/convert:png"
"""What the ancestor did with every image."""

NOT_READY = "Your image is not ready yet."
READY = "Your image is ready."

_OTHERS = ["PUT", "PATCH", "DELETE", "OPTIONS"]
_READS = [needs(Scope.READ)]


router = APIRouter(include_in_schema=False)


@router.post("/submitTask", dependencies=SUBMITS)
async def submit_task(request: Request, gateway: GatewayDep, caller: CallerDep) -> Response:
    """Take the form's image, and answer the task's id."""
    try:
        data, name, _ = await read_form(request, "uploadfile")
        pipeline = gateway.catalogue.parse(PIPELINE)
        await check_image(data, gateway.settings, [pipeline])
        (task,) = await gateway.submit([replace(Submission.of(data, pipeline, label=name), owner=caller.name)])
    except ImgrayError as error:
        return _sentence(error)
    return PlainTextResponse(task.id)


@router.get("/isReady", dependencies=_READS)
async def is_ready(gateway: GatewayDep, id: str = "") -> Response:  # noqa: A002  # the ancestor's parameter
    """Say whether the image is ready, and if it never will be, why."""
    try:
        task = await gateway.get(_given(id))
    except ImgrayError as error:
        return _sentence(error)
    if task.state is State.FAILED and task.failure is not None:
        return PlainTextResponse(f"Your image failed: {task.failure.message}")
    if task.state is State.CANCELLED:
        return PlainTextResponse("Your image was cancelled.")
    return PlainTextResponse(READY if task.state is State.SUCCEEDED else NOT_READY)


@router.get("/getImage", dependencies=_READS)
async def get_image(gateway: GatewayDep, id: str = "") -> Response:  # noqa: A002  # the ancestor's parameter
    """Answer the image, red and green swapped, opaque, as PNG."""
    try:
        task = await gateway.get(_given(id))
        output = find_output(task, DEFAULT_OUTPUT)
        data = await gateway.fetch(task.id, output)
    except TaskNotReadyError as error:
        return PlainTextResponse(NOT_READY, error.status)
    except ImgrayError as error:
        return _sentence(error)
    return Response(data, media_type=output.content_type)


@router.api_route("/submitTask", methods=["GET", "HEAD", *_OTHERS], dependencies=[needs(Scope.SUBMIT)])
@router.api_route("/isReady", methods=["HEAD", "POST", *_OTHERS], dependencies=_READS)
@router.api_route("/getImage", methods=["HEAD", "POST", *_OTHERS], dependencies=_READS)
async def wrong_method(request: Request) -> Response:
    """Say which method is right: 400, as the ancestor did."""
    right = "POST" if request.url.path == "/submitTask" else "GET"
    return PlainTextResponse(f"Use {right} for {request.url.path}, not {request.method}.", 400)


def _given(task_id: str) -> str:
    if not task_id:
        raise RequestError("Give the id that /submitTask answered, as ?id=…")
    return task_id


def _sentence(error: ImgrayError) -> Response:
    return PlainTextResponse(shown(error), error.status, retry_after(error))
