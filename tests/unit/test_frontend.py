"""The HTTP interface over the whole service in one process: every route, every documented answer, every bad input."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from frontends import LIMIT, SLOW, calling, finished, http
from pictures import corrupt, encoded, picture
from PIL import Image

from imgray.errors import ImgrayError
from imgray.frontend.ancestors import NOT_READY, READY
from imgray.local import LocalCluster
from imgray.settings import Settings
from imgray.version import __version__


async def test_the_ancestors_journey(tmp_path: Path) -> None:
    """DESIGN: upload, poll, download, exactly as the first application did."""
    image = picture("RGBA")
    async with http(tmp_path) as client:
        assert 'name="uploadfile"' in (await client.get("/")).text
        answer = await client.post("/submitTask", files={"uploadfile": ("a.png", encoded(image))})
        assert answer.status_code == 200
        task_id = answer.text
        async with asyncio.timeout(30):
            while (ready := await client.get("/isReady", params={"id": task_id})).text != READY:
                assert ready.text == NOT_READY
                await asyncio.sleep(0.01)
        answer = await client.get("/getImage", params={"id": task_id})
    assert answer.headers["content-type"] == "image/png"
    result = Image.open(io.BytesIO(answer.content))
    expected = np.asarray(image)[..., [1, 0, 2]]
    assert np.array_equal(np.asarray(result.convert("RGBA"))[..., :3], expected)
    assert np.asarray(result.convert("RGBA"))[..., 3].min() == 255


async def test_the_ancestors_errors(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        for method, path in (("GET", "/submitTask"), ("POST", "/isReady"), ("DELETE", "/getImage")):
            answer = await client.request(method, path)
            assert (answer.status_code, "Use " in answer.text) == (400, True)
        for path in ("/isReady", "/getImage"):
            missing, unknown = await client.get(path), await client.get(path, params={"id": "nope"})
            assert (missing.status_code, "?id=" in missing.text) == (400, True)
            assert (unknown.status_code, unknown.text) == (404, "There is no task 'nope'.")
        wrong = await client.post("/submitTask", files={"file": ("a.png", png)})
        assert (wrong.status_code, "'uploadfile'" in wrong.text) == (400, True)
        no_form = await client.post("/submitTask", content=png)
        assert (no_form.status_code, "multipart/form-data" in no_form.text) == (400, True)
        text = await client.post("/submitTask", files={"uploadfile": ("a.png", b"hello")})
        assert (text.status_code, "looks like text" in text.text) == (415, True)


async def test_a_failed_task_of_the_ancestors_says_why(tmp_path: Path) -> None:
    async with http(tmp_path) as client:
        task_id = (await client.post("/submitTask", files={"uploadfile": ("a.png", corrupt())})).text
        await finished(client, f"/v1/tasks/{task_id}")
        ready, image = [await client.get(path, params={"id": task_id}) for path in ("/isReady", "/getImage")]
    assert (ready.status_code, ready.text.startswith("Your image failed: The image is")) == (200, True)
    assert (image.status_code, "The image is" in image.text) == (422, True)


async def test_a_raw_upload_is_accepted_processed_and_fetched(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        params = {"pipeline": "swap:rg/convert:webp", "label": "my café.png"}
        answer = await client.post("/v1/tasks", params=params, content=png)
        assert answer.status_code == 202
        task = await finished(client, answer.headers["location"])
        (output,) = task["outputs"]
        assert (task["state"], task["label"], output["format"]) == ("succeeded", "my café.png", "webp")
        fetched = await client.get(output["url"])
        assert (fetched.status_code, fetched.headers["content-type"]) == (200, "image/webp")
        assert len(fetched.content) == output["size_bytes"]
        assert "my%20caf%C3%A9.webp" in fetched.headers["content-disposition"]
        known = await client.get(output["url"], headers={"If-None-Match": fetched.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")
        head = await client.head(output["url"])
        assert (head.status_code, head.headers["content-length"]) == (200, str(output["size_bytes"]))


async def test_a_form_is_accepted_too(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        answer = await client.post("/v1/tasks", files={"image": ("a.png", png)}, data={"pipeline": "rotate:90"})
        task = await finished(client, answer.headers["location"])
    (output,) = task["outputs"]
    assert (task["label"], output["width"], output["height"]) == ("a.png", 24, 32)


async def test_bad_requests_have_a_code_of_their_own_and_the_next_one_works(tmp_path: Path, png: bytes) -> None:
    """Invariant 7."""
    jpeg = encoded(picture(size=(300, 300)), "JPEG")
    big = encoded(Image.new("1", (2000, 2000)))
    async with http(tmp_path, max_pixels=1_000_000) as client:
        for content, params, status, code in (
            (b"", {}, 400, "image_empty"),
            (b"hello, world", {}, 415, "not_an_image"),
            (png[:-20], {}, 422, "image_truncated"),
            (jpeg[: len(jpeg) // 2], {}, 422, "image_truncated"),
            (big, {}, 413, "too_many_pixels"),
            (b"x" * (LIMIT + 1), {}, 413, "body_too_large"),
            (b"x" * (LIMIT * 3), {}, 413, "body_too_large"),
            (png, {"pipeline": "swop:rg"}, 400, "unknown_operation"),
            (png, {"pipeline": "swap:rr"}, 400, "bad_argument"),
            (png, {"pipeline": "swap:rg/"}, 400, "bad_pipeline"),
        ):
            answer = await client.post("/v1/tasks", params=params, content=content)
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert set(answer.json()) == {"code", "message"}
            assert (await client.post("/v1/tasks", content=png)).status_code == 202


async def test_a_body_without_a_declared_length_is_cut_off_at_the_limit(tmp_path: Path) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 50_000
            yield b"x" * 50_000

    async with http(tmp_path) as client:
        answer = await asyncio.wait_for(client.post("/v1/tasks", content=endless()), 10)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert sent < 10 * LIMIT


async def test_unknown_things_and_wrong_methods(tmp_path: Path) -> None:
    async with http(tmp_path) as client:
        for method, path, status, code in (
            ("GET", "/v1/tasks/nope", 404, "task_not_found"),
            ("DELETE", "/v1/tasks/nope", 404, "task_not_found"),
            ("GET", "/v1/tasks/nope/outputs/image", 404, "task_not_found"),
            ("GET", "/nowhere", 404, "route_not_found"),
            ("PUT", "/v1/tasks", 405, "method_not_allowed"),
            ("GET", "/v1/tasks?limit=0", 400, "bad_request"),
            ("GET", "/v1/tasks?limit=1001", 400, "bad_request"),
            ("GET", "/v1/tasks?state=lost", 400, "bad_request"),
            ("GET", "/v1/tasks?cursor=x", 400, "bad_request"),
            ("GET", "/v1/tasks?cursor=99999999999999999999", 400, "bad_request"),
            ("GET", "/v1/tasks/nope?wait_s=-1", 400, "bad_request"),
        ):
            answer = await client.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (status, code), path
        assert (await client.get("/v1/tasks/nope")).json()["task_id"] == "nope"


async def test_a_failed_task_tells_its_story_and_can_be_redriven(tmp_path: Path) -> None:
    async with http(tmp_path) as client:
        location = (await client.post("/v1/tasks", content=corrupt())).headers["location"]
        assert (await finished(client, location))["state"] == "failed"
        (attempt,) = (await client.get(f"{location}/history")).json()["attempts"]
        assert (attempt["number"], attempt["ending"], attempt["error"]["code"][:6]) == (1, "fail", "image_")
        assert attempt["worker"].startswith("worker-1")
        redriven = await client.post(f"{location}/redrive")
        assert (redriven.status_code, redriven.json()["state"]) == (200, "queued")
        assert (await finished(client, location))["state"] == "failed"
        assert len((await client.get(f"{location}/history")).json()["attempts"]) == 2
        for answer in (await client.get("/v1/tasks/nope/history"), await client.post("/v1/tasks/nope/redrive")):
            assert (answer.status_code, answer.json()["code"]) == (404, "task_not_found")


async def test_an_output_that_is_not_there_yet_or_never_will_be(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        location = (await client.post("/v1/tasks", params={"pipeline": SLOW}, content=png)).headers["location"]
        early = await client.get(f"{location}/outputs/image")
        assert (early.status_code, early.json()["code"]) == (409, "task_not_ready")
        other = await client.get(f"{location}/outputs/other")
        assert (other.status_code, other.json()["code"]) == (404, "output_not_found")
        cancelled = await client.delete(location)
        assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
        late = await client.get(f"{location}/outputs/image")
        assert (late.status_code, late.json()["code"]) == (410, "task_cancelled")


async def test_an_output_can_be_waited_for(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        location = (await client.post("/v1/tasks", params={"pipeline": "swap:rg"}, content=png)).headers["location"]
        answer = await client.get(f"{location}/outputs/image", params={"wait_s": 50})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")

        location = (await client.post("/v1/tasks", params={"pipeline": SLOW}, content=png)).headers["location"]
        hasty = await client.get(f"{location}/outputs/image", params={"wait_s": 0.01})
        assert (hasty.status_code, hasty.json()["code"]) == (409, "task_not_ready")
        waiting = asyncio.ensure_future(client.get(f"{location}/outputs/image", params={"wait_s": 50}))
        await client.delete(location)
        late = await asyncio.wait_for(waiting, 10)
        assert (late.status_code, late.json()["code"]) == (410, "task_cancelled")


async def test_a_full_queue_says_when_to_come_again(tmp_path: Path, png: bytes) -> None:
    """Invariant 9."""
    async with http(tmp_path, max_live_tasks=1) as client:
        first = await client.post("/v1/tasks", params={"pipeline": SLOW}, content=png)
        second = await client.post("/v1/tasks", content=png)
        assert (second.status_code, second.json()["code"]) == (429, "queue_full")
        assert int(second.headers["retry-after"]) >= 1
        await client.delete(first.headers["location"])


async def test_lists_page_and_filter(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        locations = [(await client.post("/v1/tasks", content=png)).headers["location"] for _ in range(7)]
        for location in locations:
            await finished(client, location)
        seen: list[str] = []
        cursor = ""
        while cursor is not None:
            page = (await client.get("/v1/tasks", params={"limit": 3, "cursor": cursor})).json()
            seen += [f"/v1/tasks/{task['id']}" for task in page["tasks"]]
            cursor = page["next_cursor"]
        assert seen == locations[::-1]
        assert len((await client.get("/v1/tasks?state=&cursor=")).json()["tasks"]) == 7
        assert len((await client.get("/v1/tasks?state=succeeded")).json()["tasks"]) == 7
        assert (await client.get("/v1/tasks?state=failed&state=queued")).json() == {"tasks": [], "next_cursor": None}


async def test_waiting_ends_as_soon_as_the_task_has(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        location = (await client.post("/v1/tasks", params={"pipeline": SLOW}, content=png)).headers["location"]
        waiting = asyncio.ensure_future(client.get(location, params={"wait_s": 50}))
        await client.delete(location)
        assert (await asyncio.wait_for(waiting, 10)).json()["state"] == "cancelled"


async def test_the_service_describes_itself(tmp_path: Path) -> None:
    async with http(tmp_path) as client:
        assert (await client.get("/healthz")).text == "ok"
        async with asyncio.timeout(30):
            while (await client.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.01)
        status = (await client.get("/v1/status")).json()
        assert (status["version"], status["submitted"], status["workers"]) == (__version__, 0, 1)
        (worker,) = (await client.get("/v1/workers")).json()
        assert worker["name"] == "worker-1"
        operations = {operation["name"]: operation for operation in (await client.get("/v1/operations")).json()}
        assert operations["resize"]["arguments"]["properties"]["mode"]["enum"] == ["fit", "fill", "exact", "outside"]
        paths = (await client.get("/openapi.json")).json()["paths"]
        assert {"/v1/tasks", "/v1/tasks/{task_id}", "/v1/tasks/{task_id}/outputs/{name}"} <= set(paths)


async def test_without_a_worker_the_service_is_alive_but_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalCluster, "add_worker", lambda *_: None)
    async with http(tmp_path) as client:
        assert (await client.get("/healthz")).status_code == 200
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "no_worker")


async def test_pages_load_nothing_from_other_hosts(tmp_path: Path) -> None:
    async with http(tmp_path) as client:
        for path in ("/", "/docs"):
            answer = await client.get(path)
            assert answer.status_code == 200
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert not any(
                f'{attribute}="{scheme}' in answer.text for attribute in ("src", "href") for scheme in ("http", "//")
            )


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "[::1"}],
)
async def test_a_foreign_name_or_page_is_refused(tmp_path: Path, png: bytes, headers: dict[str, str]) -> None:
    async with http(tmp_path) as client:
        answer = await client.post("/v1/tasks", content=png, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "host_not_allowed")


async def test_who_comes_from_another_machine_is_not_believed_to_be_here(tmp_path: Path) -> None:
    """`serve run` may listen anywhere, and any header can be written."""
    settings = Settings.having(data=tmp_path, hosts=["images.example"])
    async with LocalCluster(settings) as cluster, calling(cluster, "192.0.2.7") as client:
        for host, status in (("127.0.0.1", 403), ("localhost", 403), ("images.example", 200)):
            answer = await client.get("/v1/status", headers={"Host": host})
            assert answer.status_code == status, host
    async with LocalCluster(settings) as cluster, calling(cluster, "::ffff:127.0.0.1") as client:
        assert (await client.get("/v1/status")).status_code == 200


async def test_bodies_that_are_no_images_are_small(tmp_path: Path) -> None:
    """They are read and parsed before anything else is known of them."""
    async with http(tmp_path, max_body_bytes=4 * 2**20) as client:
        for path in ("/start", "/v1/jobs", "/v1/dead-letters/purge"):
            answer = await client.post(path, content=b"[" * (2**20 + 1), headers={"Content-Type": "application/json"})
            assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")


async def test_what_is_received_at_a_time_is_bounded(tmp_path: Path, png: bytes) -> None:
    """Invariant 9."""
    begun, end = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"x" * LIMIT
        begun.set()
        await end.wait()

    async with http(tmp_path, max_received_bytes=1) as client:  # so that there is room for two of the largest
        uploads = []
        for _ in range(2):
            uploads.append(asyncio.ensure_future(client.post("/v1/tasks", content=slow())))
            await begun.wait()
            begun.clear()
        refused = await client.post("/v1/tasks", content=png)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_much_at_once")
        assert refused.headers["retry-after"]
        end.set()
        await asyncio.gather(*uploads)
        assert (await client.post("/v1/tasks", content=png)).status_code == 202


@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape"])
async def test_half_a_character_is_refused_wherever_it_comes_from(tmp_path: Path, png: bytes, charset: str) -> None:
    """It would break every list that shows it."""
    half = {"utf-7": b"+2AA-", "unicode_escape": b"\\ud800"}[charset]
    fields = {b"node_label": b"a=" + half, b"wait_for_worker": b"true", b"expires_at": b"2099-01-01T00:00:00Z"}
    parts = [b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % pair for pair in fields.items()]
    parts.append(b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n%b\r\n--x--\r\n' % png)
    async with http(tmp_path) as client:
        kind = {"Content-Type": f"multipart/form-data; boundary=x; charset={charset}"}
        answer = await client.post("/v1/tasks", content=b"".join(parts), headers=kind)
        assert answer.status_code == 400, answer.text
        half_named = b'{"worker_id": "w", "command": "\\ud800"}'
        job = await client.post("/start", content=half_named, headers={"Content-Type": "application/json"})
        assert job.status_code == 403
        assert (await client.get("/v1/tasks")).json()["tasks"] == []


async def test_the_names_that_the_operator_gave_are_answered(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path, hosts=["images.example"]) as client:
        headers = {"Host": "images.example:443", "Origin": "https://images.example"}
        assert (await client.post("/v1/tasks", content=png, headers=headers)).status_code == 202


async def test_what_is_not_text_is_a_bad_request(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        for pipeline in ('[{"op": "\\ud800"}]', 'swap:rg,keep,"\\ud800"'):
            answer = await client.post("/v1/tasks", params={"pipeline": pipeline}, content=png)
            assert answer.status_code == 400, answer.text
        form = {"Content-Type": "Multipart/Form-Data; boundary=x; charset=undefined"}
        body = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + png + b"\r\n--x--\r\n"
        assert (await client.post("/v1/tasks", content=body, headers=form)).status_code == 400


async def test_a_defect_answers_like_every_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    async with http(tmp_path) as client:
        monkeypatch.setattr("imgray.gateway.Gateway.get", broken)
        answer = await client.get("/v1/tasks/x")
    assert (answer.status_code, answer.json()["code"]) == (500, ImgrayError.code)


async def test_the_ancestors_routes_too_say_when_to_try_again(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path, max_live_tasks=1) as client:
        slow = await client.post("/v1/tasks", params={"pipeline": SLOW}, content=png)
        full = await client.post("/submitTask", files={"uploadfile": ("a.png", png)})
        assert (full.status_code, full.headers.get("retry-after")) == (429, "1")
        await client.delete(slow.headers["location"])
