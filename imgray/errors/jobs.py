"""What is wrong with a command that a worker is asked to run."""

from __future__ import annotations

from imgray.errors.base import RequestError


class JobArgumentError(RequestError):
    """An argument of a command is unknown, missing, or not one that the operator's rule allows."""

    sentence = "Argument '{0}': {1}."
