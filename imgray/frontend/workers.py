"""The workers over HTTP: who they are and what they do, draining one, and the size of the pool."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body

from imgray.errors import RequestError, WorkerNotFoundError
from imgray.frontend.access import needs
from imgray.frontend.dependencies import GatewayDep
from imgray.frontend.schema import PoolJson, PoolRequest, WorkerJson
from imgray.keys import Scope
from imgray.scaling import PER_CORE, Bounds

router = APIRouter(prefix="/v1", tags=["workers"])

_READS = [needs(Scope.READ)]
_OPERATES = [needs(Scope.OPERATE)]


@router.get("/workers", dependencies=_READS)
async def list_workers(gateway: GatewayDep) -> list[WorkerJson]:
    """List the workers: those that are there, by name, then the latest that were lost."""
    return [WorkerJson.of(view) for view in await gateway.master.workers()]


@router.get("/workers/{worker_id}", dependencies=_READS)
async def get_worker(worker_id: str, gateway: GatewayDep) -> WorkerJson:
    """Show a worker, by its id or its name."""
    views = await gateway.master.workers()
    found = next((view for view in views if worker_id in {view.info.id, view.info.name}), None)
    if found is None:
        raise WorkerNotFoundError(f"worker {worker_id}")
    return WorkerJson.of(found)


@router.post("/workers/{worker_id}/drain", dependencies=_OPERATES)
async def drain_worker(worker_id: str, gateway: GatewayDep) -> WorkerJson:
    """Have a worker, by its id or its name, finish what runs, give back the rest, and end.

    The pool is then smaller by one, unless it varies with the load.
    """
    return WorkerJson.of(await gateway.master.drain(worker_id))


@router.get("/pool", dependencies=_READS)
async def get_pool(gateway: GatewayDep) -> PoolJson:
    """Say how large the pool of workers is, may be, and should be."""
    return PoolJson.of(await gateway.master.pool())


@router.put("/pool", dependencies=_OPERATES)
async def scale_pool(wanted: Annotated[PoolRequest, Body()], gateway: GatewayDep) -> PoolJson:
    """Set the size of the pool, the bounds within which it follows the load, or that it has a worker for each core."""
    if wanted.per_core != (wanted.minimum is None and wanted.maximum is None):
        raise RequestError(
            'Say either {"minimum": 1, "maximum": 4} (the same twice: always so many) or {"per_core": true}.'
        )
    if wanted.per_core:
        return PoolJson.of(await gateway.master.scale(PER_CORE))
    minimum = wanted.minimum if wanted.minimum is not None else wanted.maximum or 0
    maximum = wanted.maximum if wanted.maximum is not None else minimum
    if minimum > maximum:
        raise RequestError(f"minimum={minimum} is above maximum={maximum}.")
    return PoolJson.of(await gateway.master.scale(Bounds(minimum, maximum)))
