"""Blobs: immutable bytes at rest, by key, in a local folder or an object store that obstore knows.

A blob is whole and on the disk when `put` returns: written aside, synced, then renamed (by the object store's own
rules, where it is one). Keys are never written twice with different bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from imgray.crash import crash_point
from imgray.errors import StorageUnavailableError

_REFUSALS = (OSError, ValueError, BaseError)
"""What obstore raises when a disk, a network or an address is at fault."""


class BlobNotFoundError(KeyError):
    """No blob has this key; whoever asked knows which of the caller's words is to blame."""


class Blob(NamedTuple):
    """What a listing says of a blob."""

    key: str
    size_bytes: int
    modified_at: float


class Folder(NamedTuple):
    """A folder, and what tells it from every other on the same machine."""

    path: str
    device: int
    number: int


class BlobStore:
    """A flat store of immutable bytes. May be used from several threads."""

    def __init__(self, url: str, *, make: bool = True) -> None:
        """Open the store at a URL.

        Args:
            url: where it is.
            make: make its folder, if it is a local one that is not there.

        Raises:
            StorageUnavailableError: the URL or the folder cannot be used.
        """
        self._folder = _folder(url)
        if self._folder and not make and not self._folder.exists():
            raise StorageUnavailableError(f"there is no folder '{self._folder}'")
        self._synced_folders: set[Path] = set()
        try:
            self._store: ObjectStore = LocalStore(self._folder, mkdir=True) if self._folder else from_url(url)
        except _REFUSALS as error:
            raise StorageUnavailableError(f"{url}: {_first_line(error)}") from error

    @property
    def folder(self) -> Folder | None:
        """The folder where the blobs are, if they are in one.

        Raises:
            StorageUnavailableError: it cannot be looked at.
        """
        if self._folder is None:
            return None
        try:
            there = self._folder.stat()
        except OSError as error:
            raise StorageUnavailableError(_first_line(error)) from error
        return Folder(str(self._folder), there.st_dev, there.st_ino)

    def put(self, key: str, data: bytes | memoryview) -> None:
        """Store bytes under a key; they are durable when this returns.

        Raises:
            StorageUnavailableError: the disk or the object store refused.
        """
        try:
            obstore.put(self._store, key, data, use_multipart=False if self._folder else None)
            if self._folder:
                crash_point("blob-written")
                self._sync(self._folder / key)
                crash_point("blob-synced")
        except _REFUSALS as error:
            raise StorageUnavailableError(_first_line(error)) from error

    def _sync(self, path: Path) -> None:
        """Force a new file, and the names that lead to it, to the disk.

        obstore renames without syncing. Syncing after the rename is as good here as before it: nobody is told the key
        until this returns, so nobody reads what a crash in between may have torn.
        """
        _fsync(path)
        _fsync(path.parent)
        if path.parent not in self._synced_folders:  # a folder's own name is forced once
            for folder in path.parent.parents:
                _fsync(folder)
                if folder == self._folder:
                    break
            self._synced_folders.add(path.parent)

    def get(self, key: str) -> bytes:
        """Return the bytes under a key.

        Raises:
            BlobNotFoundError: there are none.
            StorageUnavailableError: the disk or the object store refused.
        """
        try:
            if self._folder:
                return (self._folder / key).read_bytes()  # as obstore would, with one copy less
            return bytes(obstore.get(self._store, key).bytes())
        except FileNotFoundError:
            raise BlobNotFoundError(key) from None
        except _REFUSALS as error:
            raise StorageUnavailableError(_first_line(error)) from error

    def delete(self, keys: Iterable[str]) -> None:
        """Delete what is there under the keys.

        Raises:
            StorageUnavailableError: the disk or the object store refused.
        """
        for key in keys:
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                continue
            except _REFUSALS as error:
                raise StorageUnavailableError(_first_line(error)) from error

    def list(self, folder: str) -> Iterator[Blob]:
        """Yield every blob whose key begins with a word and a slash.

        Raises:
            StorageUnavailableError: the disk or the object store refused.
        """
        try:
            for batch in obstore.list(self._store, f"{folder}/"):
                for found in batch:
                    yield Blob(found["path"], found["size"], found["last_modified"].timestamp())
        except _REFUSALS as error:
            raise StorageUnavailableError(_first_line(error)) from error


def _folder(url: str) -> Path | None:
    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
