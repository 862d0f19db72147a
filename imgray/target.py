"""Who a worker is, and which workers a task may go to."""

from __future__ import annotations

from msgspec import Struct


class WorkerInfo(Struct, frozen=True, gc=False):
    """Who a worker is, and what it offers.

    ``name`` is its place in the pool, ``id`` this process of it. ``labels`` are those of its Ray node.
    """

    id: str
    name: str
    node: str
    host: str
    pid: int
    version: str
    cores: int = 1
    labels: tuple[tuple[str, str], ...] = ()
    operations: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()

    def meets(self, target: Target) -> bool:
        """Say whether this worker may take what is meant for a target."""
        return (
            target.worker in {"", self.id, self.name}
            and target.node in {"", self.node}
            and set(target.labels) <= set(self.labels)
        )


class Target(Struct, frozen=True, gc=False, omit_defaults=True):
    """Which workers may take a task: those that meet every condition given, all of them if none is.

    ``worker`` is an id, which means this one process and none that replaces it, or a name, which means whoever has it.
    """

    worker: str = ""
    node: str = ""
    labels: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        labels = ", ".join(f"{name}={value}" for name, value in self.labels)
        given = (("worker", self.worker), ("node", self.node), ("label", labels))
        return ", ".join(f"{kind} {value}" for kind, value in given if value) or "any worker"

    @property
    def process(self) -> str:
        """The id of the one process that is meant, "" when another can take its place."""
        return self.worker if _AFTER_NAME in self.worker else ""


ANYWHERE = Target()

WORKER_PREFIX = "worker-"
"""How the name of a worker begins; a number follows."""

_AFTER_NAME = "."  # between a worker's name and what makes its id unique


def worker_name(worker_id: str) -> str:
    """Return the name of the worker with an id; a name as it is."""
    return worker_id.partition(_AFTER_NAME)[0]


def worker_id(name: str, unique: str) -> str:
    """Make the id of a worker."""
    return f"{name}{_AFTER_NAME}{unique}"
