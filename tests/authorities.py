"""Certificates made on the spot, by an authority of the test's own."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

from imgray.credentials import client_context
from imgray.settings import Settings


@dataclass(frozen=True)
class Pair:
    """The files of a certificate and its private key."""

    cert: Path
    key: Path


class Authority:
    """A certificate authority with its files in a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._ca = trustme.CA()
        self.path = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(self.path)

    def pair(self, *names: str) -> Pair:
        """Issue a certificate for these names."""
        issued = self._ca.issue_cert(*names)
        pair = Pair(
            self._folder / f"{self.path.stem}-{names[0]}.pem", self._folder / f"{self.path.stem}-{names[0]}.key"
        )
        pair.cert.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(pair.key)
        return pair

    def trusted(self, pair: Pair | None = None) -> ssl.SSLContext:
        """Return what a client needs that trusts this authority, and shows a certificate if it has one."""
        shown = {"tls_client_cert": pair.cert, "tls_client_key": pair.key} if pair else {}
        return client_context(Settings.having(tls_ca=self.path, **shown))
