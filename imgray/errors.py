"""Every error that imgray raises on purpose: one tree, each class with a stable ``code`` and an HTTP ``status``.

To add one: give it a code that is in use nowhere else, a status, and a sentence in ``__str__`` that says what was
wrong, with which input, and what to do. Arguments go to ``super().__init__`` so that an error survives pickling.

    ImgrayError
    ├── RequestError             the caller can mend it; never retried
    │   ├── ImageError           the bytes are not an image that imgray takes
    │   ├── PipelineError        the pipeline cannot be understood
    │   ├── SourceError          a path that may not, or cannot, be read or written
    │   └── TaskError            the task is unknown, or in no state for what was asked
    ├── PassingError             may pass by itself: the attempt, or the call, is repeated
    └── SetupError               the operator can mend it
"""

from __future__ import annotations

from typing import ClassVar


class ImgrayError(Exception):
    """Anything imgray refuses or fails to do, with a code for machines and a sentence for people."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    passing: ClassVar[bool] = False
    """True when repeating the same attempt later may succeed."""

    def __str__(self) -> str:
        return self.args[0] if self.args else self.code


class RequestError(ImgrayError):
    """The request itself is at fault."""

    code = "bad_request"
    status = 400


class BodyTooLargeError(RequestError):
    """The body is over ``max_body_bytes``."""

    code = "body_too_large"
    status = 413

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)

    def __str__(self) -> str:
        return f"The body is larger than the limit of {self.args[0]:,} bytes (setting max_body_bytes)."


class MethodNotAllowedError(RequestError):
    """The path exists, the method does not."""

    code = "method_not_allowed"
    status = 405


class RouteNotFoundError(RequestError):
    """No such path."""

    code = "route_not_found"
    status = 404


class ImageError(RequestError):
    """The bytes are not an image that imgray takes."""

    code = "bad_image"
    status = 422


class EmptyImageError(ImageError):
    """There are no bytes at all."""

    code = "image_empty"
    status = 400

    def __str__(self) -> str:
        return "The image is empty: 0 bytes were sent."


class NotAnImageError(ImageError):
    """The content is not of a known image format."""

    code = "not_an_image"
    status = 415

    def __init__(self, hint: str = "") -> None:
        super().__init__(hint)

    def __str__(self) -> str:
        hint = f" {self.args[0]}" if self.args[0] else ""
        return f"The content is not an image in a format that imgray reads.{hint}"


class ImageTruncatedError(ImageError):
    """The image ends before its end."""

    code = "image_truncated"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)

    def __str__(self) -> str:
        return f"The image is truncated ({self.args[0]}). Send the whole file."


class ImageCorruptError(ImageError):
    """The image contradicts its own format."""

    code = "image_corrupt"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)

    def __str__(self) -> str:
        return f"The image is corrupt ({self.args[0]})."


class TooManyPixelsError(ImageError):
    """The image is over ``max_pixels``, read from its header before anything is decompressed."""

    code = "too_many_pixels"
    status = 413

    def __init__(self, width: int, height: int, limit: int) -> None:
        super().__init__(width, height, limit)

    def __str__(self) -> str:
        width, height, limit = self.args
        return f"The image has {width} by {height} pixels; the limit is {limit:,} (setting max_pixels)."


class PipelineError(RequestError):
    """The pipeline cannot be understood."""

    code = "bad_pipeline"


class UnknownOperationError(PipelineError):
    """No operation has this name."""

    code = "unknown_operation"

    def __init__(self, name: str, nearest: str | None) -> None:
        super().__init__(name, nearest)

    def __str__(self) -> str:
        name, nearest = self.args
        hint = f" Did you mean '{nearest}'?" if nearest else " GET /v1/operations lists them all."
        return f"There is no operation '{name}'.{hint}"


class BadArgumentError(PipelineError):
    """An operation exists, but not with this argument."""

    code = "bad_argument"

    def __init__(self, operation: str, detail: str) -> None:
        super().__init__(operation, detail)

    def __str__(self) -> str:
        operation, detail = self.args
        return f"Operation '{operation}': {detail}"


class SourceError(RequestError):
    """A path that may not, or cannot, be read or written."""

    code = "bad_source"


class PathNotAllowedError(SourceError):
    """The path lies outside the folders that the operator named."""

    code = "path_not_allowed"
    status = 403

    def __init__(self, path: str) -> None:
        super().__init__(path)

    def __str__(self) -> str:
        return f"'{self.args[0]}' lies outside the folders that workers may use (setting file_roots)."


class SourceUnreadableError(SourceError):
    """The file cannot be read."""

    code = "source_unreadable"

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(path, detail)

    def __str__(self) -> str:
        return f"'{self.args[0]}' cannot be read: {self.args[1]}."


class DestinationUnwritableError(SourceError):
    """The result cannot be written where it should go."""

    code = "destination_unwritable"

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(path, detail)

    def __str__(self) -> str:
        return f"'{self.args[0]}' cannot be written: {self.args[1]}."


class TaskError(RequestError):
    """The task is unknown, or in no state for what was asked."""

    code = "task_error"

    def __init__(self, task_id: str, *details: object) -> None:
        super().__init__(task_id, *details)

    @property
    def task_id(self) -> str:
        """The task that this is about."""
        return str(self.args[0])


class TaskNotFoundError(TaskError):
    """No task has this id."""

    code = "task_not_found"
    status = 404

    def __str__(self) -> str:
        return f"There is no task '{self.task_id}'."


class TaskConflictError(TaskError):
    """The id is taken by a different submission."""

    code = "task_conflict"
    status = 409

    def __str__(self) -> str:
        return f"Task '{self.task_id}' was submitted before with another content."


class TaskNotReadyError(TaskError):
    """An output was asked for before the task finished."""

    code = "task_not_ready"
    status = 409

    def __init__(self, task_id: str, state: str) -> None:
        super().__init__(task_id, state)

    def __str__(self) -> str:
        return f"Task '{self.task_id}' is {self.args[1]}: its outputs exist when it has succeeded."


class TaskCancelledError(TaskError):
    """An output was asked for, but the task was cancelled."""

    code = "task_cancelled"
    status = 410

    def __str__(self) -> str:
        return f"Task '{self.task_id}' was cancelled."


class TaskFailedError(TaskError):
    """An output was asked for, but the task failed; ``code`` and ``status`` are those of its failure."""

    code = "task_failed"
    status = 422

    def __init__(self, task_id: str, failure_code: str, failure_status: int, message: str) -> None:
        super().__init__(task_id, failure_code, failure_status, message)
        self.code = failure_code  # type: ignore[misc]  # the failure speaks through this error
        self.status = failure_status  # type: ignore[misc]

    def __str__(self) -> str:
        return str(self.args[3])


class OutputNotFoundError(TaskError):
    """The task has no output of this name, or its output went to a file of the caller's."""

    code = "output_not_found"
    status = 404

    def __init__(self, task_id: str, name: str) -> None:
        super().__init__(task_id, name)

    def __str__(self) -> str:
        return f"Task '{self.task_id}' has no stored output '{self.args[1]}'."


