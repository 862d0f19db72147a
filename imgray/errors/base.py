"""The root of all errors, and those that have nothing to do with what an image holds."""

from __future__ import annotations

import re
from typing import ClassVar


class ImgrayError(Exception):
    """Anything imgray refuses or fails to do, with a code for machines and a sentence for people.

    The arguments fill the sentence; they alone are kept, so that an error survives pickling.
    """

    code: ClassVar[str] = "internal_error"
    """If a class does not say otherwise, its own name: ``BodyTooLargeError`` has the code ``body_too_large``."""
    status: ClassVar[int] = 500
    sentence: ClassVar[str] = "{0}"
    passing: ClassVar[bool] = False
    """True when repeating the same attempt later may succeed."""

    def __init_subclass__(cls) -> None:
        if "code" not in vars(cls):
            cls.code = re.sub("(?<!^)(?=[A-Z])", "_", cls.__name__.removesuffix("Error")).lower()

    def __str__(self) -> str:
        return self.sentence.format(*self.args)


class RequestError(ImgrayError):
    """The request itself is at fault."""

    code = "bad_request"
    status = 400


class BodyTooLargeError(RequestError):
    """The body is over ``max_body_bytes``."""

    status = 413
    sentence = "The body is larger than the limit of {0:,} bytes (setting max_body_bytes)."


class RequestTooLargeError(RequestError):
    """The body is no image, and larger than what such a request can need."""

    status = 413
    sentence = "The body is larger than the {0:,} bytes that a request to this path may have."


class MethodNotAllowedError(RequestError):
    """The path exists, the method does not."""

    status = 405
    sentence = "{0} {1}: this path does not take this method."


class RouteNotFoundError(RequestError):
    """No such path."""

    status = 404
    sentence = "{0} {1}: there is no such path. /docs lists them."


class OperationFailedError(ImgrayError):
    """A Python function of the operator's raised an exception, or returned no image."""

    sentence = "Operation '{0}' failed: {1}. Its author can mend it."


class FontNotFoundError(RequestError):
    """A font that a text names is not installed where the work is done."""

    sentence = (
        "Font '{0}' cannot be used where the work is done ({1}). Install it there, on Debian for example with"
        " apt install fonts-noto, or leave out the argument font."
    )


class HostNotAllowedError(RequestError):
    """The request names a host that this service is not, or comes from a page of another site."""

    status = 403
    sentence = "Requests for, or from pages of, '{0}' are not answered (setting hosts)."


class PipelineError(RequestError):
    """The pipeline cannot be understood."""

    code = "bad_pipeline"


class UnknownOperationError(PipelineError):
    """No operation has this name."""

    sentence = "There is no operation '{0}'. {1}"


class BadArgumentError(PipelineError):
    """An operation exists, but not with this argument."""

    sentence = "Operation '{0}': {1}"


class SourceError(RequestError):
    """A path that may not, or cannot, be read or written."""

    code = "bad_source"


class PathNotAllowedError(SourceError):
    """The path lies outside the folders that the operator named."""

    status = 403
    sentence = "'{0}' lies outside the folders that workers may use (setting {1})."

    def __init__(self, path: str, setting: str = "file_roots") -> None:
        super().__init__(path, setting)


class SourceUnreadableError(SourceError):
    """The file cannot be read."""

    sentence = "'{0}' cannot be read: {1}."


class DestinationUnwritableError(SourceError):
    """The result cannot be written where it should go."""

    sentence = "'{0}' cannot be written: {1}."


class TaskError(RequestError):
    """The task is unknown, or in no state for what was asked."""

    code = "task_error"

    @property
    def task_id(self) -> str:
        """The task that this is about."""
        return str(self.args[0])


class TaskNotFoundError(TaskError):
    """No task has this id."""

    status = 404
    sentence = "There is no task '{0}'."


class TaskConflictError(TaskError):
    """The id is taken by a different submission."""

    status = 409
    sentence = "Task '{0}' was submitted before with another content."


class IdempotencyConflictError(TaskError):
    """The idempotency key is taken by a submission that asked for something else."""

    status = 422
    sentence = "Idempotency key '{1}' belongs to task '{0}', which has another image or pipeline. Use a new key."


class TaskNotReadyError(TaskError):
    """An output was asked for before the task finished."""

    status = 409
    sentence = "Task '{0}' is {1}: its outputs exist when it has succeeded."


class TaskLiveError(TaskError):
    """A task was to be purged that has not finished."""

    status = 409
    sentence = "Task '{0}' has not finished, so it cannot be purged. Cancel it first."


