"""All workloads by name, in the order in which they are run."""

from __future__ import annotations

from workloads import files, services, tasks
from workloads.base import Workload

WORKLOADS: dict[str, Workload] = {
    workload.name: workload for workload in (*files.WORKLOADS, *tasks.WORKLOADS, *services.WORKLOADS)
}
