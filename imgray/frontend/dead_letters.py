"""Dead letters over HTTP: the tasks that failed for good, and what to do with many of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from imgray.errors import RequestError
from imgray.frontend.access import needs
from imgray.frontend.dependencies import (
    CodeFilter,
    GatewayDep,
    PartDep,
    TenantFilter,
    cursor_of,
    position_of,
)
from imgray.frontend.schema import AttemptJson, TaskJson
from imgray.gateway import MAX_HANDLED, Handled, Letters
from imgray.keys import Scope
from imgray.task import Task


class DeadLetterJson(TaskJson):
    """A task that failed for good."""

    history: list[AttemptJson]

    @classmethod
    def with_history(cls, task: Task) -> DeadLetterJson:
        """Show a dead letter."""
        return cls(**TaskJson.of(task).model_dump(), history=AttemptJson.of(task))


class DeadLetterPage(BaseModel):
    """One page of the dead letters, newest first."""

    tasks: list[DeadLetterJson]
    next_cursor: str | None = Field(description="Give it as `cursor` to get the next page; null on the last one.")


def _check_text(text: str) -> str:
    text.encode()  # JSON can escape what is no text; the UnicodeEncodeError becomes the answer
    return text


Text = Annotated[str, AfterValidator(_check_text)]


class WhichJson(BaseModel):
    """Which dead letters are meant: either `ids`, or `all`, of a code and a tenant if these are given."""

    model_config = ConfigDict(extra="forbid")  # a condition with a slip of the pen in its name must not be ignored

    ids: list[Text] | None = Field(
        default=None, max_length=MAX_HANDLED, description="Tasks that are no dead letters are passed over."
    )
    all: bool = Field(default=False, strict=True)
    code: Text | None = Field(default=None, description="With `all`: only those that failed with this error code.")
    tenant: Text | None = Field(default=None, description="With `all`: only this tenant's; empty: of those without.")
    cursor: Text = Field(default="", description="With `all`: `next_cursor` of the call before.")

    def letters(self) -> Letters:
        """Say it in the gateway's terms.

        Raises:
            RequestError: it does not say clearly which are meant.
        """
        if self.all == (self.ids is not None):
            raise RequestError(
                'Say which dead letters: either {"ids": [...]}, or {"all": true}, the latter with "code" and "tenant"'
                " if not all of them are meant."
            )
        return Letters(self.ids, self.tenant, self.code, position_of(self.cursor))


class HandledJson(BaseModel):
    """What one call has done."""

    tasks: int = Field(description="How many dead letters it redrove or purged.")
    more: bool = Field(description="There are more that are meant: call again, with `next_cursor` as `cursor`.")
    next_cursor: str | None = Field(description="So that a task that fails again meanwhile is not taken twice.")

    @classmethod
    def of(cls, handled: Handled) -> HandledJson:
        """Show what has been done."""
        return cls(tasks=handled.tasks, more=handled.before is not None, next_cursor=cursor_of(handled.before))


router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])

_OPERATES = [needs(Scope.OPERATE)]


@router.get("", dependencies=[needs(Scope.READ)])
async def list_dead_letters(
    gateway: GatewayDep, part: PartDep, tenant: TenantFilter = None, code: CodeFilter = ""
) -> DeadLetterPage:
    """List the tasks that failed for good, newest first, each with the story of its attempts."""
    page = await gateway.page(Letters(tenant=tenant, code=code or None).filter, part.before, part.limit)
    return DeadLetterPage(
        tasks=[DeadLetterJson.with_history(task) for task in page.tasks],
        next_cursor=cursor_of(page.before),
    )


@router.post("/redrive", dependencies=_OPERATES)
async def redrive_dead_letters(which: WhichJson, gateway: GatewayDep) -> HandledJson:
    """Put dead letters back in the queue, with all their attempts before them, up to 1000 in one call.

    Repeat it while `more` is true. When the queue is full, 429 `queue_full`: some may have been put back.
    """
    return HandledJson.of(await gateway.redrive_letters(which.letters()))


@router.post("/purge", dependencies=_OPERATES)
async def purge_dead_letters(which: WhichJson, gateway: GatewayDep) -> HandledJson:
    """Remove dead letters and their images for good, up to 1000 in one call. Repeat it while `more` is true."""
    return HandledJson.of(await gateway.purge_letters(which.letters()))
