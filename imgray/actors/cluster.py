"""Starting and stopping: Ray itself, when nobody else has, and the actors on it."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.exceptions import RayError

from imgray.actors.remote import (
    NAMESPACE,
    WORKER_PREFIX,
    MasterActor,
    StorageActor,
    WorkerActor,
    remote_gateway,
)
from imgray.blobs import BlobStore
from imgray.errors import PassingError, ServiceError
from imgray.extensions import catalogue_of
from imgray.gateway import Gateway
from imgray.journal import HANDOVER_S, Journal
from imgray.ports import MASTER, STORAGE
from imgray.retry import Backoff
from imgray.settings import Settings

RAY_SETTINGS = {
    "RAY_timeout_ms_task_wait_for_death_info": "200",  # else a worker's death is noticed after two seconds, not one
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",  # else a dead proxy is replaced after half a minute
}
"""What Ray is to be started with; cluster.yaml says the same."""

_MAX_CONCURRENCY = 100_000  # calls that wait cost little: the limits on tasks and workers bound them
_START_TIMEOUT_S = 60.0
_POLL = Backoff(base_s=0.05, cap_s=0.5)


@contextmanager
def ray_running(settings: Settings) -> Iterator[None]:
    """Be connected to Ray: to the one this process has, to that at ``settings.address``, or to a private one.

    A private Ray ends with the ``with`` block, or with this process, however that ends.

    Raises:
        ServiceError: there is no Ray at the address.
    """
    if ray.is_initialized():
        yield
        return
    for name, value in {**RAY_SETTINGS, "RAY_USAGE_STATS_ENABLED": "0"}.items():  # a private cluster reports to nobody
        os.environ.setdefault(name, value)
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "namespace": NAMESPACE}
    try:
        if settings.address:
            ray.init(settings.address, **quiet)
        else:
            cores = max(os.cpu_count() or 1, settings.workers)
            ray.init("local", num_cpus=cores, include_dashboard=False, **quiet)
    except (ConnectionError, RuntimeError, RayError) as error:
        raise ServiceError(f"Ray cannot be reached or started: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def start_actors(settings: Settings) -> None:
    """Start what is not there yet: Storage, Master, and the pool of Workers."""
    settings = settings.portable()  # they may start on other machines
    named = {
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "max_restarts": -1,
        "max_concurrency": _MAX_CONCURRENCY,
        "enable_task_events": False,
    }
    head = {**named, "num_cpus": 0, "resources": {"node:__internal_head__": 0.001}}
    ray.remote(StorageActor).options(name=STORAGE, **head).remote(settings)
    ray.remote(MasterActor).options(name=MASTER, **head).remote(settings)
    worker = ray.remote(WorkerActor)
    for number in range(1, pool_size(settings) + 1):
        name = f"{WORKER_PREFIX}{number}"
        worker.options(name=name, num_cpus=1, **named).remote(name, settings)


def pool_size(settings: Settings) -> int:
    """Say how many workers there are to be: one per core of the cluster, if the settings leave it open."""
    return settings.workers or max(int(ray.cluster_resources().get("CPU", 1)), 1)


def check_data(settings: Settings) -> None:
    """See that operations, journal and blobs can be used, here, where whoever starts the service is shown the error.

    Raises:
        SetupError, JournalError, StorageUnavailableError: they cannot.
    """
    catalogue_of(settings)
    Journal.open(settings.data_folder, HANDOVER_S).close()
    BlobStore(settings.blobs_url)


async def wait_until_ready(settings: Settings) -> None:
    """Wait until the Master answers and a worker has registered.

    Raises:
        ServiceError: they did not within a minute.
    """
    master = remote_gateway(settings).master
    deadline = time.monotonic() + _START_TIMEOUT_S
    for delay_s in _POLL.delays_s(random.Random()):  # noqa: S311  # jitter
        try:
            if await master.workers():
                return
        except PassingError as error:
            raise ServiceError(f"The service did not start: {error}") from error
        if time.monotonic() > deadline:
            raise ServiceError("No worker started. Does the cluster have a free core for one (`ray status`)?")
        await asyncio.sleep(delay_s)


@contextmanager
def running_cluster(settings: Settings) -> Iterator[Gateway]:
    """Have Ray and the actors running for as long as the ``with`` block lasts.

    Raises:
        SetupError, JournalError: they cannot be started; the sentence says why.
    """
    check_data(settings)
    with ray_running(settings):
        start_actors(settings)
        try:
            asyncio.run(wait_until_ready(settings))
            yield remote_gateway(settings)
        finally:
            stop_actors()


def has_actors() -> bool:
    """Say whether this cluster runs a Master."""
    return any(actor["name"] == MASTER and actor["namespace"] == NAMESPACE for actor in _named_actors())


def stop_actors() -> None:
    """End the actors of this cluster. Tasks stay in the journal, blobs in their store."""
    for actor in _named_actors():
        if actor["namespace"] == NAMESPACE:
            ray.kill(ray.get_actor(actor["name"], NAMESPACE))


def _named_actors() -> list[dict[str, str]]:
    return ray.util.list_named_actors(all_namespaces=True)  # type: ignore[no-any-return]
