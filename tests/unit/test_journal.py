from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from imgray.errors import CommitsLostError, DataInUseError, JournalCorruptError, JournalError
from imgray.journal import FILE, LOG, Journal
from imgray.rows import COLUMNS
from imgray.scaling import PER_CORE, Bounds
from imgray.schema import MIGRATIONS
from imgray.task import (
    Attempt,
    BlobSource,
    Changes,
    Event,
    Failure,
    Filter,
    Lease,
    Output,
    OutputSpec,
    PathSource,
    State,
    Task,
    TaskSpec,
)

FAILURE = Failure("worker_died", 500, "It died.", passing=True)


def task(seq: int, state: State = State.QUEUED, **changes: Any) -> Task:
    spec = TaskSpec(
        id=f"id{seq}",
        source=BlobSource(f"inputs/id{seq}"),
        outputs=(OutputSpec("image", "swap:rg"),),
        label="ü.png",
        fingerprint=f"f{seq % 2}",
    )
    return Task(spec, seq, state, submitted_at=1.5, ready_at=2.5, **changes)


FULL = task(
    1,
    State.LEASED,
    attempts=2,
    alone=True,
    token=1 << 40,
    lease=Lease(1 << 40, "worker-1.ab", 7.0),
    outputs=(Output("image", "png", "image/png", 3, 4, 5, "ff", key="outputs/1"),),
    failure=FAILURE,
    history=(Attempt(1, "worker-1.ab", 3.0, 4.0, Event.RETRY, FAILURE), Attempt(2, "w", 5.0, 6.0, Event.ACK)),
)


def test_a_task_comes_back_as_it_was(tmp_path: Path) -> None:
    by_path = task(2)
    spec = TaskSpec("id2", PathSource("/a/\udcff.png"), (OutputSpec("a", "", "/b"), OutputSpec("c", "rotate:90")))
    by_path = Task(spec, 2, State.QUEUED, 1.0, 1.0)
    journal = Journal.open(tmp_path)
    journal.write(Changes([FULL, by_path]))
    journal.close()
    again = Journal.open(tmp_path)
    assert list(again.live()) == [FULL, by_path]
    assert again.get(["id2", "unknown", "id1"]) == {"id1": FULL, "id2": by_path}


