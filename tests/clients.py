"""The Python client over the whole service in one process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from imgray.client import Client
from imgray.gateway import Gateway
from imgray.local import LocalCluster
from imgray.settings import Settings


@contextmanager
def local_client(folder: Path, *, reads_paths: bool = True, **settings: Any) -> Iterator[Client]:
    wanted = {"data": folder / "data", "workers": 1, "file_roots": (folder,), **settings}
    cluster = LocalCluster(Settings.having(**wanted))
    client = Client(_later(), ExitStack(), reads_paths=reads_paths)
    with client:
        client.call(cluster.__aenter__())  # in the client's own loop
        client.gateway = cluster.gateway
        try:
            yield client
        finally:
            client.call(cluster.__aexit__(None, None, None))


def _later() -> Gateway:
    """Stand for the gateway until there is a loop to make it in."""
    return Gateway.__new__(Gateway)
