"""The versioned API, ``/v1``."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from imgray.codec import RESULTS
from imgray.frontend.access import needs
from imgray.frontend.dependencies import CodeFilter, GatewayDep, PartDep, TenantFilter, cursor_of
from imgray.frontend.schema import HistoryJson, OperationJson, StatusJson, TaskJson, TaskPage
from imgray.keys import Scope
from imgray.task import Filter, Output, State, Task
from imgray.version import __version__

router = APIRouter(prefix="/v1")

_WaitQuery = Annotated[float, Query(ge=0, description="Answer when the task has finished, or after so long.")]

_READS = [needs(Scope.READ)]
_OPERATES = [needs(Scope.OPERATE)]


@router.get("/tasks", tags=["tasks"], dependencies=_READS)
async def list_tasks(
    gateway: GatewayDep,
    part: PartDep,
    state: Annotated[list[State | Literal[""]] | None, Query(description="Only these states; may be repeated.")] = None,
    tenant: TenantFilter = None,
    code: CodeFilter = "",
) -> TaskPage:
    """List tasks, newest first."""
    wanted = Filter(tuple(State(one) for one in state or [] if one), tenant, code or None)
    page = await gateway.page(wanted, part.before, part.limit)
    return TaskPage(tasks=[TaskJson.of(task) for task in page.tasks], next_cursor=cursor_of(page.before))


@router.get("/tasks/{task_id}", tags=["tasks"], dependencies=_READS)
async def get_task(task_id: str, gateway: GatewayDep, wait_s: _WaitQuery = 0) -> TaskJson:
    """Show a task."""
    return TaskJson.of(await gateway.wait(task_id, wait_s))


@router.delete("/tasks/{task_id}", tags=["tasks"], dependencies=_OPERATES)
async def cancel_task(task_id: str, gateway: GatewayDep) -> TaskJson:
    """Cancel a task, wherever it is; a finished one stays as it is."""
    return TaskJson.of(await gateway.cancel(task_id))


@router.get("/tasks/{task_id}/history", tags=["tasks"], dependencies=_READS)
async def get_history(task_id: str, gateway: GatewayDep) -> HistoryJson:
    """Tell the story of a task: each attempt that has ended, where, when and how."""
    return HistoryJson.of(await gateway.get(task_id))


@router.post("/tasks/{task_id}/redrive", tags=["tasks"], dependencies=_OPERATES)
async def redrive_task(task_id: str, gateway: GatewayDep) -> TaskJson:
    """Put a failed task back in the queue, with all its attempts before it; any other task stays as it is."""
    return TaskJson.of(await gateway.redrive(task_id))


@router.post("/tasks/{task_id}/purge", status_code=204, tags=["tasks"], dependencies=_OPERATES)
async def purge_task(task_id: str, gateway: GatewayDep) -> None:
    """Remove a finished task, its image and its results for good. One that is gone already is no error."""
    await gateway.purge(task_id)


@router.head("/tasks/{task_id}/outputs/{name}", include_in_schema=False, dependencies=_READS)
@router.get(
    "/tasks/{task_id}/outputs/{name}",
    tags=["tasks"],
    dependencies=_READS,
    response_class=Response,
    responses={200: {"content": {"image/*": {}}}, 304: {"description": "You have it already."}},
)
async def get_output(
    task_id: str, name: str, request: Request, gateway: GatewayDep, wait_s: _WaitQuery = 0
) -> Response:
    """Fetch an output, when there is one. It never changes, so its `ETag` may be kept for ever."""
    task, output = await gateway.output(task_id, name, wait_s)
    headers = output_headers(task, output)
    if _matches(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        headers["Content-Length"] = str(output.size_bytes)
        return Response(media_type=output.content_type, headers=headers)
    return Response(await gateway.fetch(task_id, output), media_type=output.content_type, headers=headers)


@router.get("/operations", tags=["service"], dependencies=_READS)
async def list_operations(gateway: GatewayDep) -> list[OperationJson]:
    """List the operations with their arguments, those that the operator added too."""
    return [OperationJson(**operation.describe()) for operation in gateway.catalogue.operations.values()]


@router.get("/presets", tags=["service"], dependencies=_READS)
async def list_presets(gateway: GatewayDep) -> dict[str, str]:
    """List the pipelines that the operator named, for `preset:NAME`."""
    return {name: str(pipeline) for name, pipeline in gateway.catalogue.presets.items()}


@router.get("/status", tags=["service"], dependencies=_READS)
async def get_status(gateway: GatewayDep) -> StatusJson:
    """Count tasks and workers."""
    statistics = await gateway.master.statistics()
    return StatusJson(
        version=__version__,
        submitted=statistics.submitted,
        tasks=dict(statistics.tasks),
        workers=statistics.workers,
    )


def output_headers(task: Task, output: Output) -> dict[str, str]:
    """Return the headers with which an output is answered."""
    stem = PurePosixPath(task.spec.label.replace("\\", "/")).stem or task.id
    name = f"{stem}{RESULTS[output.format].extensions[0]}"
    return {
        "ETag": f'"{output.sha256}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(name, errors='replace')}",
        "X-Content-Type-Options": "nosniff",
    }


def _matches(if_none_match: str, etag: str) -> bool:
    given = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in given or etag in given
