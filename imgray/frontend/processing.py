"""Processing over HTTP in one call: ``POST /v1/process`` takes an image, and answers what was made of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from imgray.errors import RequestError
from imgray.frontend.access import SUBMITS
from imgray.frontend.dependencies import gateway_of
from imgray.frontend.schema import TaskJson
from imgray.frontend.submissions import ACCEPTED, IMAGE_BODY, AcceptHeader, Options, submission_of
from imgray.frontend.tasks import output_headers

router = APIRouter(prefix="/v1")


@router.post(
    "/process",
    tags=["tasks"],
    dependencies=SUBMITS,
    openapi_extra=IMAGE_BODY,
    response_class=Response,
    responses={
        200: {"content": {"image/*": {}}},
        ACCEPTED: {"model": TaskJson, "description": "It takes longer; the task goes on."},
    },
)
async def process(
    request: Request,
    options: Annotated[Options, Query()],
    *,
    wait_s: Annotated[
        float | None, Query(ge=0, description="How long to wait; as long as a call may, if left out.")
    ] = None,
    accept: AcceptHeader = "",
) -> Response:
    """Submit an image, wait, and get the result, in one call: for whoever would wait for it anyway.

    Nothing is kept of it when it has been answered, whether with the result or with an error. If the caller hangs up,
    the task is cancelled. What takes longer than `wait_s` becomes a task like any other: 202, and where to look.
    """
    gateway = gateway_of(request)
    submission = await submission_of(request, options, accept=accept)
    if len(submission.outputs) > 1 or submission.deduplicate:
        raise RequestError("One call has one result of its own: give one pipeline or output, and no deduplicate.")
    task, data = await gateway.process(submission, gateway.settings.max_wait_s if wait_s is None else wait_s)
    if data is None:
        shown = TaskJson.of(task).model_dump(mode="json")
        return JSONResponse(shown, ACCEPTED, {"Location": f"/v1/tasks/{task.id}"})
    (output,) = task.outputs
    return Response(data, media_type=output.content_type, headers=output_headers(task, output))
