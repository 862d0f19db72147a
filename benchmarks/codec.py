"""The image core against Pillow's defaults: writing and reading PNG, scaling, reducing JPEG, and the memory of a task.

Every comparison is between two things done in turn in this process, on the same pixels; each is done several times and
the fastest counts, since whatever else the machine does can only make it slower.
"""

from __future__ import annotations

import io
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
import numpy as np
from graphics import GRAPHICS
from PIL import Image

from imgray.attempt import Allowance, run_attempt
from imgray.catalogue import BUILT_IN
from imgray.codec import decode
from imgray.codec.png import encode_png
from imgray.heap import keep_memory
from imgray.operations import Context
from imgray.operations.resampling import REDUCING_GAP, resample
from imgray.samples import draw_samples
from imgray.settings import Settings
from imgray.task import BlobSource, OutputSpec, TaskSpec

T = TypeVar("T")

CHAINS = (
    "swap:rg",
    "rotate:90/swap:rg/invert",
    "blur:4/saturation:1.5/sharpen",
    "resize:1000/brightness:1.2/convert:jpeg",
    "grayscale/normalize/convert:webp",
)
THUMBNAIL = "resize:256/convert:png"
ALLOWANCE = Allowance.of(Settings())
PILLOW_BYTES = 4
"""What Pillow takes for a pixel of RGB or RGBA."""

SHARES = {"a third": 1 / 3, "half": 1 / 2, "four fifths": 4 / 5, "twice": 2.0}

SIDE = 4000
"""Of the picture whose memory is measured."""


def fastest_s(rounds: int, work: Callable[[T], object], material: T) -> float:
    """Return how long a piece of work takes when nothing is in the way."""
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work(material)
        times.append(time.perf_counter() - begun)
    return min(times)


def pillow_png(image: Image.Image) -> bytes:
    """Write an image as Pillow does when it is not told how."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def png(images: dict[str, Image.Image], rounds: int) -> None:
    """Compare PNG."""
    print(f"{'PNG':24} {'Pillow':>9} {'imgray':>9}  {'time':>5}  {'size':>5}")
    times, sizes = [], []
    for name, image in images.items():
        ours, theirs = encode_png(image), pillow_png(image)
        if not np.array_equal(np.asarray(Image.open(io.BytesIO(ours))), np.asarray(image)):
            raise SystemExit(f"{name}: the pixels are not the same")
        theirs_s, ours_s = (fastest_s(rounds, write, image) for write in (pillow_png, encode_png))
        times.append(ours_s / theirs_s)
        sizes.append(len(ours) / len(theirs))
        print(f"{name:24} {theirs_s * 1e3:6.1f} ms {ours_s * 1e3:6.1f} ms  {times[-1]:5.2f}  {sizes[-1]:5.3f}")
    print(f"{'median':24} {'':22}{statistics.median(times):5.2f}  {statistics.median(sizes):5.3f}\n")


def pillow_read(data: bytes) -> Image.Image:
    """Read an image as Pillow does."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image


def reading(images: dict[str, Image.Image], rounds: int) -> None:
    """Compare reading what Pillow has written."""
    print(f"{'reading PNG':24} {'Pillow':>9} {'imgray':>9}  {'time':>5}")
    times = []
    for name, image in images.items():
        data = pillow_png(image)
        theirs_s = fastest_s(rounds, pillow_read, data)
        ours_s = fastest_s(rounds, lambda file: decode(file, ALLOWANCE.limits), data)
        times.append(ours_s / theirs_s)
        print(f"{name:24} {theirs_s * 1e3:6.1f} ms {ours_s * 1e3:6.1f} ms  {times[-1]:5.2f}")
    print(f"{'median':24} {'':22}{statistics.median(times):5.2f}\n")


def scaling(images: dict[str, Image.Image], rounds: int) -> None:
    """Compare resampling, to several sizes."""
    print(f"{'scaling, of each side':24} {'Pillow':>9} {'imgray':>9}  {'time':>5}")
    for name, share in SHARES.items():
        times = []
        for image in images.values():
            size, box = (round(image.width * share), round(image.height * share)), (0.0, 0.0, *map(float, image.size))
            theirs_s, ours_s = (
                fastest_s(rounds, work, image)
                for work in (
                    lambda one, size=size: one.resize(size, Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP),
                    lambda one, size=size, box=box: resample(one, size, Image.Resampling.LANCZOS, box),
                )
            )
            times.append((theirs_s, ours_s))
        theirs_s, ours_s = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{name:24} {theirs_s * 1e3:6.1f} ms {ours_s * 1e3:6.1f} ms  {ours_s / theirs_s:5.2f}")
    print()


