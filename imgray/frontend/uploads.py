"""Reading an uploaded image: raw or as a form, never more than the limit, and checked before it is accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from fastapi import Request
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from imgray.codec import ImageInfo, ImageLimits, inspect
from imgray.errors import BodyTooLargeError, EmptyImageError, RequestError
from imgray.pipeline import Pipeline, reading_at_the_door
from imgray.settings import Settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

BODY_BYTES = "imgray.body_bytes"
"""Where in a request's scope stands how much of its body was read."""

_MAX_FIELDS = 64
_FORM_OVERHEAD_BYTES = 64 * 1024  # boundaries, part headers and small fields around an image in a form


class BodyLimit:
    """ASGI middleware that stops reading a body as soon as it is over the limit."""

    def __init__(self, app: App, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Pass a request on, counting its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._max_body_bytes + _FORM_OVERHEAD_BYTES
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        scope[BODY_BYTES] = 0

        async def counted() -> Message:
            if declared.isdigit() and int(declared) > limit:
                raise BodyTooLargeError(self._max_body_bytes)
            message = await receive()
            scope[BODY_BYTES] += len(message.get("body", b""))
            if scope[BODY_BYTES] > limit:
                raise BodyTooLargeError(self._max_body_bytes)
            return message

        await self._app(scope, counted, send)


async def read_form(request: Request, field: str) -> tuple[bytes, str, dict[str, list[str]]]:
    """Return the image in a form's field, its file name, and the texts in the other fields.

    Raises:
        RequestError: the form cannot be read, or has no such field.
    """
    try:
        async with request.form(max_files=1, max_fields=_MAX_FIELDS) as form:
            image = form.get(field)
            others: dict[str, list[str]] = {}
            for key, value in form.multi_items():
                if isinstance(value, str):
                    others.setdefault(key, []).append(value)
            if isinstance(image, UploadFile):
                return await image.read(), image.filename or "", others
    except (HTTPException, FormParserError, UnicodeError, LookupError) as error:
        detail = error.detail if isinstance(error, HTTPException) else str(error)
        raise RequestError(f"The form cannot be read: {detail}.") from error
    raise RequestError(f"The form has no file in a field named '{field}'. Send it as multipart/form-data.")


async def read_raw(request: Request) -> bytes:
    """Return the request's body."""
    return await request.body()


async def check_image(data: bytes, settings: Settings, pipelines: Sequence[Pipeline]) -> ImageInfo:
    """Read an image's header; refuse what is plainly no image that these pipelines could use, from that alone.

    Raises:
        ImageError, BodyTooLargeError: the caller can mend it.
    """
    if not data:
        raise EmptyImageError
    if len(data) > settings.max_body_bytes:
        raise BodyTooLargeError(settings.max_body_bytes)
    reading = reading_at_the_door(pipelines)
    return await asyncio.to_thread(inspect, data, ImageLimits.of(settings), reading)  # a hostile one can take its time
