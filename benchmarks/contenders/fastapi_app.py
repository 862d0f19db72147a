"""A service as one would write it in an hour: FastAPI, Pillow, threads. It keeps nothing."""

from __future__ import annotations

import io

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from PIL import Image

WIDTH = 256
QUALITY = 85

app = FastAPI()


@app.post("/resize")
async def resize(request: Request) -> Response:
    """Answer a JPEG of 256 pixels' width."""
    return Response(await run_in_threadpool(_resized, await request.body()), media_type="image/jpeg")


def _resized(data: bytes) -> bytes:
    image = Image.open(io.BytesIO(data))
    image.thumbnail((WIDTH, image.height))  # which has the JPEG decoded at a fraction of its size
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="JPEG", quality=QUALITY)
    return buffer.getvalue()
