"""thumbor, which is told where the image lies and reads it itself: with one process, and with one for each core."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from contenders.base import Contender, Shot, cores
from contenders.processes import free_port, said_version, server

PROGRAM = "thumbor"
QUALITY = 85

_TARGET = "/unsafe/256x0/filters:format(jpeg)/"
_CONFIGURATION = """\
ALLOW_UNSAFE_URL = True
LOADER = "thumbor.loaders.file_loader"
FILE_LOADER_ROOT_PATH = {root!r}
STORAGE = "thumbor.storages.no_storage"
QUALITY = {quality}
"""


@contextmanager
def _serve(processes: int, scratch: Path, pictures: Path) -> Iterator[Callable[[str], Shot]]:
    port = free_port()
    configuration = scratch / "thumbor.conf"
    configuration.write_text(_CONFIGURATION.format(root=str(pictures), quality=QUALITY), encoding="utf-8")
    command = [PROGRAM, "--ip", "127.0.0.1", "--port", str(port), "--conf", str(configuration), "--log-level", "error"]
    with server([*command, "--processes", str(processes)], scratch, port):
        yield lambda name: Shot(port, "GET", _TARGET + name)


def _version() -> dict[str, str]:
    return {PROGRAM: said_version([PROGRAM, "--version"]).removeprefix("Thumbor ")}


CONTENDERS = tuple(
    Contender(
        name=name,
        about=f"thumbor, {processes} process{'es' * (processes > 1)}; reads the local file, stores nothing",
        install="python3 -m venv thumbor && thumbor/bin/pip install thumbor; put thumbor/bin at the end of the PATH",
        programs=(PROGRAM,),
        other_versions=_version,
        server=partial(_serve, processes),
    )
    for name, processes in (("thumbor", 1), ("thumbor-cores", cores()))
)