def process(data: bytes, pipeline: str) -> bytes:
    """Do what a worker's runner does with one image."""
    spec = TaskSpec("x", BlobSource("x"), (OutputSpec("image", pipeline),))
    (product,) = run_attempt(spec, 1, data, ALLOWANCE, lambda: None)
    return product.data or b""


def reduced(data: bytes) -> bytes:
    """Make a thumbnail as imgray does: the JPEG is decoded at a fraction of its size."""
    return process(data, THUMBNAIL)


def whole(data: bytes) -> bytes:
    """Make a thumbnail of all the pixels."""
    return BUILT_IN.parse(THUMBNAIL).run(decode(data, ALLOWANCE.limits), Context()).data


def thumbnails(jpegs: dict[str, bytes], rounds: int) -> None:
    """Compare reducing a JPEG while it is decoded with decoding all of it."""
    print(f"{'JPEG to 256 pixels':24} {'all of it':>9} {'imgray':>9}  {'time':>5}  difference of levels")
    for name, data in jpegs.items():
        whole_s, reduced_s = (fastest_s(rounds, make, data) for make in (whole, reduced))
        one, other = (np.asarray(Image.open(io.BytesIO(make(data)))).astype(int) for make in (whole, reduced))
        print(
            f"{name:24} {whole_s * 1e3:6.1f} ms {reduced_s * 1e3:6.1f} ms  {reduced_s / whole_s:5.2f}"
            f"  {np.abs(one - other).mean():.2f} in the mean"
        )
    print()


def memory() -> None:
    """Measure the memory that a task takes above what an idle runner has, each chain in a process of its own."""
    print(f"memory of a task on {SIDE} by {SIDE} pixels, as a multiple of them decoded")
    for chain, fmt in [*((chain, "JPEG") for chain in CHAINS), (CHAINS[0], "PNG")]:
        command = [sys.executable, __file__, "--peak-of", chain, fmt]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  # this file
        print(f"{chain:40} of {fmt:4} {done.stdout.strip()}")


def peak_of(chain: str, fmt: str) -> float:
    """Return how much the peak of this process's memory grows by a chain, in multiples of the decoded picture."""
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (SIDE // 8, SIDE // 8, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    noise.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(buffer, format=fmt, quality=90)
    small = noise.resize((64, 64))
    process(encode_png(small), chain)  # so that everything is imported
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far: proc(5)
    before = _status_kb("VmRSS")
    process(buffer.getvalue(), chain)
    return (_status_kb("VmHWM") - before) * 1024 / (SIDE * SIDE * PILLOW_BYTES)


def _status_kb(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field)))


@click.command()
@click.option("--photos", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of photographs.")
@click.option("--rounds", default=5, help="How often each thing is done.")
@click.option("--peak-of", "peak", nargs=2, hidden=True)
def main(photos: Path | None, rounds: int, peak: tuple[str, str] | None) -> None:
    """Compare the image core with Pillow's defaults."""
    if os.environ.get("OMP_NUM_THREADS") != "1":  # as runners have it; NumPy looks when it is imported
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "OMP_NUM_THREADS": "1"})  # noqa: S606
    if peak is not None:
        print(f"{peak_of(*peak):.2f}")
        return
    keep_memory()  # as runners do: else a part of the time is the kernel's, for new pages
    folder = photos or Path("pictures")
    files = sorted(folder.rglob("*.*")) if photos else draw_samples(folder)
    images = {path.name: Image.open(path).convert("RGB") for path in files if path.suffix == ".png"}
    png(images, rounds)
    png({name: draw() for name, draw in GRAPHICS.items()}, rounds)
    reading(images, rounds)
    scaling(images, rounds)
    thumbnails({path.name: path.read_bytes() for path in files if path.suffix == ".jpg"}, rounds)
    memory()


if __name__ == "__main__":
    main()