def test_a_later_write_replaces_what_may_change(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    journal.write(Changes([task(1), task(2)]))
    done = task(1, State.SUCCEEDED, finished_at=9.0, attempts=1)
    journal.write(Changes(tasks=[done]))
    assert journal.get(["id1"]) == {"id1": done}
    assert [one.id for one in journal.live()] == ["id2"]
    assert journal.counts() == {State.SUCCEEDED: 1, State.QUEUED: 1}
    assert journal.next_seq() == 3


@pytest.mark.parametrize("count", [1, 2, 3, 255, 1023, 1024, 1025, 3000])
def test_any_number_of_tasks_is_written_and_changed_at_once(tmp_path: Path, count: int) -> None:
    numbers = range(1, count + 1)
    tasks = [replace(task(seq), ready_at=float(seq)) for seq in numbers]
    journal = Journal.open(tmp_path)
    journal.write(Changes(tasks, inputs=[(seq, b"%d" % seq) for seq in numbers]))
    assert list(journal.live()) == tasks
    assert journal.inputs([*numbers]) == {seq: b"%d" % seq for seq in numbers}
    leased = [replace(one, state=State.LEASED, token=one.seq, lease=Lease(one.seq, "w", 1.0)) for one in tasks]
    journal.write(Changes(tasks=leased, results=[(seq, "image", b"r%d" % seq) for seq in numbers]))
    assert list(journal.live()) == leased
    assert [journal.results(seq) for seq in (1, count)] == [{"image": b"r1"}, {"image": b"r%d" % count}]


def test_a_change_of_a_task_that_is_not_there_is_refused_with_all_that_comes_with_it(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    journal.write(Changes([task(1)]))
    with pytest.raises(JournalError, match="not there any more"):
        journal.write(Changes([task(3)], [task(1, State.CANCELLED), task(2, State.CANCELLED)]))
    assert list(journal.all()) == [task(1)]


def test_pages_are_newest_first_and_follow_each_other(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    journal.write(Changes([task(seq, State.FAILED if seq % 3 == 0 else State.SUCCEEDED) for seq in range(1, 11)]))
    assert [one.seq for one in journal.page(Filter(), None, 4)] == [10, 9, 8, 7]
    assert [one.seq for one in journal.page(Filter(), 7, 4)] == [6, 5, 4, 3]
    assert [one.seq for one in journal.page(Filter(states=(State.FAILED,)), 9, 4)] == [6, 3]


def test_only_a_succeeded_task_is_found_by_what_it_made_and_the_newest_one(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    journal.write(Changes([task(1, State.SUCCEEDED), task(2, State.FAILED), task(3, State.SUCCEEDED)]))
    assert {key: found.seq for key, found in journal.find(["f0", "f1", "f2"]).items()} == {"f1": 3}


def test_every_opening_has_an_epoch_of_its_own(tmp_path: Path) -> None:
    epochs = []
    for _ in range(3):
        journal = Journal.open(tmp_path)
        epochs.append(journal.epoch)
        journal.close()
    assert epochs == [1, 2, 3]


def test_a_second_opening_is_refused(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    with pytest.raises(DataInUseError, match="in use by another imgray"):
        Journal.open(tmp_path)
    journal.close()
    Journal.open(tmp_path).close()


def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 100)
    with pytest.raises(JournalCorruptError, match="not a database"):
        Journal.open(tmp_path)
    assert (tmp_path / FILE).read_bytes() == b"no database" * 100


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    Journal.open(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(JournalCorruptError, match="newer"):
        Journal.open(tmp_path)


def test_a_folder_that_cannot_be_used_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(JournalError, match="file"):
        Journal.open(tmp_path / "file" / "data")


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    clash = Task(FULL.spec, 2, State.QUEUED, 1.0, 1.0)  # the same id under another sequence number
    with pytest.raises(JournalError, match="UNIQUE"):
        journal.write(Changes([FULL, clash]))
    assert list(journal.live()) == []
    journal.write(Changes([FULL]))


def columns(connection: sqlite3.Connection) -> set[str]:
    return {name for (_, name, *_) in connection.execute("PRAGMA table_info(tasks)")}


def test_a_journal_of_the_first_version_is_migrated_with_all_that_is_in_it(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as first, first:
        first.executescript(MIGRATIONS[0])
        first.execute("PRAGMA user_version = 1")
        spec = {
            "id": "id1",
            "source": {"key": "inputs/id1"},
            "outputs": [{"name": "image", "pipeline": "swap:rg", "path": None}],
            "label": "a.png",
            "fingerprint": "f",
        }
        failure = {"code": "worker_died", "status": 500, "message": "It died.", "passing": True}
        first.execute(
            "INSERT INTO tasks VALUES (7, 'id1', 'f', ?, 1.0, 'queued', 2.0, 1, 1, 9, NULL, NULL, NULL, '[]', ?, '[]')",
            (json.dumps(spec), json.dumps(failure)),
        )
    with closing(Journal.open(tmp_path)) as journal:
        (live,) = journal.live()
        assert live.spec == TaskSpec("id1", BlobSource("inputs/id1"), (OutputSpec("image", "swap:rg"),), "a.png", "f")
        assert (live.seq, live.attempts, live.alone, live.failure) == (7, 1, True, FAILURE)
        assert (journal.next_seq(), journal.counts()) == (8, {State.QUEUED: 1})
        journal.write(Changes(tasks=[replace(live, state=State.CANCELLED, finished_at=3.0)]))


def test_every_migration_leads_to_the_same_schema(tmp_path: Path) -> None:
    Journal.open(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        assert columns(connection) == set(COLUMNS)


def test_a_commit_is_synced_to_the_disk(tmp_path: Path) -> None:
    """Invariant 1: FULL is 2; with NORMAL a power cut takes back what was answered."""
    with closing(Journal.open(tmp_path)) as journal:
        assert next(journal._rows("PRAGMA synchronous")) == (2,)  # noqa: SLF001
        assert next(journal._rows("PRAGMA journal_mode")) == ("wal",)  # noqa: SLF001


def test_purged_tasks_are_counted_and_their_blobs_remembered_until_collected(tmp_path: Path) -> None:
    """Invariant 5."""
    done = replace(FULL, state=State.SUCCEEDED, lease=None, finished_at=9.0)
    with closing(Journal.open(tmp_path)) as journal:
        journal.write(Changes([done, task(2, State.FAILED)]))
        journal.write(Changes(purged=[done]))
    with closing(Journal.open(tmp_path)) as journal:
        assert journal.get(["id1"]) == {}
        assert journal.counts() == {State.SUCCEEDED: 1, State.FAILED: 1}
        assert set(journal.garbage(10)) == {"inputs/id1", "outputs/1"}
        journal.collected(["inputs/id1", "outputs/1"])
        assert journal.garbage(10) == []


def test_a_sequence_number_does_not_come_again_after_a_purge(tmp_path: Path) -> None:
    last = task(5, State.CANCELLED, finished_at=1.0)
    with closing(Journal.open(tmp_path)) as journal:
        journal.write(Changes([last]))
        journal.write(Changes(purged=[last]))
        assert journal.next_seq() == 6


def test_tasks_expire_by_their_end_but_not_before_their_idempotency_key(tmp_path: Path) -> None:
    def ended(seq: int, finished_at: float, key: str = "") -> Task:
        one = task(seq, State.SUCCEEDED, finished_at=finished_at)
        return replace(one, spec=replace(one.spec, idempotency_key=key), submitted_at=finished_at)

    with closing(Journal.open(tmp_path)) as journal:
        journal.write(Changes([task(1), ended(2, 10), ended(3, 20), ended(4, 10, "k"), ended(5, 2, "k")]))
        assert [one.seq for one in journal.expired(15, 5, 9)] == [5, 2]


def test_tasks_are_found_by_tenant_and_key(tmp_path: Path) -> None:
    def keyed(seq: int, tenant: str, key: str) -> Task:
        return replace(task(seq), spec=replace(task(seq).spec, tenant=tenant, idempotency_key=key))

    with closing(Journal.open(tmp_path)) as journal:
        journal.write(Changes([task(1), keyed(2, "a", "k"), keyed(3, "b", "k"), keyed(4, "", "k")]))
        assert {one.seq for one in journal.keyed([("b", "k"), ("", "k"), ("a", "other"), ("", "")])} == {3, 4}


def test_pages_are_filtered(tmp_path: Path) -> None:
    with closing(Journal.open(tmp_path)) as journal:
        dead = task(1, State.FAILED, failure=FAILURE, finished_at=5.0)
        other = task(2, State.FAILED, failure=Failure("x", 1, "X."), finished_at=9.0)
        journal.write(Changes([dead, other, replace(task(3), spec=replace(task(3).spec, tenant="t"))]))
        assert [one.seq for one in journal.page(Filter(code="worker_died"), None, 9)] == [1]
        assert [one.seq for one in journal.page(Filter(tenant="t"), None, 9)] == [3]
        assert [one.seq for one in journal.page(Filter(finished_before=9.0), None, 9)] == [1]


def test_a_full_disk_refuses_the_commit_and_takes_the_next_one_when_there_is_room(tmp_path: Path) -> None:
    """Invariant 1: SQLite itself says that there is no room."""
    with closing(Journal.open(tmp_path)) as journal:
        journal.write(Changes([task(1)]))
        ((pages,),) = journal._rows("PRAGMA page_count")  # noqa: SLF001
        list(journal._rows(f"PRAGMA max_page_count = {pages}"))  # noqa: SLF001
        many = [task(seq) for seq in range(2, 500)]
        with pytest.raises(JournalError, match="full"):
            journal.write(Changes(many))
        assert [one.seq for one in journal.live()] == [1]
        list(journal._rows("PRAGMA max_page_count = 1000000"))  # noqa: SLF001
        journal.write(Changes(many))
        assert journal.counts() == {State.QUEUED: 499}


def test_a_journal_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with closing(Journal.open(tmp_path)) as journal:
        journal.write(Changes([task(1)]))
        list(journal._rows("PRAGMA query_only = 1"))  # noqa: SLF001  # as on a disk mounted read-only
        with pytest.raises(JournalError, match="readonly"):
            journal.write(Changes([task(2)]))
        assert [one.seq for one in journal.live()] == [1]


def test_a_row_that_is_damaged_is_named(tmp_path: Path) -> None:
    with closing(Journal.open(tmp_path)) as journal:
        journal.write(Changes([task(1)]))
        journal._connection.execute("UPDATE tasks SET spec = '{'")  # noqa: SLF001
        with pytest.raises(JournalCorruptError, match="id1"):
            list(journal.live())


def crashed(folder: Path, after: Path) -> Path:
    """Copy a folder whose journal is open, as a crash would leave it."""
    shutil.copytree(folder, after)
    return after


def test_a_log_that_was_cut_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """Invariant 10: what was acknowledged does not go without a word."""
    journal = Journal.open(tmp_path / "data")
    for seq in range(1, 31):
        journal.write(Changes([task(seq)]))
    after = crashed(tmp_path / "data", tmp_path / "after")
    whole = (after / LOG).read_bytes()
    (after / LOG).write_bytes(whole[: len(whole) * 2 // 3])
    for _ in range(2):
        with pytest.raises(CommitsLostError, match="acknowledged commits are missing"):
            Journal.open(after)
    (after / LOG).write_bytes(whole)
    assert len(list(Journal.open(after).all())) == 30


@pytest.mark.parametrize("torn", [b"x", b"\0" * 5000, bytes(range(256)) * 64])
def test_a_torn_end_of_the_log_loses_nothing(tmp_path: Path, torn: bytes) -> None:
    journal = Journal.open(tmp_path / "data")
    for seq in range(1, 31):
        journal.write(Changes([task(seq)]))
    after = crashed(tmp_path / "data", tmp_path / "after")
    with (after / LOG).open("ab") as log:
        log.write(torn)
    assert len(list(Journal.open(after).all())) == 30


def test_a_journal_that_is_gone_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    Journal.open(tmp_path).close()
    (tmp_path / FILE).unlink()
    with pytest.raises(CommitsLostError):
        Journal.open(tmp_path)
    assert not (tmp_path / FILE).exists()


def test_after_an_accepted_loss_no_token_and_no_mark_comes_twice(tmp_path: Path) -> None:
    """Invariant 3."""
    journal = Journal.open(tmp_path)
    before = journal.epoch
    journal.close()
    (tmp_path / FILE).unlink()
    journal = Journal.open(tmp_path, accept_loss=True)
    assert journal.epoch > before
    assert journal.lost_at() is not None
    journal.write(Changes([task(1)]))
    journal.close()
    again = Journal.open(tmp_path)
    assert (again.epoch, len(list(again.all()))) == (journal.epoch + 1, 1)


def test_text_that_is_no_text_is_damage_and_not_a_disk_that_refuses(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    journal.write(Changes([task(1)]))
    journal.close()
    content = (tmp_path / FILE).read_bytes()
    assert content.count("ü.png".encode()) == 1
    (tmp_path / FILE).write_bytes(content.replace("ü.png".encode(), b"\xff\xff.png"))
    journal = Journal.open(tmp_path)
    with pytest.raises(JournalCorruptError):
        list(journal.all())


def test_the_size_of_the_pool_is_kept_for_as_long_as_the_same_is_configured(tmp_path: Path) -> None:
    """Invariant 10."""
    journal = Journal.open(tmp_path)
    assert journal.scale(PER_CORE) is None
    journal.set_scale(PER_CORE, Bounds(1, 8))
    journal.set_scale(PER_CORE, Bounds(2, 4))
    journal.close()
    journal = Journal.open(tmp_path)
    assert journal.scale(PER_CORE) == Bounds(2, 4)
    assert journal.scale(Bounds(3, 3)) is None
