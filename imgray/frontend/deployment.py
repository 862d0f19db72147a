"""The Frontend as a Ray Serve deployment. It keeps no state: any replica can answer any request."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI
from ray import serve
from ray.serve import Application

from imgray.actors.cluster import start_actors
from imgray.actors.remote import remote_gateway
from imgray.frontend.app import create_app
from imgray.settings import Settings

APP_NAME = "imgray"

_MAX_ONGOING_REQUESTS = 1000  # a request mostly waits; bodies are bounded by max_body_bytes
_HEALTH_CHECK_S = 5.0


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
    serve.start(proxy_location="HeadOnly", http_options={"host": settings.host, "port": settings.port})
    serve.run(build_application(settings), name=APP_NAME)
    try:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        yield f"http://{host}:{settings.port}"
    finally:
        serve.delete(APP_NAME)
