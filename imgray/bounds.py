"""The bounds of what may be asked of a task, the same for HTTP, gRPC and Python: each spec is checked."""

from __future__ import annotations

from imgray.errors import RequestError
from imgray.target import Target
from imgray.task import CommandSource, TaskSpec

MAX_LABEL = 255
"""Characters of a label that are kept."""

MAX_PRIORITY = 9
MAX_OUTPUTS = 32
"""Outputs of one task."""

MAX_TENANT = 64
MAX_IDEMPOTENCY_KEY = 255
MAX_NAME = 255
"""Characters of a tenant's label, of an idempotency key, and of each name and value in a target."""

MAX_NODE_LABELS = 32
MAX_PATH = 4096
"""Labels of a target, and characters of a command's path."""

_LATEST_AT = 253_402_300_799.0  # the last second of the year 9999, after which nothing can write a date


def label_of(text: str) -> str:
    """Return as much of a caller's own name for something as is kept; a file name may not even be text."""
    return text.encode(errors="replace").decode()[:MAX_LABEL]


def check_spec(spec: TaskSpec) -> None:
    """See that nothing in it is beyond the bounds, or could not be shown again.

    Raises:
        RequestError: something is.
    """
    check_name("tenant", spec.tenant, MAX_TENANT)
    if not isinstance(spec.priority, int) or not -MAX_PRIORITY <= spec.priority <= MAX_PRIORITY:
        raise RequestError(f"priority={spec.priority}: use {-MAX_PRIORITY} (last) to {MAX_PRIORITY} (first).")
    if spec.expires_at is not None and not 0 <= spec.expires_at <= _LATEST_AT:  # the Master knows whether it is past
        raise RequestError(f"expires_at={spec.expires_at:g} is no time before the year 10000. Give a time to come.")
    if spec.waits and spec.expires_at is None:
        raise RequestError("What is to wait for a worker needs a time until when: expires_at.")
    if len(spec.outputs) > MAX_OUTPUTS:
        raise RequestError(f"{len(spec.outputs)} outputs are asked for; the limit is {MAX_OUTPUTS}.")
    for output in spec.outputs:
        _check_text(f"pipeline of output '{output.name}'", output.pipeline)
    _check_target(spec.target)
    if isinstance(spec.source, CommandSource):
        check_name("command", spec.source.command, MAX_NAME)
        _check_text("path", spec.source.path)
        if len(spec.source.path) > MAX_PATH:
            raise RequestError(f"The path has {len(spec.source.path):,} characters; the limit is {MAX_PATH:,}.")
        for name, value in spec.source.arguments:
            _check_text(f"argument '{name}'", value)


def check_name(what: str, text: str, most: int) -> None:
    """See that something is short, and can be printed.

    Raises:
        RequestError: it is not.
    """
    if len(text) > most or not text.isprintable():
        raise RequestError(f"The {what} {text[:most]!r} is not of at most {most} printable characters.")


def _check_target(target: Target) -> None:
    if len(target.labels) > MAX_NODE_LABELS:
        raise RequestError(f"{len(target.labels)} node labels are asked for; the limit is {MAX_NODE_LABELS}.")
    for what, text in (
        ("worker", target.worker),
        ("node", target.node),
        *(("node label", part) for label in target.labels for part in label),
    ):
        check_name(what, text, MAX_NAME)


def _check_text(what: str, text: str) -> None:
    """See that a text is one: half a character would break whoever shows it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RequestError(f"The {what} is not text: {text[error.start : error.end]!r} is no character.") from error