class TaskCancelledError(TaskError):
    """An output was asked for, but the task was cancelled."""

    status = 410
    sentence = "Task '{0}' was cancelled."


class TaskFailedError(TaskError):
    """An output was asked for, but the task failed; ``code`` and ``status`` are those of its failure."""

    status = 422
    sentence = "{3}"

    def __init__(self, task_id: str, failure_code: str, failure_status: int, message: str) -> None:
        super().__init__(task_id, failure_code, failure_status, message)
        self.code = failure_code  # type: ignore[misc]  # the failure speaks through this error
        self.status = failure_status  # type: ignore[misc]


class OutputNotFoundError(TaskError):
    """The task has no output of this name, or its output went to a file of the caller's."""

    status = 404
    sentence = "Task '{0}' has no stored output '{1}'."


class LeaseLostError(TaskError):
    """The token is not that of the task's current lease: the claim expired, was cancelled or was taken over."""

    status = 409
    sentence = "Lease {1:#x} on task '{0}' is lost: {2}."


class InputLostError(ImgrayError):
    """The input of an accepted task is not in Storage; somebody deleted it there."""

    sentence = "The input of task '{0}' is no longer there."


class OutputLostError(ImgrayError):
    """A finished task's output is not in Storage, or not as it was; somebody deleted or changed it there."""

    sentence = "Output '{1}' of task '{0}' is {2} in the blob store. Redrive the task to make it again."


class DeadlinePassedError(ImgrayError):
    """The task had not succeeded by its ``expires_at``."""

    status = 504
    sentence = "Task '{0}' was not finished by its deadline (expires_at). Redrive it if it is still wanted."


class PassingError(ImgrayError):
    """May pass by itself."""

    code = "unavailable"
    status = 503
    passing = True

    @property
    def retry_after_s(self) -> int:
        """In how many seconds it is worth trying again."""
        return 1


class QueueFullError(PassingError):
    """Admission control: ``max_live_tasks`` or ``max_live_bytes`` are waiting or running."""

    status = 429
    sentence = "The queue is full: {0}. Try again later."


class MasterUnavailableError(PassingError):
    """The Master did not answer in time; the call may be repeated."""

    sentence = "The Master does not answer; it may be restarting. Try again shortly."


class NoWorkerError(PassingError):
    """Nobody is there to do the work yet."""

    sentence = "No worker is registered yet; tasks are accepted and will wait."


class StorageUnavailableError(PassingError):
    """Storage did not answer in time, or its disk refused."""

    sentence = "Storage is unavailable: {0}. Try again shortly."

    def __init__(self, detail: str = "it does not answer") -> None:
        super().__init__(detail)


class JournalError(PassingError):
    """The journal could not be written, so nothing was accepted."""

    code = "journal_unavailable"
    sentence = "The journal cannot be written: {0}. Nothing was accepted; try again later."


class WorkerDiedError(PassingError):
    """The process that ran the attempt died."""

    status = 500
    sentence = "The process that ran this attempt died ({0})."


class LeaseExpiredError(PassingError):
    """The worker was not heard of for ``lease_s``."""

    status = 500
    sentence = "The worker that ran this attempt was not heard of until its lease expired."


class TaskTimeoutError(PassingError):
    """The attempt ran longer than ``task_timeout_s``."""

    status = 500
    sentence = "The attempt ran longer than {0:g} s (setting task_timeout_s)."


class SetupError(ImgrayError):
    """The operator can mend it."""


class BadSettingError(SetupError):
    """A setting, or an option of the command line, has no valid value."""

    sentence = "IMGRAY_{0}: {1}."


class ServiceError(SetupError):
    """The service could not be started, found or stopped."""


class DataInUseError(SetupError):
    """A second Master on the same journal is refused."""

    sentence = "'{0}' is in use by another imgray. Stop that one, or choose another folder (--data)."


class JournalCorruptError(SetupError):
    """The journal is not one that this version can read."""

    code = "journal_unreadable"
    sentence = "The journal '{0}' cannot be read: {1}."


class CommitsLostError(JournalCorruptError):
    """Commits that were acknowledged are missing at the journal's end."""

    sentence = (
        "The last {1:,} of {2:,} acknowledged commits are missing at the end of the journal '{0}'. Restore the folder;"
        " or see with `imgray doctor` what is left, and go on with that after `imgray doctor --repair`."
    )


class JournalNewerError(JournalCorruptError):
    """The journal was written by a newer imgray."""

    sentence = "The journal '{0}' has schema version {1}, newer than that of this imgray ({2}). Use the newer imgray."
