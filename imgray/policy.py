"""The policy: what the task table may be told to do differently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from imgray.retry import Backoff
from imgray.settings import Settings


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings of the same names, as far as they concern the table.

    ``live_tasks`` is that of each key which has such a limit, by the key's name.
    """

    max_attempts: int
    max_live_tasks: int
    max_live_bytes: int
    batch_bytes: int
    lease_s: float
    idempotency_s: float
    parcels_bytes: int
    max_call_bytes: int
    backoff: Backoff
    live_tasks: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take it from the settings."""
        return cls(
            max_attempts=settings.max_attempts,
            max_live_tasks=settings.max_live_tasks,
            max_live_bytes=settings.max_live_bytes,
            batch_bytes=settings.batch_bytes,
            lease_s=settings.lease_s,
            idempotency_s=settings.idempotency_s,
            parcels_bytes=settings.parcels_bytes,
            max_call_bytes=settings.max_call_bytes,
            backoff=Backoff(settings.retry_base_s, settings.retry_cap_s),
            live_tasks={key.name: key.live_tasks for key in settings.keys if key.live_tasks is not None},
        )