class LeaseLostError(TaskError):
    """The token is not that of the task's current lease: the claim expired, was cancelled or was taken over."""

    code = "lease_lost"
    status = 409

    def __init__(self, task_id: str, token: int, story: str) -> None:
        super().__init__(task_id, token, story)

    def __str__(self) -> str:
        return f"Lease {self.args[1]:#x} on task '{self.task_id}' is lost: {self.args[2]}."


class PassingError(ImgrayError):
    """May pass by itself."""

    code = "unavailable"
    status = 503
    passing = True


class QueueFullError(PassingError):
    """Admission control: ``max_live_tasks`` are waiting or running."""

    code = "queue_full"
    status = 429

    def __init__(self, limit: int) -> None:
        super().__init__(limit)

    def __str__(self) -> str:
        return f"{self.args[0]:,} tasks are waiting or running (setting max_live_tasks). Try again later."


class MasterUnavailableError(PassingError):
    """The Master did not answer in time; the call may be repeated."""

    code = "master_unavailable"

    def __str__(self) -> str:
        return "The Master does not answer; it may be restarting. Try again shortly."


class NoWorkerError(PassingError):
    """Nobody is there to do the work yet."""

    code = "no_worker"

    def __str__(self) -> str:
        return "No worker is registered yet; tasks are accepted and will wait."


class StorageUnavailableError(PassingError):
    """Storage did not answer in time, or its disk refused."""

    code = "storage_unavailable"

    def __init__(self, detail: str = "it does not answer") -> None:
        super().__init__(detail)

    def __str__(self) -> str:
        return f"Storage is unavailable: {self.args[0]}. Try again shortly."


class JournalError(PassingError):
    """The journal could not be written, so nothing was accepted."""

    code = "journal_unavailable"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)

    def __str__(self) -> str:
        return f"The journal cannot be written: {self.args[0]}. Nothing was accepted; try again later."


class WorkerDiedError(PassingError):
    """The process that ran the attempt died."""

    code = "worker_died"
    status = 500

    def __init__(self, detail: str) -> None:
        super().__init__(detail)

    def __str__(self) -> str:
        return f"The process that ran this attempt died ({self.args[0]})."


class InputLostError(ImgrayError):
    """The input of an accepted task is not in Storage; somebody deleted it there."""

    code = "input_lost"

    def __init__(self, task_id: str) -> None:
        super().__init__(task_id)

    def __str__(self) -> str:
        return f"The input of task '{self.args[0]}' is no longer in the blob store."


class LeaseExpiredError(PassingError):
    """The worker was not heard of for ``lease_s``."""

    code = "lease_expired"
    status = 500

    def __str__(self) -> str:
        return "The worker that ran this attempt was not heard of until its lease expired."


class TaskTimeoutError(PassingError):
    """The attempt ran longer than ``task_timeout_s``."""

    code = "task_timeout"
    status = 500

    def __init__(self, limit_s: float) -> None:
        super().__init__(limit_s)

    def __str__(self) -> str:
        return f"The attempt ran longer than {self.args[0]:g} s (setting task_timeout_s)."


class SetupError(ImgrayError):
    """The operator can mend it."""

    code = "setup"


class NotLoopbackError(SetupError):
    """Refusing to listen beyond this machine, because callers are not authenticated."""

    code = "not_loopback"

    def __init__(self, host: str) -> None:
        super().__init__(host)

    def __str__(self) -> str:
        return (
            f"imgray does not listen on '{self.args[0]}': its callers are not authenticated, so it serves this "
            "machine only. Use 127.0.0.1 and an SSH tunnel, or a reverse proxy that authenticates."
        )


class ServiceError(SetupError):
    """The service could not be started, found or stopped."""

    code = "service"


class DataInUseError(SetupError):
    """A second Master on the same journal is refused."""

    code = "data_in_use"

    def __init__(self, folder: str) -> None:
        super().__init__(folder)

    def __str__(self) -> str:
        return f"'{self.args[0]}' is in use by another imgray. Stop that one, or choose another folder (--data)."


class JournalCorruptError(SetupError):
    """The journal is not one that this version can read."""

    code = "journal_unreadable"

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(path, detail)

    def __str__(self) -> str:
        return f"The journal '{self.args[0]}' cannot be read: {self.args[1]}."
