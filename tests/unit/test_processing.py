"""Processing over HTTP in one call."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import httpx
import numpy as np
import pytest
from clusters import until
from frontends import LIMIT, SLOW, http
from pictures import encoded, picture
from PIL import Image


async def nothing_is_kept(client: httpx.AsyncClient) -> None:
    async def gone() -> bool:
        tasks: list[object] = (await client.get("/v1/tasks")).json()["tasks"]
        return not tasks

    await until(gone)


async def test_the_result_is_the_answer_and_nothing_is_kept(tmp_path: Path) -> None:
    image = picture()
    async with http(tmp_path) as client:
        answer = await client.post("/v1/process?pipeline=swap:rg&label=a/b.jpg", content=encoded(image))
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''b.png"
        result = np.asarray(Image.open(io.BytesIO(answer.content)))
        assert np.array_equal(result, np.asarray(image)[..., [1, 0, 2]])
        form = await client.post(
            "/v1/process", data={"output": "facts=info"}, files={"image": ("x.png", encoded(image))}
        )
        assert (form.status_code, form.json()["width"]) == (200, image.width)
        await nothing_is_kept(client)
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file() and "stores" not in path.parts] == []


@pytest.mark.parametrize(
    ("query", "content", "status", "code"),
    [
        ("pipeline=swop:rg", None, 400, "unknown_operation"),
        ("pipeline=swap:rg", b"hello", 415, "not_an_image"),
        ("pipeline=swap:rg", b"x" * (LIMIT + 1), 413, "body_too_large"),
        ("pipeline=text:hi,font=nowhere", None, 400, "font_not_found"),
        ("output=a=info&output=b=info", None, 400, "bad_request"),
        ("deduplicate=true", None, 400, "bad_request"),
    ],
)
async def test_what_cannot_be_is_answered_by_its_error(
    tmp_path: Path, png: bytes, *, query: str, content: bytes | None, status: int, code: str
) -> None:
    async with http(tmp_path) as client:
        answer = await client.post(f"/v1/process?{query}", content=png if content is None else content)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        await nothing_is_kept(client)


async def test_what_takes_longer_becomes_a_task_like_any_other(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        answer = await client.post("/v1/process", params={"pipeline": SLOW, "wait_s": 0.1}, content=png)
        assert (answer.status_code, answer.json()["state"] in {"queued", "leased"}) == (202, True)
        assert (await client.delete(answer.headers["location"])).json()["state"] == "cancelled"


async def test_when_the_caller_hangs_up_the_task_is_cancelled(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        call = asyncio.ensure_future(client.post("/v1/process", params={"pipeline": SLOW}, content=png))

        async def runs() -> bool:
            return any(worker["running"] for worker in (await client.get("/v1/workers")).json())

        await until(runs)
        call.cancel()

        async def ended() -> bool:
            return "imgray_calls_total 1.0" in (await client.get("/metrics")).text and not await runs()

        await until(ended)
        await nothing_is_kept(client)
