"""The Frontend as a Ray Serve deployment. It keeps no state: any replica can answer any request."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fastapi import FastAPI
from ray import serve
from ray.exceptions import ActorUnavailableError
from ray.serve import Application

from imgray.actors.cluster import start_actors
from imgray.actors.remote import remote_gateway
from imgray.frontend.app import create_app
from imgray.retry import Backoff
from imgray.settings import Settings

log = logging.getLogger(__name__)

APP_NAME = "imgray"

_MAX_ONGOING_REQUESTS = 1000  # a request mostly waits; bodies are bounded by max_body_bytes
_HEALTH_CHECK_S = 5.0
_LOST_CALLS = 10  # in a row, until Ray is not believed to get over it
_AGAIN = Backoff(base_s=0.1, cap_s=2.0)


def build_application(settings: Settings) -> Application:
    """Describe the Frontend to Serve. Its replicas see to it that the actors are there."""
    settings = settings.portable()  # replicas may start on other machines

    def build_app() -> FastAPI:
        start_actors(settings)
        return create_app(settings, lambda: remote_gateway(settings))

    deployment = serve.deployment(
        name="Frontend",
        num_replicas=1,
        max_ongoing_requests=_MAX_ONGOING_REQUESTS,
        health_check_period_s=_HEALTH_CHECK_S,
        ray_actor_options={"num_cpus": 0},  # every core is for the workers
    )
    return deployment(serve.ingress(build_app)()).bind()


@contextmanager
def deployed(settings: Settings) -> Iterator[str]:
    """Have the Frontend deployed for as long as the ``with`` block lasts; give its address."""
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    options = {"host": settings.host, "port": settings.port}
    _insist(lambda: serve.start(proxy_location="HeadOnly", http_options=options))
    _insist(lambda: serve.run(build_application(settings), name=APP_NAME))
    try:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        yield f"http://{host}:{settings.port}"
    finally:
        _insist(lambda: serve.delete(APP_NAME))


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
