"""A task table to try things on: its policy, and what is submitted to it and reported."""

from __future__ import annotations

import random
from typing import Any

from imgray.policy import Policy
from imgray.retry import Backoff
from imgray.table import TaskTable
from imgray.task import BlobSource, Failure, Output, OutputSpec, TaskSpec

POLICY = Policy(
    max_attempts=3,
    max_live_tasks=50,
    max_live_bytes=1000,
    batch_bytes=100,
    lease_s=60,
    parcels_bytes=1000,
    max_call_bytes=1000,
    idempotency_s=500,
    backoff=Backoff(1, 8),
)
PASSING = Failure("worker_died", 500, "It died.", passing=True)
FINAL = Failure("image_corrupt", 422, "It is corrupt.")
OUTPUTS = (Output("image", "png", "image/png", 1, 1, 3, "00", key="outputs/x"),)
NOW = 1000.0


def spec(number: int, **changes: Any) -> TaskSpec:
    return TaskSpec(f"task{number}", BlobSource(f"inputs/task{number}"), (OutputSpec("image", "swap:rg"),), **changes)


def new_table(policy: Policy = POLICY) -> TaskTable:
    return TaskTable(policy, token=1 << 32, next_seq=1, counts={}, rng=random.Random(1))
