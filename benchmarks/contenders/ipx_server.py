"""ipx, which has libvips do the work through sharp, and reads the image itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from contenders.base import Contender, Shot
from contenders.processes import free_port, said_version, server

PROGRAM = "ipx"

_TARGET = "/w_256,f_jpeg,q_85/"


@contextmanager
def _serve(scratch: Path, pictures: Path) -> Iterator[Callable[[str], Shot]]:
    port = free_port()
    command = [PROGRAM, "serve", "--dir", str(pictures), "--host", "127.0.0.1", "--port", str(port)]
    with server(command, scratch, port, {"NODE_ENV": "production"}):
        yield lambda name: Shot(port, "GET", _TARGET + name)


def _version() -> dict[str, str]:
    return {PROGRAM: said_version([PROGRAM, "--version"]), "node": said_version(["node", "--version"])}


CONTENDERS = (
    Contender(
        name="ipx",
        about="ipx (sharp, libvips), one process with threads; reads the local file",
        install="npm install ipx; put node_modules/.bin at the end of the PATH",
        programs=(PROGRAM, "node"),
        other_versions=_version,
        server=_serve,
    ),
)
