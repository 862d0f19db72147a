"""The operation ``keep``: the input as it came."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from animations import Part, apng, gif
from clusters import SWAP, WAIT_S, cluster
from frontends import finished, http
from pictures import corrupt, encoded, picture
from PIL import Image
from real_files import stored

from imgray.attempt import Allowance, Product, run_attempt
from imgray.catalogue import BUILT_IN
from imgray.codec import FORMATS
from imgray.errors import ImageError, NotAnImageError, PipelineError, TooManyPixelsError
from imgray.gateway import Submission
from imgray.operations import Context
from imgray.picture import Picture, Source
from imgray.settings import Settings
from imgray.task import BlobSource, OutputSpec, TaskSpec

KEEP = BUILT_IN.parse("keep")
PARTS = [Part(np.full((24, 32, 4), (level, 0, 0, 255), np.uint8)) for level in (10, 200, 90)]
MIRRORED, EXIF = stored(6, (32, 24))

FILES: dict[str, bytes] = {
    "png": encoded(picture("RGBA")) + b"what stands behind the end",
    "jpeg": encoded(picture(), "JPEG", exif=EXIF, comment=b"kept"),
    "webp": encoded(picture(), "WEBP", exif=EXIF),
    "avif": encoded(picture(), "AVIF"),
    "gif": gif((32, 24), PARTS, repeats=3),
    "apng": apng((32, 24), PARTS),
    "tiff": encoded(picture("I;16"), "TIFF"),
    "bmp": encoded(picture(), "BMP"),
    "ico": encoded(picture("RGBA"), "ICO", sizes=[(16, 16)]),
    "jp2": encoded(picture(), "JPEG2000"),
}


def made(data: bytes, outputs: dict[str, str], **changes: Any) -> list[Product]:
    spec = TaskSpec("a", BlobSource("inputs/a"), tuple(OutputSpec(name, text) for name, text in outputs.items()))
    return run_attempt(spec, 1, data, Allowance.of(Settings.having(**changes)), lambda: None)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_any_format_comes_out_byte_for_byte(name: str) -> None:
    data = FILES[name]
    fmt = "png" if name == "apng" else name
    (product,) = made(data, {"image": "keep"})
    output = product.output
    with Image.open(io.BytesIO(data)) as image:
        assert (output.width, output.height) == image.size
    assert product.data == data
    assert (output.format, output.content_type) == (fmt, FORMATS[fmt].content_type)
    assert (output.size_bytes, output.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_the_original_goes_beside_what_is_made_of_it_in_any_order(png: bytes) -> None:
    wanted = {"grey": "grayscale", "original": "keep", "small": "resize:8", "again": "keep", "facts": "info"}
    products = {one.output.name: one for one in made(png, wanted)}
    alone = {name: made(png, {name: text})[0] for name, text in wanted.items()}
    assert list(products) == list(wanted)
    assert products["original"].data == products["again"].data == png
    assert {name: one.data for name, one in products.items()} == {name: one.data for name, one in alone.items()}


@pytest.mark.parametrize(
    "text", ["resize:8/keep", "keep/resize:8", "keep/keep", "keep/convert:png", "decode:colour=keep/keep", "keep/info"]
)
def test_it_stands_alone(text: str) -> None:
    with pytest.raises(PipelineError, match="keep"):
        BUILT_IN.parse(text)


def test_it_is_written_as_it_is_read() -> None:
    assert str(KEEP) == "keep"
    assert BUILT_IN.parse(str(KEEP)) == KEEP
    assert KEEP.keeps
    assert not SWAP.keeps


@pytest.mark.parametrize("broken", [b"", b"hello, world", b"\x89PNG\r\n\x1a\n", FILES["png"][:30], FILES["gif"][:8]])
def test_what_has_no_whole_header_is_refused(broken: bytes) -> None:
    with pytest.raises(ImageError):
        made(broken, {"image": "keep"})


def test_what_is_no_image_is_said_to_be_none_though_others_are_made_of_it() -> None:
    with pytest.raises(NotAnImageError):
        made(b"hello, world", {"original": "keep", "small": "resize:8"})


def test_limits_hold_for_what_is_kept_too() -> None:
    with pytest.raises(TooManyPixelsError):
        made(encoded(Image.new("1", (2000, 2000))), {"image": "keep"}, max_pixels=1_000_000)


def test_no_pixel_is_read() -> None:
    data = corrupt()
    (product,) = made(data, {"image": "keep"})
    assert product.data == data
    with pytest.raises(ImageError):
        made(data, {"original": "keep", "small": "resize:8"})


@pytest.mark.parametrize(("source", "expected"), [("jpeg", "jpeg"), ("ico", "png"), ("heic", "png")])
def test_of_a_picture_without_a_file_it_makes_one(source: str, expected: str) -> None:
    image = picture()
    made_here = KEEP.run(Picture((image,), Source(source, image.size, image.mode)), Context())
    assert (made_here.format, made_here.width, made_here.height) == (expected, 32, 24)
    assert Image.open(io.BytesIO(made_here.data)).size == (32, 24)


@pytest.mark.parametrize("inline_bytes", [0, 100_000])
async def test_the_whole_service_hands_it_over(tmp_path: Path, inline_bytes: int) -> None:
    (tmp_path / "in.gif").write_bytes(FILES["gif"])
    async with cluster(tmp_path / "data", inline_bytes=inline_bytes, file_roots=[tmp_path]) as service:
        by_value = Submission({"original": KEEP, "swapped": SWAP}, data=FILES["jpeg"])
        to_file = Submission(
            {"image": KEEP}, path=str(tmp_path / "in.gif"), destinations={"image": str(tmp_path / "out.gif")}
        )
        tasks = [
            await service.gateway.wait(task.id, WAIT_S) for task in await service.gateway.submit([by_value, to_file])
        ]
        original, swapped = tasks[0].outputs
        assert await service.gateway.fetch(tasks[0].id, original) == FILES["jpeg"]
        assert await service.gateway.fetch(tasks[0].id, swapped) != FILES["jpeg"]
    assert (tmp_path / "out.gif").read_bytes() == FILES["gif"]


async def test_over_http_it_is_an_output_like_any_other(tmp_path: Path) -> None:
    async with http(tmp_path) as client:
        asked = {"output": ["original=keep", "small=resize:8"], "label": "café.webp"}
        answer = await client.post("/v1/tasks", params=asked, content=FILES["webp"])
        original, small = (await finished(client, answer.headers["location"]))["outputs"]
        fetched = await client.get(original["url"])
        assert (fetched.content, fetched.headers["content-type"]) == (FILES["webp"], "image/webp")
        assert (original["pipeline"], original["size_bytes"], small["width"]) == ("keep", len(FILES["webp"]), 8)
        refused = await client.post("/v1/tasks", params={"pipeline": "resize:8/keep"}, content=FILES["webp"])
        assert (refused.status_code, refused.json()["code"]) == (400, "bad_pipeline")
