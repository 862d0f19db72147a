"""All contenders by name. A turn's process loads the module of its own contender alone."""

from __future__ import annotations

from importlib import import_module

from contenders.base import Contender

MODULES = {
    "imgray": "ours",
    "imgray-http": "ours_http",
    "pool": "process_pool",
    "ray-tasks": "ray_tasks",
    "ray-data": "ray_data",
    "dask": "dask_distributed",
    "celery": "celery_redis",
    "dramatiq": "dramatiq_redis",
    "thumbor": "thumbor_server",
    "thumbor-cores": "thumbor_server",
    "ipx": "ipx_server",
    "fastapi": "fastapi_pillow",
    "fastapi-cores": "fastapi_pillow",
    "serve": "ours_http",
    "ray-actor": "ray_tasks",
}


def contender(name: str) -> Contender:
    """Return a contender by its name."""
    module = import_module(f"contenders.{MODULES[name]}")
    found: dict[str, Contender] = {one.name: one for one in module.CONTENDERS}
    return found[name]
