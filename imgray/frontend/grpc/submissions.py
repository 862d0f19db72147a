"""What is to be done, in the gateway's terms; the rules are those of HTTP."""

from __future__ import annotations

from dataclasses import replace

from pydantic import ValidationError

from imgray.catalogue import Catalogue
from imgray.errors import RequestError
from imgray.frontend.grpc.messages import seconds_of, target_of
from imgray.frontend.submissions import Options
from imgray.gateway import Submission
from imgray.jobs import JobRequest
from imgray.keys import Caller
from imgray.v1 import imgray_pb2 as pb


def submission_of(asked: pb.SubmitOptions, catalogue: Catalogue) -> Submission:
    """Return a submission without its image.

    Raises:
        PipelineError, RequestError: something in it cannot be understood.
    """
    options = _options(
        pipeline=asked.pipeline,
        output=[f"{output.name}={output.pipeline}" for output in asked.outputs],
        label=asked.label,
        tenant=asked.tenant,
        priority=asked.priority,
        deduplicate=asked.deduplicate,
    )
    return replace(
        options.submission(catalogue, asked.idempotency_key, asked.accept),
        expires_at=_deadline(asked),
        target=target_of(asked.target),
        waits=asked.wait_for_worker,
    )


def job_of(asked: pb.StartJobRequest, caller: Caller) -> JobRequest:
    """Return a job that is to be started.

    Raises:
        RequestError: something in it has no valid value.
    """
    options = _options(label=asked.label, tenant=asked.tenant, priority=asked.priority)
    return JobRequest(
        asked.command,
        asked.path,
        dict(asked.arguments),
        target=target_of(asked.target),
        waits=asked.wait_for_worker,
        label=options.label,
        tenant=options.tenant,
        priority=options.priority,
        expires_at=_deadline(asked),
        owner=caller.name,
    )


def _options(**given: object) -> Options:
    try:
        return Options.model_validate(given)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise RequestError(f"{'; '.join(problems)}.") from error


def _deadline(asked: pb.SubmitOptions | pb.StartJobRequest) -> float | None:
    if not asked.HasField("expires_at"):
        return None
    try:
        asked.expires_at.ToDatetime()
    except (ValueError, OverflowError) as error:
        raise RequestError(f"expires_at: {error}.") from error
    return seconds_of(asked.expires_at)
