"""All settings, each read from ``IMGRAY_<FIELD>``; docs/settings.md is checked against this class.

To add one: a field with a default, bounds and a description. Nothing else reads the environment.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from imgray.errors import BadSettingError, GrpcKeysNeededError, KeysNeededError
from imgray.keys import Key, repeated
from imgray.programs import JobProgram, Program
from imgray.scaling import PER_CORE, Bounds

DEFAULT_RECEIVED_BYTES = 512 * 2**20


class Settings(BaseSettings):
    """What an operator may choose; passed by value to every actor, so that a whole cluster agrees."""

    model_config = SettingsConfigDict(env_prefix="IMGRAY_", frozen=True, extra="forbid")

    address: str = Field(default="", description="Ray cluster to join; empty: start a private one here.")
    host: str = Field(
        default="127.0.0.1", description="Address that the service listens on; beyond loopback it needs keys."
    )
    port: int = Field(default=8000, ge=1, le=65535, description="Port that the service listens on.")
    grpc_port: int = Field(
        default=0, ge=0, le=65535, description="Port of [gRPC](grpc.md), which needs keys; 0: there is no gRPC."
    )
    hosts: tuple[str, ...] = Field(
        default=(), description="Names under which a reverse proxy passes requests on, beyond the loopback ones."
    )
    keys: tuple[Key, ...] = Field(
        default=(),
        description="API keys, as `imgray keys new` writes them; with them, every request needs one. See"
        " [security](security.md).",
    )
    tls_cert: Path | None = Field(default=None, description="The service's certificate, PEM: it then speaks TLS.")
    tls_key: Path | None = Field(default=None, description="Private key of the certificate, PEM.")
    tls_client_ca: Path | None = Field(
        default=None, description="Authority, PEM, of which clients must have a certificate: mutual TLS."
    )
    key: str = Field(
        default="",
        pattern="^[!-~]*$",
        repr=False,
        description="The key that the commands which ask a service send.",
    )
    tls_ca: Path | None = Field(
        default=None, description="Authority, PEM, that commands trust; without it, those of the system."
    )
    tls_client_cert: Path | None = Field(
        default=None, description="Certificate, PEM, that commands show to a service which asks for one."
    )
    tls_client_key: Path | None = Field(default=None, description="Private key of that certificate, PEM.")
    data: Path = Field(default=Path("~/.imgray"), description="Folder of the journal and, by default, of the blobs.")
    blobs: str = Field(
        default="",
        description="Blob store by URL (file, s3, gs, az, memory); empty: the folder blobs/ in data.",
    )
    workers: int = Field(default=0, ge=0, le=10_000, description="Size of the worker pool; 0: one per core.")
    max_workers: int = Field(
        default=0, ge=0, le=10_000, description="Size to which the pool may grow with the load; 0: it stays as it is."
    )
    scale_down_s: float = Field(
        default=60.0, gt=0, description="How long a pool that may vary must have been too large before it shrinks."
    )
    file_roots: tuple[Path, ...] = Field(
        default=(), description="Folders in which workers may read sources and write results themselves."
    )
    max_body_bytes: int = Field(default=64 * 2**20, ge=1, description="Largest request body.")
    max_received_bytes: int = Field(
        default=DEFAULT_RECEIVED_BYTES,
        ge=1,
        description="Request bodies that are being received at a time, beyond which uploads get 429;"
        " one of the largest always fits.",
    )
    max_pixels: int = Field(
        default=50_000_000, ge=1, description="Largest image, as width times height, all frames together."
    )
    max_side: int = Field(default=65_535, ge=1, description="Longest side of an image, in pixels.")
    max_frames: int = Field(default=1_000, ge=1, description="Most frames of an animation.")
    max_metadata_bytes: int = Field(
        default=4 * 2**20, ge=0, description="Most metadata in an image: EXIF, colour profile, comments."
    )
    max_memory_bytes: int = Field(
        default=3 * 2**30, ge=2**28, description="Most memory of the process in which a worker's attempts run."
    )
    operations: tuple[str, ...] = Field(
        default=(),
        description="Your own operations in Python: modules that every node can import, or paths of `.py` files, whose"
        " content travels to every node; see [extending](extending.md).",
    )
    commands: dict[str, Program] = Field(
        default={},
        description="Programs that work as operations, by the operation's name; see [extending](extending.md).",
    )
    jobs: dict[str, JobProgram] = Field(
        default={},
        description="Programs that callers may run on a worker, by the command's name; nothing else is ever run. See"
        " [jobs](jobs.md).",
    )
    presets: dict[str, str] = Field(
        default={}, description='Pipelines by name, for `preset:NAME`: as JSON, `{"thumb": "resize:256,256,fill"}`.'
    )
    job_slots: int = Field(default=8, ge=1, le=1000, description="Commands that a worker runs at a time.")
    drain_s: float = Field(
        default=30.0, gt=0, description="How long a worker that has to end waits for its commands before it stops them."
    )
    max_live_tasks: int = Field(
        default=200_000, ge=1, description="Queued and leased tasks beyond which submissions get 429."
    )
    max_live_bytes: int = Field(
        default=32 * 2**30, ge=1, description="Uploaded images of queued and leased tasks beyond which it is the same."
    )
    max_call_bytes: int = Field(
        default=512 * 2**20,
        ge=1,
        description="Images of calls to `/v1/process` that wait or run, all together, beyond which it is the same.",
    )
    idempotency_s: float = Field(
        default=86_400.0, gt=0, description="How long an idempotency key returns the task that it was first given for."
    )
    result_ttl_s: float = Field(
        default=604_800.0, ge=0, description="How long finished tasks and their results are kept; 0: for ever."
    )
    max_attempts: int = Field(default=4, ge=1, description="Attempts before a task is a dead letter.")
    retry_base_s: float = Field(default=0.5, gt=0, description="First retry delay, on average half of it.")
    retry_cap_s: float = Field(default=60.0, gt=0, description="Longest retry delay.")
    lease_s: float = Field(default=60.0, gt=0, description="A worker not heard of for so long loses its tasks.")
    task_timeout_s: float = Field(default=120.0, gt=0, description="Longest run of one attempt.")
    max_wait_s: float = Field(default=60.0, gt=0, description="Longest `wait_s` of one HTTP call.")
    park_s: float = Field(default=15.0, gt=0, description="How long the Master holds an idle worker's pull.")
    batch_s: float = Field(default=1.0, gt=0, description="Work that a worker holds ahead, in seconds.")
    max_batch: int = Field(default=256, ge=1, description="Most tasks that a worker holds at a time.")
    batch_bytes: int = Field(
        default=64 * 2**20,
        ge=1,
        description="Most uploaded images that a worker holds at a time, but for a single one.",
    )
    haproxy: bool = Field(
        default=True,
        description="In a private Ray without gRPC, requests come in by HAProxy, which comes with Ray and is several"
        " times as fast as Serve's own proxy; without, by the latter.",
    )
    sockets: bool = Field(
        default=True,
        description="Calls within a machine go over Unix sockets, and blobs in a folder there are read and written by"
        " whoever sees it; without, all goes through Ray and Storage.",
    )
    call_timeout_s: float = Field(default=30.0, gt=0, description="How long a caller keeps trying to reach an actor.")
    inline_bytes: int = Field(
        default=16_384,
        ge=0,
        le=1_000_000,
        description="Images and results up to this size are kept in the journal, with their task; 0: none are.",
    )
    parcels_bytes: int = Field(
        default=64 * 2**20, ge=0, description="What the Master keeps in memory of images and results in the journal."
    )
    cache_bytes: int = Field(default=256 * 2**20, ge=0, description="Blobs kept hot by Storage.")

    @classmethod
    def having(cls, **overrides: Any) -> Self:  # noqa: ANN401  # fields of this class, checked by pydantic
        """Read the settings, with some given here instead; None leaves one as it is.

        Raises:
            BadSettingError: one has no valid value.
        """
        try:
            return cls(**{name: value for name, value in overrides.items() if value is not None})
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            setting, *within = map(str, problem["loc"])
            said = f"{'.'.join(within)}: {problem['msg']}" if within else problem["msg"]
            raise BadSettingError(setting.upper(), said) from error
        except SettingsError as error:
            raise BadSettingError("*", f"{error}; lists are written as JSON") from error

    def portable(self) -> Self:
        """Return the settings with the content of files in place of their paths, so that they mean the same anywhere.

        The key of whoever starts the service stays here.

        Raises:
            BadSettingError: a file cannot be read.
        """
        return self.model_copy(update={"operations": tuple(map(_content, self.operations)), "key": ""})

    @property
    def data_folder(self) -> Path:
        """``data`` as an absolute path."""
        return self.data.expanduser().absolute()

    @property
    def receivable_bytes(self) -> int:
        """``max_received_bytes``, but such that the largest upload and its form fit."""
        return max(self.max_received_bytes, 2 * self.max_body_bytes)

    @property
    def pool(self) -> Bounds:
        """Between how many workers the pool may vary."""
        if not (self.workers or self.max_workers):
            return PER_CORE
        return Bounds(self.workers, max(self.workers, self.max_workers))

    @property
    def longest_park_s(self) -> float:
        """How long a pull may wait: ``park_s``, but such that a worker that waits renews its leases in time."""
        return min(self.park_s, self.lease_s / 3)

    @property
    def blobs_url(self) -> str:
        """``blobs``, or the folder beside the journal as a URL."""
        return self.blobs or (self.data_folder / "blobs").as_uri()

    @property
    def beyond_loopback(self) -> bool:
        """True when ``host`` is neither ``localhost`` nor a loopback address."""
        return not is_loopback(self.host)

    def require_keys(self) -> None:
        """Refuse to listen beyond this machine without keys.

        Raises:
            KeysNeededError, GrpcKeysNeededError: ``host`` is not loopback or there is gRPC, and there is no key.
        """
        if self.beyond_loopback and not self.keys:
            raise KeysNeededError(self.host)
        if self.grpc_port and not self.keys:
            raise GrpcKeysNeededError

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """See that settings which belong together do.

        Raises:
            BadSettingError: they do not. It is none that pydantic would make its own of.
        """
        if problem := repeated(self.keys):
            raise BadSettingError("KEYS", problem)
        for cert, key in (("tls_cert", "tls_key"), ("tls_client_cert", "tls_client_key")):
            if (getattr(self, cert) is None) != (getattr(self, key) is None):
                raise BadSettingError(key.upper(), f"IMGRAY_{cert.upper()} and this one need each other")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise BadSettingError("TLS_CLIENT_CA", "there is no TLS without IMGRAY_TLS_CERT and IMGRAY_TLS_KEY")
        return self


def _content(named: str) -> str:
    """Return the Python source in a file that a name is the path of; other names, and sources, as they are."""
    if "\n" in named or not named.endswith(".py"):
        return named
    try:
        return Path(named).expanduser().read_text(encoding="utf-8") + "\n"
    except (OSError, UnicodeError) as error:
        raise BadSettingError("OPERATIONS", f"'{named}' cannot be read: {error}") from error


def is_loopback(host: str) -> bool:
    """Say whether a host name or address means this machine."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
