"""What an operator does from a script: look at the workers and commands, drain a worker, set the size of the pool."""

from __future__ import annotations

from imgray.client.connection import Connection
from imgray.errors import RequestError
from imgray.messages import PoolView, WorkerView
from imgray.programs import JobProgram
from imgray.scaling import PER_CORE, Bounds


class Operator(Connection):
    """The part of a `Client` that is about workers."""

    def workers(self) -> list[WorkerView]:
        """List the workers: those that are there, by name, then the latest that were lost."""
        return self.call(self.gateway.master.workers())

    def drain(self, worker: str) -> WorkerView:
        """Have a worker, by its id or its name, finish what runs, give back the rest, and end; do not wait for it.

        The pool is then smaller by one, unless it varies with the load.

        Raises:
            WorkerNotFoundError: there is none.
        """
        return self.call(self.gateway.master.drain(worker))

    def pool(self) -> PoolView:
        """Say how large the pool of workers is, may be, and should be."""
        return self.call(self.gateway.master.pool())

    def scale(self, minimum: int | None, maximum: int | None = None) -> PoolView:
        """Set the size of the pool: ``scale(4)``; ``scale(1, 4)``, by the load; ``scale(None)``, one for each core.

        Raises:
            RequestError: there can be no such pool.
        """
        if minimum is None and maximum is None:
            return self.call(self.gateway.master.scale(PER_CORE))
        least = minimum if minimum is not None else maximum or 0
        most = maximum if maximum is not None else least
        if not 0 <= least <= most:
            raise RequestError(f"A pool cannot have from {least} to {most} workers.")
        return self.call(self.gateway.master.scale(Bounds(least, most)))

    def commands(self) -> dict[str, JobProgram]:
        """Return the commands that may be started, by name."""
        return dict(self.gateway.jobs.allowed)
