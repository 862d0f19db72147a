"""Starting and stopping: Ray itself, when nobody else has, and the actors on it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import ray
from ray._private.parameter import RayParams
from ray.exceptions import RayError

from imgray.actors.remote import DETACHED, MasterActor, StorageActor, named_actors, start_worker
from imgray.actors.transport import NAMESPACE, remote_gateway
from imgray.blobs import BlobStore
from imgray.errors import PassingError, ServiceError
from imgray.extensions import catalogue_of
from imgray.gateway import Gateway
from imgray.haproxy import haproxy_environment
from imgray.journal import HANDOVER_S, Journal
from imgray.messages import WorkerState
from imgray.ports import MASTER, STORAGE
from imgray.retry import Backoff
from imgray.settings import Settings
from imgray.target import WORKER_PREFIX

RAY_SETTINGS = {
    "RAY_timeout_ms_task_wait_for_death_info": "200",  # else a worker's death is noticed after two seconds, not one
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",  # else a dead proxy is replaced after half a minute
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",  # else each request goes from thread to thread and back
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.25",  # else an idle Serve takes 2.5 % of a core more
}
"""What Ray is to be started with; cluster.yaml says the same."""

_PAGE_BYTES = 16 * 2**20
_OPTIONS_BYTES = 2**20
_START_TIMEOUT_S = 60.0
_DRAIN_SLACK_S = 15.0  # how long commands that were stopped, and the last reports, may take
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
    with _environment(settings):
        _connect(settings)
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def _environment(settings: Settings) -> Iterator[None]:
    """Have in the environment, for as long as the ``with`` block lasts, what a private Ray is to be started with."""
    private = {
        "RAY_USAGE_STATS_ENABLED": "0",  # a private cluster reports to nobody
        "RAY_SERVE_GRPC_MAX_MESSAGE_SIZE": str(_message_bytes(settings)),  # else 2 GiB, before a key is asked for
    }
    with ExitStack() as stack:
        if settings.haproxy and not settings.address and not settings.grpc_port:
            private |= stack.enter_context(haproxy_environment(settings.host, settings.port))
        added = {name: value for name, value in {**RAY_SETTINGS, **private}.items() if name not in os.environ}
        os.environ.update(added)
        try:
            yield
        finally:
            for name in added:
                os.environ.pop(name, None)


def _connect(settings: Settings) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "namespace": NAMESPACE}
    try:
        if settings.address:
            ray.init(settings.address, **quiet)
        else:
            cores = max(os.cpu_count() or 1, settings.workers, settings.max_workers)
            with _agent_on_any_port():
                ray.init("local", num_cpus=cores, include_dashboard=False, **quiet)
    except (ConnectionError, RuntimeError, RayError) as error:
        raise ServiceError(f"Ray cannot be reached or started: {error}") from error


@contextmanager
def _agent_on_any_port() -> Iterator[None]:
    """Have the agent of a Ray that is started in the ``with`` block listen on a free port.

    Ray gives it a fixed one, and no option for another: where a second Ray runs, its agent tries for four seconds to
    get that port before its node is there.
    """
    init = RayParams.__init__
    before = init.__defaults__
    names = init.__code__.co_varnames[: init.__code__.co_argcount][-len(before) :]
    init.__defaults__ = tuple(
        0 if name == "dashboard_agent_listen_port" else value for name, value in zip(names, before, strict=True)
    )
    try:
        yield
    finally:
        init.__defaults__ = before


def _message_bytes(settings: Settings) -> int:
    """Return how large a message of gRPC may be: one brings an image with its options, or takes a page of tasks."""
    return max(settings.max_body_bytes, _PAGE_BYTES) + _OPTIONS_BYTES


def start_actors(settings: Settings) -> None:
    """Start Storage and the Master, if they are not there yet. The Master starts the Workers."""
    settings = settings.portable()  # they may start on other machines
    head = {**DETACHED, "num_cpus": 0, "resources": {"node:__internal_head__": 0.001}}
    ray.remote(StorageActor).options(name=STORAGE, **head).remote(settings)
    ray.remote(MasterActor).options(name=MASTER, **head).remote(settings)


def start_workers(settings: Settings) -> None:
    """Start as many workers as there are to be at first, while the Master starts: it would do so a little later."""
    settings = settings.portable()
    for number in range(1, pool_size(settings) + 1):
        start_worker(f"{WORKER_PREFIX}{number}", settings)


def pool_size(settings: Settings) -> int:
    """Say how many workers there are to be: one per core of the cluster, if the settings leave it open."""
    if settings.pool.follows_cores:
        return max(int(ray.cluster_resources().get("CPU", 1)), 1)
    return max(settings.workers, 1)


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
            if any(view.state is WorkerState.ACTIVE for view in await master.workers()):
                return
        except PassingError as error:
            raise ServiceError(f"The service did not start: {error}") from error
        if time.monotonic() > deadline:
            raise ServiceError("No worker started. Does the cluster have a free core for one (`ray status`)?")
        await asyncio.sleep(delay_s)


@contextmanager
def running_cluster(settings: Settings) -> Iterator[Gateway]:
    """Have Ray and the actors running, and ready, for as long as the ``with`` block lasts.

    Raises:
        SetupError, JournalError: they cannot be started; the sentence says why.
    """
    with starting_cluster(settings) as gateway:
        asyncio.run(wait_until_ready(settings))
        yield gateway


@contextmanager
def starting_cluster(settings: Settings) -> Iterator[Gateway]:
    """Have Ray running, and the actors started, as long as the ``with`` block lasts. Raises as `running_cluster`."""
    check_data(settings)
    with ray_running(settings):
        start_actors(settings)
        start_workers(settings)
        try:
            yield remote_gateway(settings)
            asyncio.run(drain_actors(settings))
        finally:
            stop_actors()


def has_actors() -> bool:
    """Say whether this cluster runs a Master."""
    return MASTER in named_actors()


async def drain_actors(settings: Settings) -> None:
    """Have the workers finish what runs, give back the rest, and end; wait for it, but not for ever."""
    master = remote_gateway(settings).master
    with contextlib.suppress(PassingError, TimeoutError):
        async with asyncio.timeout(settings.drain_s + _DRAIN_SLACK_S):
            await master.drain_all()
            for delay_s in _POLL.delays_s(random.Random()):  # noqa: S311  # jitter
                if not any(name.startswith(WORKER_PREFIX) for name in named_actors()):
                    return
                await asyncio.sleep(delay_s)


def stop_actors() -> None:
    """End the actors of this cluster. Tasks stay in the journal, blobs in their store."""
    for name in named_actors():
        with contextlib.suppress(ValueError):  # it has ended meanwhile
            ray.kill(ray.get_actor(name, NAMESPACE))
