from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import pytest

from imgray.blobs import BlobNotFoundError, BlobStore
from imgray.errors import StorageUnavailableError


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return BlobStore((tmp_path / "blobs with space").as_uri() if request.param == "file" else "memory:///")


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_a_blob_comes_back_as_it_was(store: BlobStore, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    store.put("inputs/a", data[:size])
    store.put("inputs/b", memoryview(data))
    assert store.get("inputs/a") == data[:size]
    assert store.get("inputs/b") == data


def test_an_unknown_key_is_named(store: BlobStore) -> None:
    with pytest.raises(BlobNotFoundError, match="inputs/none"):
        store.get("inputs/none")


def test_deleting_again_does_what_once_does(store: BlobStore) -> None:
    store.put("inputs/a", b"1")
    store.delete(["inputs/a", "inputs/none"])
    store.delete(["inputs/a"])
    with pytest.raises(BlobNotFoundError):
        store.get("inputs/a")


def test_a_local_store_leaves_no_temporary_files(tmp_path: Path) -> None:
    store = BlobStore(tmp_path.as_uri())
    for number in range(10):
        store.put(f"inputs/{number}", b"x" * 1000)
    assert sorted(path.name for path in (tmp_path / "inputs").iterdir()) == [str(number) for number in range(10)]


def test_a_place_that_cannot_be_used_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageUnavailableError, match="file"):
        BlobStore((tmp_path / "file" / "blobs").as_uri())
    with pytest.raises(StorageUnavailableError, match="nonsense"):
        BlobStore("nonsense://x")


def test_a_blob_and_every_name_that_leads_to_it_are_synced_before_anyone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariant 1."""
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append(str(path.relative_to(tmp_path)))
        assert path.is_dir() or path.read_bytes() == b"data", "it was synced before it was written"
        real(descriptor)

    store = BlobStore((tmp_path / "blobs").as_uri())
    monkeypatch.setattr(os, "fsync", fsync)
    store.put("inputs/a", b"data")
    assert synced == ["blobs/inputs/a", "blobs/inputs", "blobs"]
    synced.clear()
    store.put("inputs/b", b"data")
    assert synced == ["blobs/inputs/b", "blobs/inputs"]


def test_a_disk_without_room_is_an_error_and_leaves_no_part_of_a_blob(tmp_path: Path) -> None:
    """Invariant 4: the kernel itself refuses to write more."""
    store = BlobStore(tmp_path.as_uri())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(StorageUnavailableError, match="too large"):
            store.put("inputs/a", b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(BlobNotFoundError):
        store.get("inputs/a")
    store.put("inputs/a", b"x" * 5000)
    assert [(blob.key, blob.size_bytes) for blob in store.list("inputs")] == [("inputs/a", 5000)]


def test_a_listing_names_what_is_in_a_folder_and_how_large_it_is(store: BlobStore) -> None:
    for key in ("inputs/a", "inputs/b", "inputs2/c", "outputs/d"):
        store.put(key, key.encode())
    assert {(blob.key, blob.size_bytes) for blob in store.list("inputs")} == {("inputs/a", 8), ("inputs/b", 8)}
    assert all(abs(blob.modified_at - time.time()) < 60 for blob in store.list("inputs"))
    assert list(store.list("none")) == []


def test_a_folder_is_not_made_for_one_who_only_looks(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailableError, match="there is no folder"):
        BlobStore((tmp_path / "blobs").as_uri(), make=False)
    assert not (tmp_path / "blobs").exists()
