"""API keys: which there are, what each may do, and who a caller is. It knows neither HTTP nor gRPC."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from imgray.errors import ScopeMissingError, UnauthenticatedError

PREFIX = "imgray_"
"""How every key begins, so that those who look for secrets in what is published find it."""

_RANDOM_BYTES = 32


class Scope(StrEnum):
    """What a key may do."""

    SUBMIT = "submit"
    READ = "read"
    OPERATE = "operate"


class Key(BaseModel):
    """A key as the settings know it: by its hash, with its scopes and its limits.

    A key is 256 random bits that `new_key` made. Nobody can guess it from its hash, so a plain SHA-256 is enough; the
    slow hashes that passwords need would only make every request slow.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: frozenset[Scope] = Field(min_length=1)
    submissions_per_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    bytes_per_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    live_tasks: int | None = Field(default=None, ge=1)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever makes a request: the key's name, or "" where no keys are needed."""

    name: str
    scopes: frozenset[Scope]

    def require(self, scope: Scope) -> None:
        """See that the caller may do something.

        Raises:
            ScopeMissingError: the key lacks the scope.
        """
        if scope not in self.scopes:
            raise ScopeMissingError(self.name, scope.value)


ANYONE = Caller("", frozenset(Scope))
"""The caller of a service without keys."""


class Authenticator:
    """Tells who a caller is."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._callers = [(key.sha256.encode(), Caller(key.name, key.scopes)) for key in keys]

    def authenticate(self, token: str) -> Caller:
        """Return whose key a token is; without keys, `ANYONE`.

        Raises:
            UnauthenticatedError: it is empty, or nobody's.
        """
        if not self._callers:
            return ANYONE
        if not token:
            raise UnauthenticatedError("A key is needed.")
        digest = digest_of(token).encode()
        found = None
        for known, caller in self._callers:  # all of them: how long it takes says nothing about which is near
            if hmac.compare_digest(known, digest):
                found = caller
        if found is None:
            raise UnauthenticatedError("The key is none of this service's.")
        return found


def bearer(authorization: str) -> str:
    """Return the token in an ``Authorization`` header or in gRPC's metadata of that name; "" if there is none."""
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def new_key() -> str:
    """Make a key."""
    return PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def digest_of(token: str) -> str:
    """Return the hash by which a key is known."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def repeated(keys: Sequence[Key]) -> str:
    """Say what two keys have in common that each must have for itself; "" when nothing."""
    for what in ("name", "sha256"):
        values = [getattr(key, what) for key in keys]
        for value in values:
            if values.count(value) > 1:
                return f"two keys have the {what} '{value}'"
    return ""
