"""Submitting over HTTP: ``POST /v1/tasks``, what may be asked of it, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.responses import Response

from imgray.bounds import MAX_IDEMPOTENCY_KEY, MAX_LABEL, MAX_OUTPUTS, MAX_PRIORITY, MAX_TENANT
from imgray.catalogue import Catalogue
from imgray.errors import RequestError
from imgray.frontend.accept import accepted_formats
from imgray.frontend.access import SUBMITS, caller_of
from imgray.frontend.dependencies import gateway_of
from imgray.frontend.schema import TaskJson
from imgray.frontend.uploads import check_image, read_form, read_raw
from imgray.gateway import Submission
from imgray.moment import parse_moment
from imgray.pipeline import Pipeline
from imgray.target import Target
from imgray.task import DEFAULT_OUTPUT

_REPEATED = frozenset({"output", "node_label"})

ACCEPTED = 202
ACCEPTED_BEFORE = 200


class Options(BaseModel):
    """What may be asked beside the image: as parameters of the URL, or as fields of a form, which go first."""

    pipeline: str = Field(
        default="", description="What to do, as in `swap:rg/convert:webp,quality=80`; the output is named `image`."
    )
    output: list[str] = Field(
        default=[],
        max_length=MAX_OUTPUTS,
        description="Instead of `pipeline`, or beside it: a name and a pipeline, as in `small=resize:320`. May be"
        " repeated; the image is decoded once.",
    )
    label: str = Field(default="", max_length=MAX_LABEL, description="Your own name for the image.")
    tenant: str = Field(
        default="", max_length=MAX_TENANT, description="On whose behalf; tenants share the workers fairly."
    )
    priority: int = Field(
        default=0, ge=-MAX_PRIORITY, le=MAX_PRIORITY, description="Tasks of a higher priority go first, always."
    )
    expires_at: str = Field(
        default="",
        description="When the result is no longer wanted, in ISO 8601 with an offset or in seconds since the epoch."
        " A task that has not finished by then fails with `deadline_passed`.",
    )
    worker: str = Field(default="", description="Only this worker may take it: by id this one process, or by name.")
    node: str = Field(default="", description="Only workers on this node may take it.")
    node_label: list[str] = Field(
        default=[], description="Only workers on nodes with this label may take it, as in `gpu=true`. May be repeated."
    )
    wait_for_worker: bool = Field(
        default=False, description="Accept it though no worker can take it yet; needs `expires_at`."
    )
    deduplicate: bool = Field(
        default=False,
        description="Without an `Idempotency-Key`, take the image's content and the pipeline for one: the same image"
        " again, for the same tenant, answers the first task.",
    )

    def with_fields(self, fields: Mapping[str, list[str]]) -> Options:
        """Put the fields of a form in the place of what the URL says.

        Raises:
            RequestValidationError: one has no valid value.
        """
        given: dict[str, object] = {
            name: values if name in _REPEATED else values[-1]
            for name, values in fields.items()
            if any(values) and name in Options.model_fields
        }
        try:
            return Options.model_validate({**self.model_dump(exclude_unset=True), **given})
        except ValidationError as error:
            problems = error.errors()
            raise RequestValidationError([{**one, "loc": ("form", *one["loc"])} for one in problems]) from error

    def submission(self, catalogue: Catalogue, idempotency_key: str, accept: str) -> Submission:
        """Say it in the gateway's terms, but for the image.

        Args:
            catalogue: by which pipelines are understood.
            idempotency_key: that of the header.
            accept: the ``Accept`` header, by which `convert:auto` chooses.

        Raises:
            PipelineError, RequestError: something in it cannot be understood.
        """
        formats = accepted_formats(accept)
        return Submission(
            {name: pipeline.accepting(formats) for name, pipeline in self._outputs(catalogue).items()},
            label=self.label,
            tenant=self.tenant,
            priority=self.priority,
            expires_at=parse_moment(self.expires_at) if self.expires_at else None,
            idempotency_key=idempotency_key,
            deduplicate=self.deduplicate,
            target=self._target(),
            waits=self.wait_for_worker,
        )

    def _target(self) -> Target:
        for text in self.node_label:
            if "=" not in text:
                raise RequestError(f"node_label={text}: write it as NAME=VALUE.")
        labels = sorted(text.partition("=")[::2] for text in self.node_label)
        return Target(self.worker, self.node, tuple(labels))

    def _outputs(self, catalogue: Catalogue) -> dict[str, Pipeline]:
        """Return the pipelines by the names of their outputs."""
        named = catalogue.parse_named(self.output)
        if named and not self.pipeline:
            return named
        if DEFAULT_OUTPUT in named:
            raise RequestError(
                f"The output '{DEFAULT_OUTPUT}' is that of pipeline: give one of the two, or another name."
            )
        return {DEFAULT_OUTPUT: catalogue.parse(self.pipeline), **named}


IMAGE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "string", "format": "binary"},
                        **Options.model_json_schema()["properties"],
                    },
                }
            },
        },
    }
}

AcceptHeader = Annotated[
    str, Header(description="`convert:auto` takes AVIF or WebP if they are named here, not by a wildcard.")
]

router = APIRouter(prefix="/v1")


async def submission_of(request: Request, options: Options, *, accept: str, idempotency_key: str = "") -> Submission:
    """Read an image, raw or in a form, and what is to be made of it.

    Raises:
        ImageError, PipelineError, RequestError: the caller can mend it.
    """
    gateway = gateway_of(request)
    # Before the body is read: what is wrong with the rest is said at once.
    asked = options.submission(gateway.catalogue, idempotency_key, accept)
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        data, name, fields = await read_form(request, "image")
        asked = options.with_fields(fields).submission(gateway.catalogue, idempotency_key, accept)
    else:
        data, name = await read_raw(request), ""
    info = await check_image(data, gateway.settings, list(asked.outputs.values()))
    return replace(asked, data=data, pixels=info.pixels, label=asked.label or name, owner=caller_of(request).name)


@router.post(
    "/tasks",
    status_code=ACCEPTED,
    tags=["tasks"],
    dependencies=SUBMITS,
    openapi_extra=IMAGE_BODY,
    responses={ACCEPTED_BEFORE: {"model": TaskJson, "description": "The earlier task with this idempotency key."}},
)
async def submit_task(
    request: Request,
    response: Response,
    options: Annotated[Options, Query()],
    *,
    idempotency_key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            max_length=MAX_IDEMPOTENCY_KEY,
            description="A name of your own for this submission. The same key again, for the same tenant, answers the"
            " first task, whatever has become of it; with another image or pipeline, 422 `idempotency_conflict`.",
        ),
    ] = "",
    accept: AcceptHeader = "",
) -> TaskJson:
    """Submit an image: the body itself, or a form with `image` and the parameters as fields.

    The answer comes when the image and the task are on disk; from then on nothing loses them. It is 202 for a new task,
    and 200 for one that was submitted before with the same `Idempotency-Key`, or the same content and `deduplicate`.
    """
    submission = await submission_of(request, options, accept=accept, idempotency_key=idempotency_key)
    (task,) = await gateway_of(request).submit([submission])
    response.status_code = ACCEPTED if task.id == submission.task_id else ACCEPTED_BEFORE
    response.headers["Location"] = f"/v1/tasks/{task.id}"
    return TaskJson.of(task)
