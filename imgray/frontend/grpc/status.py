"""Errors as gRPC tells them: a status, the sentence, and in the trailing metadata what machines go by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Protocol

from grpc import StatusCode

from imgray.errors import ImgrayError, TaskError
from imgray.frontend.dependencies import retry_after

CODES: Mapping[int, StatusCode] = MappingProxyType(
    {
        400: StatusCode.INVALID_ARGUMENT,
        401: StatusCode.UNAUTHENTICATED,
        403: StatusCode.PERMISSION_DENIED,
        404: StatusCode.NOT_FOUND,
        405: StatusCode.UNIMPLEMENTED,
        409: StatusCode.FAILED_PRECONDITION,
        410: StatusCode.FAILED_PRECONDITION,
        413: StatusCode.RESOURCE_EXHAUSTED,
        415: StatusCode.INVALID_ARGUMENT,
        422: StatusCode.INVALID_ARGUMENT,
        429: StatusCode.RESOURCE_EXHAUSTED,
        500: StatusCode.INTERNAL,
        503: StatusCode.UNAVAILABLE,
        504: StatusCode.DEADLINE_EXCEEDED,
    }
)
"""The gRPC status for each HTTP status that an error can have; docs/grpc.md is held to it."""

CODE = "imgray-code"
TASK_ID = "imgray-task-id"

_MAX_SENTENCE = 1000  # characters: the headers of an answer have 8 KiB, and a character can take nine bytes of them


class CallContext(Protocol):
    """What is known of a call, and how it ends: the context of grpc.aio, or that of Ray Serve."""

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """Return what the client sent along."""

    def peer(self) -> str:
        """Return where the call comes from, as gRPC writes it."""

    def set_code(self, code: StatusCode, /) -> None:
        """Set the status."""

    def set_details(self, details: str, /) -> None:
        """Set the sentence."""

    def set_trailing_metadata(self, trailing_metadata: list[tuple[str, str]], /) -> None:
        """Set what follows the answer."""


def tell(error: ImgrayError, context: CallContext) -> None:
    """End a call with an error.

    It is set, not raised: of what is raised, Ray Serve keeps no metadata, and writes it into its log as a defect.
    """
    metadata = {CODE: error.code, **{name.lower(): value for name, value in retry_after(error).items()}}
    if isinstance(error, TaskError) and error.task_id.isascii() and error.task_id.isprintable():
        metadata[TASK_ID] = error.task_id[:_MAX_SENTENCE]
    context.set_code(CODES.get(error.status, StatusCode.INTERNAL))
    context.set_details(str(error).encode(errors="replace").decode()[:_MAX_SENTENCE])
    context.set_trailing_metadata(list(metadata.items()))
