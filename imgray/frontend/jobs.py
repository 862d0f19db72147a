"""Command tasks over HTTP: which commands there are, starting one, and following what it writes."""

from __future__ import annotations

import json
from codecs import getincrementaldecoder
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Body, Query, Request
from starlette.responses import Response, StreamingResponse

from imgray.frontend.access import STARTS, CallerDep, needs
from imgray.frontend.dependencies import GatewayDep, position_of
from imgray.frontend.schema import CommandJson, JobJson, TaskJson
from imgray.keys import Scope
from imgray.messages import OutputPart
from imgray.transcript import Stream

router = APIRouter(prefix="/v1", tags=["jobs"])

_EVENTS = "text/event-stream"
_UTF8 = getincrementaldecoder("utf-8")


@router.get("/commands", dependencies=[needs(Scope.READ)])
async def list_commands(gateway: GatewayDep) -> list[CommandJson]:
    """List the commands that the operator allows."""
    return [CommandJson.of(name, program) for name, program in sorted(gateway.jobs.allowed.items())]


@router.post("/jobs", status_code=202, dependencies=STARTS)
async def start_job(asked: Annotated[JobJson, Body()], gateway: GatewayDep, caller: CallerDep) -> TaskJson:
    """Have a worker run a command. It is a task like any other, but that it runs once at most."""
    return TaskJson.of(await gateway.jobs.start(asked.request(caller.name)))


@router.get(
    "/tasks/{task_id}/output",
    dependencies=[needs(Scope.READ)],
    response_class=Response,
    responses={200: {"content": {"text/plain": {}, _EVENTS: {}}}},
)
async def follow_output(
    task_id: str,
    request: Request,
    gateway: GatewayDep,
    *,
    offset: Annotated[int, Query(ge=0, description="Bytes of both streams together to pass over.")] = 0,
    follow: Annotated[bool, Query(description="Go on until the command ends.")] = False,
    stream: Annotated[Stream | None, Query(description="Only this stream.")] = None,
) -> Response:
    """Give what a command writes: as text, or as server-sent events if `Accept` asks for `text/event-stream`.

    Each event `output` is JSON: `stream`, `offset`, `at` (seconds since the epoch) and `text`; its id is the offset of
    what follows, from which a browser goes on by itself. `dropped` says that bytes are missing, `end` how the command
    ended: `{"error_text": ""}` if well.
    """
    last = request.headers.get("last-event-id", "")
    start = position_of(last) or offset
    parts = gateway.jobs.follow(task_id, start, follow=follow)
    first = await anext(parts, None)  # now, so that an unknown task is answered by its error
    as_events = _EVENTS in request.headers.get("accept", "")
    written = _events(_all(first, parts), stream) if as_events else _text(_all(first, parts), stream)
    return StreamingResponse(
        written,
        media_type=_EVENTS if as_events else "text/plain; charset=utf-8",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"},
    )


async def _all(first: OutputPart | None, rest: AsyncIterator[OutputPart]) -> AsyncIterator[OutputPart]:
    if first is not None:
        yield first
        async for part in rest:
            yield part


async def _text(parts: AsyncIterator[OutputPart], only: Stream | None) -> AsyncIterator[str]:
    decoders = {stream: _UTF8("replace") for stream in Stream}
    async for part in parts:
        if part.part.dropped_bytes:
            yield f"\n… {part.part.dropped_bytes:,} bytes are not kept …\n"
        for chunk in part.part.chunks:
            if only in {None, chunk.stream}:
                yield decoders[chunk.stream].decode(chunk.data)


async def _events(parts: AsyncIterator[OutputPart], only: Stream | None) -> AsyncIterator[str]:
    decoders = {stream: _UTF8("replace") for stream in Stream}
    async for part in parts:
        if part.part.dropped_bytes:
            yield _event("dropped", {"bytes": part.part.dropped_bytes})
        wanted = [chunk for chunk in part.part.chunks if only in {None, chunk.stream}]
        for chunk in wanted:
            text = decoders[chunk.stream].decode(chunk.data)
            told = {"stream": chunk.stream, "offset": chunk.offset, "at": chunk.at, "text": text}
            yield _event("output", told, chunk.end)
        if part.ended is not None:
            yield _event("end", {"error_text": part.ended.text, "at": part.ended.at})
        elif not wanted:
            yield ": it is quiet\n\n"  # so that nobody in between takes the connection for dead


def _event(kind: str, data: object, event_id: int | None = None) -> str:
    known = "" if event_id is None else f"id: {event_id}\n"
    return f"{known}event: {kind}\ndata: {json.dumps(data)}\n\n"
