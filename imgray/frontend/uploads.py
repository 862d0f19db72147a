"""Reading an uploaded image: raw or as a form, never more than the limit, and checked before it is accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from fastapi import Request
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from imgray.codec import HEAD_BYTES, ImageInfo, ImageLimits, inspect, sniff
from imgray.errors import BodyTooLargeError, EmptyImageError, ImgrayError, RequestError, RequestTooLargeError
from imgray.frontend.limits import Receiving
from imgray.pipeline import Pipeline, reading_at_the_door
from imgray.settings import Settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

BODY_BYTES = "imgray.body_bytes"
"""Where in a request's scope stands how much of its body was read."""

IMAGE_PATHS = frozenset({"/v1/tasks", "/v1/process", "/submitTask"})
"""Where images are sent to; bodies for elsewhere are small."""

_QUICK_FORMATS = frozenset({"jpeg", "png"})  # whose headers take less time to read than a thread to do it:
_QUICK_BYTES = 2**20  # a tenth of a millisecond; one of this size that is made to be slow, a tenth of a second
_JSON_BYTES = 2**20
_MAX_FIELDS = 64
_FORM_OVERHEAD_BYTES = 64 * 1024  # boundaries, part headers and small fields around an image in a form


class RefusedError(HTTPException):
    """An error of ours, in the one form that FastAPI lets through while it reads a body."""

    def __init__(self, error: ImgrayError) -> None:
        super().__init__(error.status)
        self.error = error


class BodyLimit:
    """ASGI middleware that stops reading a body as soon as it is over the limit, or there is no room for it."""

    def __init__(self, app: App, max_body_bytes: int, receiving: Receiving) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._receiving = receiving

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Pass a request on, counting its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        scope[BODY_BYTES] = 0
        with self._receiving.upload() as count:

            async def counted() -> Message:
                if declared.isdigit():
                    self._check(scope["path"], int(declared))
                message = await receive()
                size_bytes = len(message.get("body", b""))
                scope[BODY_BYTES] += size_bytes
                self._check(scope["path"], scope[BODY_BYTES])
                count(size_bytes)
                return message

            await self._app(scope, counted, send)

    def _check(self, path: str, size_bytes: int) -> None:
        if path in IMAGE_PATHS:
            check_size(size_bytes, self._max_body_bytes)
        elif size_bytes > _JSON_BYTES:
            raise RefusedError(RequestTooLargeError(_JSON_BYTES))


def check_size(size_bytes: int, max_body_bytes: int) -> None:
    """See that the body of an upload, of which a form may be a little more than the image, is within the limit.

    Raises:
        BodyTooLargeError: it is not.
    """
    if size_bytes > max_body_bytes + _FORM_OVERHEAD_BYTES:
        raise BodyTooLargeError(max_body_bytes)


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
    limits, reading = ImageLimits.of(settings), reading_at_the_door(pipelines)
    if len(data) <= _QUICK_BYTES and sniff(data[:HEAD_BYTES]) in _QUICK_FORMATS:
        return inspect(data, limits, reading)
    return await asyncio.to_thread(inspect, data, limits, reading)  # a hostile one can take its time
