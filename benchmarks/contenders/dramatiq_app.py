"""What Dramatiq's workers load: `actors` is the broker with its tasks, made when it is called."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import dramatiq
from contenders.work import nothing, process_file
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

URL = "BENCH_REDIS_URL"
"""Environment variable by which the workers are told where Redis is."""


@dataclass(frozen=True, slots=True)
class Actors:
    """The broker, and what can be sent by it."""

    broker: RedisBroker
    process: dramatiq.Actor[Any, Any]
    idle: dramatiq.Actor[Any, Any]


def actors(url: str) -> Actors:
    """Make the broker and its actors."""
    broker = RedisBroker(url=url)
    broker.add_middleware(Results(backend=RedisBackend(url=url)))
    dramatiq.set_broker(broker)
    options: dict[str, Any] = {"broker": broker, "store_results": True, "max_retries": 0}
    return Actors(
        broker,
        dramatiq.actor(process_file, actor_name="process", **options),
        dramatiq.actor(nothing, actor_name="idle", **options),
    )


def broker() -> RedisBroker:
    """Make the broker of a worker."""
    return actors(os.environ[URL]).broker
