"""The versioned API, ``/v1``."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from imgray.codec import FORMATS
from imgray.errors import RequestError
from imgray.frontend.dependencies import GatewayDep
from imgray.frontend.schema import HistoryJson, OperationJson, StatusJson, TaskJson, TaskPage, WorkerJson
from imgray.frontend.uploads import check_image, read_form, read_raw
from imgray.gateway import Submission
from imgray.operations import CATALOGUE
from imgray.pipeline import Pipeline
from imgray.task import Filter, Output, State, Task
from imgray.version import __version__

MAX_PAGE = 1000

_IMAGE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "string", "format": "binary"},
                        "pipeline": {"type": "string", "example": "swap:rg/resize:320,240,fill/convert:webp"},
                    },
                }
            },
        },
    }
}


router = APIRouter(prefix="/v1")


@router.post("/tasks", status_code=202, tags=["tasks"], openapi_extra=_IMAGE_BODY)
async def submit_task(
    request: Request,
    response: Response,
    gateway: GatewayDep,
    pipeline: Annotated[str, Query(description="What to do, as in `swap:rg/convert:webp,quality=80`.")] = "",
    label: Annotated[str, Query(max_length=255, description="Your own name for the image.")] = "",
) -> TaskJson:
    """Submit an image: the body itself, or a form with `image` and `pipeline`.

    The answer comes when the image and the task are on disk; from then on nothing loses them.
    """
    parsed = Pipeline.parse(pipeline)
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        data, name, fields = await read_form(request, "image")
        label = label or fields.get("label", "") or name
        parsed = Pipeline.parse(fields["pipeline"]) if "pipeline" in fields else parsed
    else:
        data = await read_raw(request)
    await check_image(data, gateway.settings)
    (task,) = await gateway.submit([Submission.of(data, parsed, label=label)])
    response.headers["Location"] = f"/v1/tasks/{task.id}"
    return TaskJson.of(task)


@router.get("/tasks", tags=["tasks"])
async def list_tasks(
    gateway: GatewayDep,
    state: Annotated[list[State | Literal[""]] | None, Query(description="Only these states; may be repeated.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[str, Query(description="`next_cursor` of the page before.")] = "",
) -> TaskPage:
    """List tasks, newest first."""
    if cursor and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < _CURSOR_DIGITS):
        raise RequestError(f"'{cursor}' is not a cursor that this service made.")
    wanted = Filter(states=tuple(State(one) for one in state or [] if one))
    tasks = await gateway.master.page(wanted, int(cursor) if cursor else None, limit + 1)
    more = len(tasks) > limit
    return TaskPage(
        tasks=[TaskJson.of(task) for task in tasks[:limit]],
        next_cursor=str(tasks[limit - 1].seq) if more else None,
    )


@router.get("/tasks/{task_id}", tags=["tasks"])
async def get_task(
    task_id: str,
    gateway: GatewayDep,
    wait_s: Annotated[float, Query(ge=0, description="Answer when the task has finished, or after so long.")] = 0,
) -> TaskJson:
    """Show a task."""
    return TaskJson.of(await gateway.wait(task_id, wait_s))


@router.delete("/tasks/{task_id}", tags=["tasks"])
async def cancel_task(task_id: str, gateway: GatewayDep) -> TaskJson:
    """Cancel a task, wherever it is; a finished one stays as it is."""
    return TaskJson.of(await gateway.cancel(task_id))


@router.get("/tasks/{task_id}/history", tags=["tasks"])
async def get_history(task_id: str, gateway: GatewayDep) -> HistoryJson:
    """Tell the story of a task: each attempt that has ended, where, when and how."""
    return HistoryJson.of(await gateway.get(task_id))


@router.post("/tasks/{task_id}/redrive", tags=["tasks"])
async def redrive_task(task_id: str, gateway: GatewayDep) -> TaskJson:
    """Put a failed task back in the queue, with all its attempts before it; any other task stays as it is."""
    return TaskJson.of(await gateway.redrive(task_id))


@router.head("/tasks/{task_id}/outputs/{name}", include_in_schema=False)
@router.get(
    "/tasks/{task_id}/outputs/{name}",
    tags=["tasks"],
    response_class=Response,
    responses={200: {"content": {"image/*": {}}}, 304: {"description": "You have it already."}},
)
async def get_output(task_id: str, name: str, request: Request, gateway: GatewayDep) -> Response:
    """Fetch an output. It never changes, so its `ETag` may be kept for ever."""
    output = await gateway.output(task_id, name)
    headers = _output_headers(await gateway.get(task_id), output)
    if _matches(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        headers["Content-Length"] = str(output.size_bytes)
        return Response(media_type=output.content_type, headers=headers)
    return Response(await gateway.fetch(task_id, output), media_type=output.content_type, headers=headers)


@router.get("/operations", tags=["service"])
async def list_operations() -> list[OperationJson]:
    """List the operations with their arguments."""
    return [OperationJson(**operation.describe()) for operation in CATALOGUE.values()]


@router.get("/workers", tags=["service"])
async def list_workers(gateway: GatewayDep) -> list[WorkerJson]:
    """List the workers."""
    return [WorkerJson.of(view) for view in await gateway.master.workers()]


@router.get("/status", tags=["service"])
async def get_status(gateway: GatewayDep) -> StatusJson:
    """Count tasks and workers."""
    statistics = await gateway.master.statistics()
    return StatusJson(
        version=__version__,
        submitted=statistics.submitted,
        tasks=dict(statistics.tasks),
        workers=statistics.workers,
    )


_CURSOR_DIGITS = 19  # of a 63-bit sequence number


def _output_headers(task: Task, output: Output) -> dict[str, str]:
    stem = PurePosixPath(task.spec.label.replace("\\", "/")).stem or task.id
    name = f"{stem}{FORMATS[output.format].extensions[0]}"
    return {
        "ETag": f'"{output.sha256}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(name, errors='replace')}",
        "X-Content-Type-Options": "nosniff",
    }


def _matches(if_none_match: str, etag: str) -> bool:
    given = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in given or etag in given
