"""The Frontend as a Ray Serve deployment. It keeps no state: any replica can answer any request."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache

import ray
from fastapi import FastAPI
from ray import serve
from ray.exceptions import ActorUnavailableError
from ray.serve import Application
from ray.serve.context import _get_global_client

from imgray.actors.cluster import start_actors
from imgray.actors.transport import remote_gateway
from imgray.credentials import GRPC, HTTP, server_context
from imgray.edge import edge
from imgray.errors import ServiceError
from imgray.frontend.app import create_app
from imgray.frontend.grpc.servicer import REGISTRATIONS, Servicer
from imgray.frontend.limits import Limits
from imgray.haproxy import LOOPBACK, free_port
from imgray.heap import keep_memory, keep_objects
from imgray.keys import Key
from imgray.retry import Backoff
from imgray.settings import Settings, is_loopback

log = logging.getLogger(__name__)

APP_NAME = "imgray"

_MAX_ONGOING_REQUESTS = 1000  # a request mostly waits; bodies are bounded by max_body_bytes
_HEALTH_CHECK_S = 5.0
_LOOK_S = 0.2  # how often a replica that is to end looks whether it has answered everyone
_LOST_CALLS = 10  # in a row, until Ray is not believed to get over it
_AGAIN = Backoff(base_s=0.1, cap_s=2.0)


def build_application(settings: Settings) -> Application:
    """Describe the Frontend to Serve. Its replicas see to it that the actors are there."""
    settings = settings.portable()  # replicas may start on other machines

    bounds = settings.keys, settings.receivable_bytes

    def build_app() -> FastAPI:
        keep_memory()
        start_actors(settings)
        app = create_app(settings, lambda: remote_gateway(settings), _limits(*bounds))
        keep_objects()
        return app

    class Frontend(Servicer):
        """Answers gRPC by its methods, and HTTP by the application."""

        def __init__(self) -> None:
            super().__init__(settings, lambda: remote_gateway(settings), _limits(*bounds))

    deployment = serve.deployment(
        name="Frontend",
        num_replicas=1,
        max_ongoing_requests=_MAX_ONGOING_REQUESTS,
        health_check_period_s=_HEALTH_CHECK_S,
        graceful_shutdown_wait_loop_s=_LOOK_S,
        logging_config={"enable_access_log": False},  # a line for each request, in a file that nobody looks at
        ray_actor_options={"num_cpus": 0},  # every core is for the workers
    )
    return deployment(serve.ingress(build_app)(Frontend)).bind()


@lru_cache
def _limits(keys: tuple[Key, ...], receivable_bytes: int) -> Limits:
    """Return the limits of this replica, which HTTP and gRPC share."""
    return Limits(keys, most_received_bytes=receivable_bytes)


@contextmanager
def deployed(settings: Settings) -> Iterator[str]:
    """Have the Frontend deployed for as long as the ``with`` block lasts; give its address on this machine.

    Raises:
        ServiceError: nobody can listen on the address, or a Serve that ran before listens elsewhere, or in clear.
    """
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    tls = settings.tls_cert is not None  # then the edge has the address, and Serve another, on loopback
    host, port = (LOOPBACK, free_port()) if tls else (settings.host, settings.port)
    grpc_port = free_port() if tls else settings.grpc_port
    grpc = {"port": grpc_port, "grpc_servicer_functions": list(REGISTRATIONS)} if settings.grpc_port else None
    http = {"host": host, "port": port}
    _insist(lambda: serve.start(proxy_location="HeadOnly", http_options=http, grpc_options=grpc))
    _check_address(settings)
    _insist(lambda: serve.run(build_application(settings), name=APP_NAME))
    with ExitStack() as stack:
        stack.callback(lambda: _insist(lambda: serve.delete(APP_NAME)))
        if tls:
            _begin_edges(stack, settings)
        named = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(settings.host, settings.host)  # noqa: S104  # compared
        yield f"http{'s' if tls else ''}://{f'[{named}]' if ':' in named else named}:{settings.port}"


def _check_address(settings: Settings) -> None:
    """See that Serve listens as it has to: it may run since before us, and then as it was told then.

    Raises:
        ServiceError: it does not.
    """
    there = _get_global_client().http_config
    if settings.tls_cert is None:
        right = (there.host, there.port) == (settings.host, settings.port)
    else:
        right = is_loopback(there.host)  # nobody comes by the edge
    if not right:
        raise ServiceError(
            f"Serve runs on this cluster already, and listens on {there.host}:{there.port}. End it first, with"
            " `serve shutdown`."
        )
    if settings.grpc_port and settings.tls_cert is None and _grpc_port() != settings.grpc_port:
        raise ServiceError(
            f"Serve runs on this cluster already, with gRPC on port {_grpc_port()}: use that (--grpc-port)."
        )


def _begin_edges(stack: ExitStack, settings: Settings) -> None:
    """End TLS in front of Serve, for HTTP and gRPC, wherever that listens."""
    inner = [(settings.port, _get_global_client().http_config.port, HTTP)]
    if settings.grpc_port:
        inner.append((settings.grpc_port, _grpc_port(), GRPC))
    for port, inner_port, protocol in inner:
        if (context := server_context(settings, protocol)) is not None:
            stack.enter_context(edge(context, settings.host, port, inner_port))


def _grpc_port() -> int:
    """Return the port of Serve's gRPC; a Serve that ran before us has the one that it was told then.

    Raises:
        ServiceError: it was told of none.
    """
    controller = _get_global_client()._controller  # noqa: SLF001  # there is no other way to ask
    options = ray.get(controller.get_grpc_config.remote())
    if not set(REGISTRATIONS) <= set(options.grpc_servicer_functions):
        raise ServiceError(
            "Serve runs on this cluster already, without imgray's gRPC. End it first, with `serve shutdown`."
        )
    port: int = options.port
    return port


def _insist(call: Callable[[], object]) -> None:
    """Ask Serve for something that it may have already, again when a call between its actors is lost."""
    for failures, delay_s in enumerate(_AGAIN.delays_s(random.Random()), 1):  # noqa: S311  # jitter
        try:
            call()
        except ActorUnavailableError:
            if failures == _LOST_CALLS:
                raise
            log.warning("action=retry part=serve delay_s=%.2f", delay_s)
            time.sleep(delay_s)
        else:
            return
