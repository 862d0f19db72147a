"""What can be asked of an upload over HTTP: several outputs, presets, facts, a format by ``Accept``."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from frontends import finished, http
from pictures import encoded, picture
from PIL import Image

from imgray.frontend.accept import accepted_formats


async def test_several_named_outputs_are_made_of_one_upload(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        asked = {"output": ["small=resize:8", "grey=grayscale/convert:jpeg,quality=70"], "pipeline": "swap:rg"}
        answer = await client.post("/v1/tasks", params=asked, content=png)
        task = await finished(client, answer.headers["location"])
        assert [(one["name"], one["format"], one["width"]) for one in task["outputs"]] == [
            ("image", "png", 32),
            ("small", "png", 8),
            ("grey", "jpeg", 32),
        ]
        grey = await client.get(task["outputs"][2]["url"])
        assert Image.open(io.BytesIO(grey.content)).mode == "L"


async def test_a_form_names_outputs_too(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        answer = await client.post(
            "/v1/tasks",
            files={"image": ("a.png", png)},
            data={"output": ["small=resize:8", "tiny=resize:4"]},
        )
        task = await finished(client, answer.headers["location"])
        assert {one["name"]: one["width"] for one in task["outputs"]} == {"small": 8, "tiny": 4}


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        (["small"], "give each name once"),
        (["a=resize:8", "a=resize:9"], "give each name once"),
        (["a b=resize:8"], "cannot be an output's name"),
        (["a=rezise:8"], "Did you mean 'resize'"),
        ([f"a{number}=resize:8" for number in range(33)], "at most 32"),
    ],
)
async def test_outputs_that_cannot_be_understood_are_refused(
    tmp_path: Path, png: bytes, outputs: list[str], words: str
) -> None:
    async with http(tmp_path) as client:
        answer = await client.post("/v1/tasks", params={"output": outputs}, content=png)
        assert answer.status_code == 400
        assert words in answer.json()["message"]


async def test_facts_are_an_output_like_any_other(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        answer = await client.post("/v1/tasks", params={"pipeline": "info"}, content=png)
        (output,) = (await finished(client, answer.headers["location"]))["outputs"]
        fetched = await client.get(output["url"])
        assert fetched.headers["content-type"] == "application/json"
        assert (fetched.json()["width"], output["width"]) == (32, 32)


async def test_auto_answers_what_the_client_shows(tmp_path: Path) -> None:
    async with http(tmp_path) as client:
        for mode, accept, expected in (
            ("RGB", "image/avif,image/webp,*/*;q=0.8", "avif"),
            ("RGB", "image/webp,image/*", "webp"),
            ("RGB", "*/*", "jpeg"),
            ("RGBA", "image/avif;q=0, text/html", "png"),
        ):
            answer = await client.post(
                "/v1/tasks",
                params={"pipeline": "convert:auto"},
                content=encoded(picture(mode)),
                headers={"Accept": accept},
            )
            (output,) = (await finished(client, answer.headers["location"]))["outputs"]
            assert output["format"] == expected


@pytest.mark.parametrize(
    ("header", "formats"),
    [
        ("", ()),
        ("*/*", ()),
        ("image/webp", ("webp",)),
        ("image/webp, image/avif", ("avif", "webp")),
        ("IMAGE/AVIF; q=0.5", ("avif",)),
        ("image/avif;q=0.000, image/webp;q = 0.1", ("webp",)),
        (";;,,image/", ()),
    ],
)
def test_the_accept_header_is_read(header: str, formats: tuple[str, ...]) -> None:
    assert accepted_formats(header) == formats


async def test_presets_are_listed_and_understood(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path, presets={"thumb": "resize:8/convert:webp"}) as client:
        assert (await client.get("/v1/presets")).json() == {"thumb": "resize:8/convert:webp"}
        answer = await client.post("/v1/tasks", params={"pipeline": "grayscale/preset:thumb"}, content=png)
        (output,) = (await finished(client, answer.headers["location"]))["outputs"]
        assert (output["pipeline"], output["width"]) == ("grayscale/resize:8/convert:webp", 8)


async def test_a_truncated_image_is_taken_by_those_who_ask_for_it(tmp_path: Path) -> None:
    half = encoded(picture(size=(200, 100)), "JPEG")
    half = half[: len(half) // 2]
    async with http(tmp_path) as client:
        refused = await client.post("/v1/tasks", content=half)
        assert (refused.status_code, refused.json()["code"]) == (422, "image_truncated")
        taken = await client.post("/v1/tasks", params={"pipeline": "decode:partial=true"}, content=half)
        (output,) = (await finished(client, taken.headers["location"]))["outputs"]
        assert (output["width"], output["height"]) == (200, 100)


async def test_an_operators_own_operation_and_program_work_behind_http(tmp_path: Path, png: bytes) -> None:
    (tmp_path / "ops.py").write_text(
        "from PIL import Image, ImageOps\nfrom imgray import operation\n"
        "@operation()\ndef negative(image: Image.Image) -> Image.Image:\n"
        '    """Invert."""\n    return ImageOps.invert(image)\n'
    )
    commands = {"copy": {"run": ["cat"], "summary": "Copy."}}
    async with http(tmp_path, operations=[str(tmp_path / "ops.py")], commands=commands) as client:
        listed = {one["name"]: one for one in (await client.get("/v1/operations")).json()}
        assert (listed["negative"]["summary"], listed["copy"]["group"]) == ("Invert.", "custom")
        answer = await client.post("/v1/tasks", params={"pipeline": "negative/copy/negative"}, content=png)
        (output,) = (await finished(client, answer.headers["location"]))["outputs"]
        made = Image.open(io.BytesIO((await client.get(output["url"])).content))
        assert made.tobytes() == Image.open(io.BytesIO(png)).tobytes()
