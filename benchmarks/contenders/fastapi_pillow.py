"""FastAPI with Pillow in threads, under uvicorn: with one process, and with one for each core."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from contenders.base import Contender, Shot, cores
from contenders.processes import free_port, server


@contextmanager
def _serve(processes: int, scratch: Path, pictures: Path) -> Iterator[Callable[[str], Shot]]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "contenders.fastapi_app:app", "--port", str(port)]
    with server([*command, "--workers", str(processes), "--no-access-log"], scratch, port):
        yield lambda name: Shot(port, "POST", "/resize", pictures / name)


CONTENDERS = tuple(
    Contender(
        name=name,
        about=f"FastAPI with Pillow in threads, {processes} process{'es' * (processes > 1)}; the image is uploaded",
        install="comes with imgray",
        modules=("uvicorn",),
        packages=("fastapi", "uvicorn", "pillow"),
        server=partial(_serve, processes),
    )
    for name, processes in (("fastapi", 1), ("fastapi-cores", cores()))
)
