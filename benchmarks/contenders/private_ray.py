"""A Ray of a turn's own, as imgray starts one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from contenders.base import cores


@contextmanager
def private_ray() -> Iterator[None]:
    """Have a Ray running for as long as the ``with`` block lasts."""
    ray.init("local", num_cpus=cores(), include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()
