"""Certificates and private keys, from the files that the settings name; it says which of them is wrong."""

from __future__ import annotations

import ssl
from pathlib import Path

from imgray.errors import BadSettingError
from imgray.settings import Settings

HTTP = "http/1.1"
GRPC = "h2"
"""What is spoken inside of TLS, as ALPN names it."""


def server_context(settings: Settings, protocol: str) -> ssl.SSLContext | None:
    """Return what the service shows and asks for, None without TLS.

    With mutual TLS, it asks every client for a certificate of the authority that the settings name.

    Raises:
        BadSettingError: a file cannot be loaded.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([protocol])
    _load_pair(context, ("TLS_CERT", settings.tls_cert), ("TLS_KEY", settings.tls_key))
    if settings.tls_client_ca is not None:
        _load_authorities(context, "TLS_CLIENT_CA", settings.tls_client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(settings: Settings) -> ssl.SSLContext:
    """Return which authorities a client trusts, and the certificate that it shows, if any.

    Raises:
        BadSettingError: a file cannot be loaded.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.tls_ca is None:
        context.load_default_certs()
    else:
        _load_authorities(context, "TLS_CA", settings.tls_ca)
    if settings.tls_client_cert is not None and settings.tls_client_key is not None:
        _load_pair(context, ("TLS_CLIENT_CERT", settings.tls_client_cert), ("TLS_CLIENT_KEY", settings.tls_client_key))
    return context


def _load_pair(context: ssl.SSLContext, cert: tuple[str, Path], key: tuple[str, Path]) -> None:
    _load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), *cert)  # so that below it can only be the key
    setting, path = key
    try:
        context.load_cert_chain(cert[1].expanduser(), path.expanduser(), password=_no_password)
    except (OSError, ValueError) as error:
        raise BadSettingError(setting, f"'{path}' cannot be used with '{cert[1]}': {in_words(error)}") from error


def _load_authorities(context: ssl.SSLContext, setting: str, path: Path) -> None:
    try:
        context.load_verify_locations(path.expanduser())
    except OSError as error:
        raise BadSettingError(setting, f"'{path}' cannot be used: {in_words(error)}") from error


def in_words(error: object) -> str:
    """Return what OpenSSL or the system says, without the line of its source."""
    return str(error).partition(" (_ssl.c")[0]


def _no_password() -> str:
    """Say that there is none, where OpenSSL would ask the terminal for that of an encrypted key."""
    raise ValueError("it is encrypted")
