"""The errors of workers and of what is asked of one: not there, not allowed, ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from imgray.errors.base import ImgrayError, PassingError, RequestError, TaskError


class WorkerNotFoundError(RequestError):
    """No worker is registered that the request, or the target of a task, names."""

    status = 404
    sentence = (
        "No worker is there that could take it ({0}); GET /v1/workers lists them. To have a task wait for one, send"
        " wait_for_worker=true and expires_at."
    )


class WorkersReturningError(PassingError):
    """The Master has just started, and its workers have not all registered again."""

    sentence = "The Master has just started, and no worker that could take it ({0}) has registered yet. Try again."


class TargetLostError(ImgrayError):
    """The only worker that might take the task ended before it did."""

    status = 410
    sentence = "Worker '{0}', for which alone this task was meant, has ended. Submit it for another."


class CommandNotAllowedError(RequestError):
    """The operator has not allowed this command."""

    status = 403
    sentence = "Command '{0}' is not allowed here. {1}. An operator allows commands by the setting jobs."

    @classmethod
    def among(cls, command: str, allowed: Iterable[str]) -> Self:
        """Say which are allowed."""
        names = ", ".join(sorted(allowed))
        return cls(command, f"Allowed are: {names}" if names else "None is")


class JobFailedError(ImgrayError):
    """The program of a command task ended with another status than 0, or by a signal; its output says more."""

    sentence = "{0}"


class JobTimeoutError(ImgrayError):
    """The program of a command task ran longer than its ``timeout_s``."""

    status = 504
    sentence = "The program ran longer than the {0:g} s that its command may take (setting jobs, timeout_s)."


class JobNotFoundError(RequestError):
    """No command task has this id, on this worker."""

    status = 404
    sentence = "No job '{0}' was started on worker '{1}'."


class NotACommandError(TaskError):
    """The task is about an image, and writes no output that could be followed."""

    status = 409
    sentence = "Task '{0}' runs no command, so that there is no output to follow."


class WorkerUnavailableError(PassingError):
    """A worker did not answer in time; it may be about to be replaced."""

    sentence = "The worker does not answer; it may be restarting. Try again shortly."


class WorkerDrainedError(ImgrayError):
    """The command was ended because its worker had to end."""

    status = 503
    sentence = "The worker had to end, and stopped the program."
