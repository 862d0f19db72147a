"""The Python client: pictures and commands from a script, with or without a cluster; here, how it finds one."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from imgray.actors.cluster import has_actors, ray_running, running_cluster
from imgray.actors.transport import remote_gateway
from imgray.client.client import WINDOW, Client
from imgray.client.job import ClientJob
from imgray.client.task import ClientTask
from imgray.gateway import Gateway
from imgray.settings import Settings

__all__ = ["WINDOW", "Client", "ClientJob", "ClientTask", "connect"]


def connect(address: str = "", **overrides: Any) -> Client:  # noqa: ANN401  # fields of Settings
    """Connect to a cluster, or start a private one here that ends with the client.

    Args:
        address: a Ray cluster's address, or ``auto`` for the one on this machine. If empty, and Ray is not connected
            already, a private cluster is started, with its journal in a temporary folder unless ``data`` names one.
        overrides: settings, by name, in place of those of the environment.

    Raises:
        SetupError: the cluster cannot be reached or started.
    """
    with ExitStack() as stack:
        settings = Settings.having(address=address or None, **overrides)
        stack.enter_context(ray_running(settings))
        private = not has_actors()
        if private:
            if "data" not in settings.model_fields_set:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="imgray-"))
                settings = settings.model_copy(update={"data": Path(folder)})
            if "file_roots" not in settings.model_fields_set:
                settings = settings.model_copy(update={"file_roots": (Path("/"),)})
            gateway = stack.enter_context(running_cluster(settings))
        else:
            gateway = asyncio.run(_gateway_there(settings))
        return Client(gateway, stack.pop_all(), reads_paths=private)


async def _gateway_there(settings: Settings) -> Gateway:
    """Return the way into the cluster that is there, with its settings: its operations are meant."""
    return remote_gateway(await remote_gateway(settings).master.settings())
