"""The errors of who calls: no key, not that scope, too much at a time; and of a service that would serve anyone."""

from __future__ import annotations

from imgray.errors.base import PassingError, RequestError, SetupError


class UnauthenticatedError(RequestError):
    """The request has no key, or one that this service does not know."""

    status = 401
    sentence = "{0} Send one as `Authorization: Bearer KEY`; the operator makes it with `imgray keys new`."


class ScopeMissingError(RequestError):
    """The key is known, but lacks the scope that the request needs."""

    status = 403
    sentence = "Key '{0}' lacks the scope '{1}', which this request needs."


class RateLimitedError(PassingError):
    """The key is over its ``submissions_per_s`` or ``bytes_per_s``."""

    status = 429
    sentence = "Key '{0}' is over its limit of {2:,g} ({1}). Try again in {3} s."

    @property
    def retry_after_s(self) -> int:
        """When the limit allows the same request."""
        return int(self.args[3])


class TooMuchAtOnceError(PassingError):
    """Uploads are being received that are larger together than ``max_received_bytes``."""

    status = 429
    sentence = "More than {0:,} bytes would be received at the same time (setting max_received_bytes). Try again."


class KeysNeededError(SetupError):
    """Refusing to listen beyond this machine without keys: anybody could use the service."""

    sentence = (
        "imgray does not listen on '{0}' without keys: everyone who reaches it could use it. Make a key with"
        " `imgray keys new` and name it in IMGRAY_KEYS, or use 127.0.0.1 and an SSH tunnel."
    )
