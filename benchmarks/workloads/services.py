"""Services over HTTP: resizing in one call, and how fast uploads are accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contenders.base import Contender, note
from workloads.base import Metric, Turn
from workloads.pictures import first_wrong, large_jpeg, pngs, reduced, wrong_jpeg
from workloads.volley import gunner

CONNECTIONS = 8
"""At a time; each request has one of its own."""

RESIZE_REQUESTS = 800
RESIZE_WARM_UP = 80
WIDTH = 256
JPEG_SIZE = (1920, 1080)

INGEST_REQUESTS = 400
INGEST_WARM_UP = 40
BODY_BYTES = 516_000

JPEG = Metric("JPEG", "requests/s")
PNG = Metric("PNG", "requests/s")
RATE = Metric("rate", "uploads/s")

_PICTURES = {JPEG.name: "photo.jpg", PNG.name: "photo.png"}


@dataclass(frozen=True, slots=True)
class Resizing:
    """Images made smaller in one call."""

    name: str = "http"
    title: str = "Resizing over HTTP in one call"
    about: str = f"{JPEG_SIZE[0]}x{JPEG_SIZE[1]} JPEG, and a PNG photograph, to a JPEG of {WIDTH} pixels' width"
    metrics: tuple[Metric, ...] = (JPEG, PNG)
    contenders: tuple[str, ...] = ("ipx", "imgray-http", "thumbor", "thumbor-cores", "fastapi", "fastapi-cores")
    reference: str = "ipx"

    def prepare(self, photos: Sequence[Path], inputs: Path, scale: float) -> None:
        """Choose the pictures."""
        del scale
        (inputs / _PICTURES[JPEG.name]).write_bytes(large_jpeg(photos, JPEG_SIZE))
        (inputs / _PICTURES[PNG.name]).write_bytes(_nearest_to(BODY_BYTES, pngs(photos)))

    def measure(self, contender: Contender, turn: Turn) -> Mapping[str, float]:
        """Return requests per second for each picture."""
        if contender.server is None:
            raise NotImplementedError(contender.name)
        figures = {}
        with gunner() as fire, contender.server(turn.scratch, turn.inputs) as shot_at:
            for metric, picture in _PICTURES.items():
                shot = shot_at(picture)
                fire(shot, turn.scaled(RESIZE_WARM_UP, CONNECTIONS), CONNECTIONS)
                volley = fire(shot, turn.scaled(RESIZE_REQUESTS, CONNECTIONS), CONNECTIONS)
                figures[metric] = volley.rate
                for number, body in enumerate(volley.bodies):
                    (turn.outputs / f"{number}-{picture}").write_bytes(body)
        return figures

    def check(self, turn: Turn) -> str | None:
        """Compare each different answer with what Pillow makes of all the pixels."""
        wanted = {name: reduced((turn.inputs / name).read_bytes(), WIDTH) for name in _PICTURES.values()}
        answers = sorted(turn.outputs.iterdir())
        return first_wrong(answers, lambda path: wrong_jpeg(path.read_bytes(), wanted[path.name.split("-")[1]]))


@dataclass(frozen=True, slots=True)
class Ingest:
    """Uploads accepted, and on disk."""

    name: str = "ingest"
    title: str = "Uploads accepted over HTTP"
    about: str = "PNG of about 516 kB; imgray's answer says that it is on disk, the bare handler's that it was read"
    metrics: tuple[Metric, ...] = (RATE,)
    contenders: tuple[str, ...] = ("serve", "imgray-http")
    reference: str = "serve"

    def prepare(self, photos: Sequence[Path], inputs: Path, scale: float) -> None:
        """Choose the body."""
        del scale
        (inputs / "photo.png").write_bytes(_nearest_to(BODY_BYTES, pngs(photos)))

    def measure(self, contender: Contender, turn: Turn) -> Mapping[str, float]:
        """Return uploads per second.

        Raises:
            ValueError: not all are on the books.
        """
        if contender.ingest is None:
            raise NotImplementedError(contender.name)
        warm_up = turn.scaled(INGEST_WARM_UP, CONNECTIONS)
        count = turn.scaled(INGEST_REQUESTS, CONNECTIONS)
        body = turn.inputs / "photo.png"
        note(f"{body.stat().st_size:,} bytes")
        with gunner() as fire, contender.ingest(turn.scratch, body) as gate:
            fire(gate.shot, warm_up, CONNECTIONS)
            rate = fire(gate.shot, count, CONNECTIONS).rate
            if gate.accepted is not None and (accepted := gate.accepted()) != warm_up + count:
                raise ValueError(f"{accepted} of {warm_up + count} uploads are on the books")
        return {RATE.name: rate}

    def check(self, turn: Turn) -> str | None:
        """See nothing: the measurement has."""
        del turn
        return None


def _nearest_to(size_bytes: int, photos: Sequence[bytes]) -> bytes:
    return min(photos, key=lambda data: abs(len(data) - size_bytes))


WORKLOADS = (Resizing(), Ingest())
