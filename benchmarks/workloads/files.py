"""Many images from file to file, in steady state: photographs, small images, and photographs over HTTP."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from contenders.base import Contender, FileJob, FileWork, note
from PIL import Image
from workloads.base import Metric, Turn, scaled
from workloads.pictures import Pixels, first_wrong, pngs, reduced, small_jpeg, swapped, wrong_jpeg, wrong_png

BULK_IMAGES = 240
BULK_WARM_UP = 16

SMALL_IMAGES = 10_000
SMALL_WARM_UP = 1_024
SMALL_KINDS = 200  # different ones; the rest are copies
SMALL_SIZE = (256, 192)
SMALL_BYTES = 8_000
THUMBNAIL = 64

RATE = Metric("rate", "images/s")


@dataclass(frozen=True, slots=True)
class Files:
    """Images from file to file.

    ``make`` makes the different inputs, ``images`` copies of them are processed; ``wanted`` makes the pixels that a
    result should have, ``wrong`` compares.
    """

    name: str
    title: str
    about: str
    pipeline: str
    images: int
    warm_up: int
    suffix: str
    contenders: tuple[str, ...]
    make: Callable[[Sequence[Path]], list[bytes]]
    wanted: Callable[[bytes], Pixels]
    wrong: Callable[[bytes, Pixels], str | None]
    reference: str = "pool"
    metrics: tuple[Metric, ...] = (RATE,)

    def prepare(self, photos: Sequence[Path], inputs: Path, scale: float) -> None:
        """Write as many inputs as there are images, in the order in which they are to be processed."""
        kinds = self.make(photos)
        for number in range(scaled(self.images, scale, 2)):
            (inputs / f"{number:05}-{number % len(kinds):03}{self.suffix}").write_bytes(kinds[number % len(kinds)])

    def measure(self, contender: Contender, turn: Turn) -> Mapping[str, float]:
        """Return images per second."""
        if contender.files is None:
            raise NotImplementedError(contender.name)
        jobs = [FileJob(str(path), str(turn.outputs / path.name)) for path in _sorted(turn.inputs)]
        note(f"{len(jobs):,} images")
        warm_up = jobs[: turn.scaled(self.warm_up, 2)]
        with contender.files(FileWork(self.pipeline, warm_up, turn.scratch)) as run:
            run(warm_up)
            for job in warm_up:
                Path(job.destination).unlink()
            begun = time.perf_counter()
            run(jobs)
            return {RATE.name: len(jobs) / (time.perf_counter() - begun)}

    def check(self, turn: Turn) -> str | None:
        """Look at every output; those of copies are the same picture."""
        wanted: dict[str, Pixels] = {}

        def wrong(path: Path) -> str | None:
            kind = path.stem.split("-")[1]
            if kind not in wanted:
                wanted[kind] = self.wanted((turn.inputs / path.name).read_bytes())
            return self.wrong(path.read_bytes(), wanted[kind])

        return first_wrong([turn.outputs / path.name for path in _sorted(turn.inputs)], wrong)


def _sorted(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def _small(photos: Sequence[Path]) -> list[bytes]:
    images = [Image.open(io.BytesIO(data)).convert("RGB") for data in pngs(photos)]
    made = []
    for number in range(SMALL_KINDS):
        image = images[number % len(images)]
        room = (max(image.width - SMALL_SIZE[0], 1), max(image.height - SMALL_SIZE[1], 1))
        corner = (number * 97 % room[0], number * 61 % room[1])
        made.append(small_jpeg(image, corner, SMALL_SIZE, SMALL_BYTES))
    return made


_PEERS = ("pool", "imgray", "ray-tasks", "ray-data", "dask", "celery", "dramatiq")

WORKLOADS = (
    Files(
        name="bulk",
        title="Photographs, file to file",
        about="PNG of about half a megabyte, red and green swapped, PNG out; each result written whole and synced",
        pipeline="swap:rg",
        images=BULK_IMAGES,
        warm_up=BULK_WARM_UP,
        suffix=".png",
        contenders=_PEERS,
        make=pngs,
        wanted=swapped,
        wrong=wrong_png,
    ),
    Files(
        name="small",
        title="Small images, file to file",
        about="JPEG of about 8 kB to a thumbnail of 64 pixels; each result written whole and synced",
        pipeline=f"thumbnail:{THUMBNAIL}/convert:jpeg",
        images=SMALL_IMAGES,
        warm_up=SMALL_WARM_UP,
        suffix=".jpg",
        contenders=_PEERS,
        make=_small,
        wanted=partial(reduced, width=THUMBNAIL, height=THUMBNAIL),
        wrong=wrong_jpeg,
    ),
    Files(
        name="end-to-end",
        title="Photographs over HTTP, end to end",
        about="as `bulk`, but imgray's are uploaded, and its results downloaded; the pool's go from file to file",
        pipeline="swap:rg",
        images=BULK_IMAGES,
        warm_up=BULK_WARM_UP,
        suffix=".png",
        contenders=("pool", "imgray-http"),
        make=pngs,
        wanted=swapped,
        wrong=wrong_png,
    ),
)
