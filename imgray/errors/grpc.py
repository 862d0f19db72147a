"""The errors of gRPC alone: Ray Serve opens its port on every interface, whatever address the service has."""

from __future__ import annotations

from imgray.errors.base import PassingError, RequestError, SetupError


class GrpcKeysNeededError(SetupError):
    """Refusing to serve gRPC without keys: anybody who reaches this machine could use it."""

    status = 403
    sentence = (
        "imgray does not serve gRPC without keys: Ray Serve opens the port on every interface. Make a key with"
        " `imgray keys new` and name it in IMGRAY_KEYS, or leave out --grpc-port."
    )


class PeerNotAllowedError(RequestError):
    """A gRPC call that came to Ray Serve's port from another machine, though the service is not offered there."""

    status = 403
    sentence = (
        "Calls from '{0}' are not answered on this port: the service listens on loopback, or speaks TLS elsewhere."
    )


class UploadCutError(RequestError):
    """An upload ended without its last message, or that tells of another size: it broke off on its way."""

    sentence = (
        "The upload broke off after {0:,} bytes: the last message has to say, by size_bytes, how many there are."
        " Nothing was accepted; send it again."
    )


class ServiceNotFoundError(RequestError):
    """The health of a service was asked for that is not here."""

    status = 404
    sentence = "There is no service '{0}' here."


class TooManyWatchersError(PassingError):
    """Too many streams of `Watch` are open."""

    status = 429
    sentence = "No more than {0} streams of Watch may be open at a time. Use Check, or try again later."
