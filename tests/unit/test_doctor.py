"""The doctor, on real journals and real blobs that a cluster left behind."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from clusters import SWAP, WAIT_S, cluster, submit
from damage import overwrite, pages_of
from msgspec.structs import replace

from imgray import salvage, service
from imgray.blobs import BlobStore
from imgray.checkup import Kind, Report
from imgray.cli import cli
from imgray.cli.doctor import SHOWN
from imgray.doctor import examine
from imgray.errors import (
    BadSettingError,
    CommitsLostError,
    DataInUseError,
    ImgrayError,
    JournalCorruptError,
    JournalNewerError,
    OutputLostError,
    StorageUnavailableError,
)
from imgray.gateway import Submission
from imgray.journal import FILE, LOG, SALVAGED, Journal
from imgray.local import LocalCluster
from imgray.schema import MIGRATIONS
from imgray.settings import Settings
from imgray.task import Changes, Lease, State, Task, input_key, output_key


def settings_of(data: Path) -> Settings:
    """What is younger than ``call_timeout_s`` is left alone; here, nothing is."""
    return Settings(data=data, call_timeout_s=1e-6, inline_bytes=0)


def look(data: Path, **options: Any) -> Report:
    return examine(settings_of(data), lambda *_: None, **options)


def kinds(report: Report) -> list[Kind]:
    return [finding.kind for finding in report.findings]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def doctor(data: Path, *arguments: str) -> Result:
    environment = {"IMGRAY_CALL_TIMEOUT_S": "1e-6", "IMGRAY_INLINE_BYTES": "0"}
    return CliRunner(env=environment).invoke(cli, ["doctor", "--data", str(data), *arguments], catch_exceptions=False)


def blob(data: Path, key: str) -> Path:
    return data / "blobs" / key


async def left_behind(data: Path, png: bytes, *, done: int = 2, waiting: int = 2) -> tuple[list[Task], list[Task]]:
    """Have a cluster do some tasks and leave others waiting."""
    async with cluster(data, inline_bytes=0) as made:
        finished = [await made.gateway.wait((await submit(made, png)).id, WAIT_S) for _ in range(done)]
        for worker in list(made.workers):
            made.kill_worker(worker)
        queued = [await submit(made, png) for _ in range(waiting)]
    await asyncio.sleep(0.01)  # so that every blob is older than the look at it
    return finished, queued


async def served(data: Path, tasks: list[Task]) -> list[Task]:
    """Have a cluster go on with the folder, and wait for tasks."""
    async with cluster(data, inline_bytes=0) as made:
        return [await made.gateway.wait(task.id, WAIT_S) for task in tasks]


def repaired(data: Path, *found: Kind, **options: Any) -> Report:
    """Look, see that looking changes nothing, repair, and see that what was found is found no more."""
    before = content(data)
    report = look(data, **options)
    assert kinds(report) == list(found)
    assert content(data) == before
    assert kinds(look(data, repair=True, **options)) == list(found)
    assert look(data, **options).problems == 0
    return report


async def test_a_folder_that_a_cluster_left_is_healthy(tmp_path: Path, png: bytes) -> None:
    finished, queued = await left_behind(tmp_path, png)
    report = look(tmp_path, checksums=True)
    assert (report.tasks, report.blobs, report.findings) == (4, 6, [])
    before = content(tmp_path)
    assert look(tmp_path, repair=True).findings == []
    assert {name: data for name, data in content(tmp_path).items() if "blobs" in name} == {
        name: data for name, data in before.items() if "blobs" in name
    }
    assert {task.state for task in await served(tmp_path, finished + queued)} == {State.SUCCEEDED}


async def test_a_live_task_without_its_input_becomes_a_dead_letter(tmp_path: Path, png: bytes) -> None:
    _, queued = await left_behind(tmp_path, png)
    blob(tmp_path, input_key(queued[0].id)).unlink()
    report = repaired(tmp_path, Kind.INPUT_LOST)
    assert report.findings[0].subject == queued[0].id
    lost, kept = await served(tmp_path, queued)
    assert (lost.state, lost.attempts, kept.state) == (State.FAILED, 0, State.SUCCEEDED)
    assert lost.failure is not None
    assert lost.failure.code == "input_lost"


def remove(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def change(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"x")


@pytest.mark.parametrize(
    ("harm", "checksums", "said"), [(remove, False, "missing"), (cut, False, "bytes long"), (change, True, "changed")]
)
async def test_a_lost_output_makes_a_dead_letter_that_a_redrive_makes_again(
    tmp_path: Path,
    png: bytes,
    harm: Callable[[Path], None],
    checksums: bool,  # noqa: FBT001  # a parameter of the test
    said: str,
) -> None:
    (first, second), _ = await left_behind(tmp_path, png)
    key = first.outputs[0].key or ""
    whole = blob(tmp_path, key).read_bytes()
    harm(blob(tmp_path, key))
    report = repaired(tmp_path, Kind.OUTPUT_LOST, checksums=checksums)
    assert said in report.findings[0].problem
    assert not blob(tmp_path, key).exists()
    async with cluster(tmp_path, inline_bytes=0) as made:
        lost = await made.gateway.get(first.id)
        assert lost.failure is not None
        assert (lost.state, lost.failure.code) == (State.FAILED, "output_lost")
        await made.master.redrive([first.id])
        again = await made.gateway.wait(first.id, WAIT_S)
        assert await made.gateway.fetch(first.id, again.outputs[0]) == whole
        assert (await made.gateway.get(second.id)).state is State.SUCCEEDED


async def test_a_changed_output_of_the_same_size_is_found_only_by_its_checksum(tmp_path: Path, png: bytes) -> None:
    (task, *_), _ = await left_behind(tmp_path, png)
    change(blob(tmp_path, task.outputs[0].key or ""))
    assert kinds(look(tmp_path)) == []
    assert kinds(look(tmp_path, checksums=True)) == [Kind.OUTPUT_LOST]


async def test_a_result_that_went_to_a_file_is_no_blob(tmp_path: Path, png: bytes) -> None:
    (tmp_path / "in.png").write_bytes(png)
    async with cluster(tmp_path / "data", file_roots=[tmp_path]) as made:
        (task,) = await made.gateway.submit(
            [
                Submission(
                    {"image": SWAP}, path=str(tmp_path / "in.png"), destinations={"image": str(tmp_path / "o.png")}
                )
            ]
        )
        assert (await made.gateway.wait(task.id, WAIT_S)).state is State.SUCCEEDED
    (tmp_path / "o.png").unlink()
    assert look(tmp_path / "data").findings == []


async def test_blobs_that_nobody_names_are_deleted_unless_they_are_new(tmp_path: Path, png: bytes) -> None:
    _, queued = await left_behind(tmp_path, png)
    store = BlobStore((tmp_path / "blobs").as_uri())
    store.put("inputs/nobody", b"1")
    store.put(f"outputs/{queued[0].id}.1.image", b"2")
    await asyncio.sleep(0.01)
    assert kinds(examine(Settings(data=tmp_path), lambda *_: None)) == [], "somebody may be about to submit it"
    report = repaired(tmp_path, Kind.ORPHAN, Kind.ORPHAN)
    assert [finding.subject for finding in report.findings] == ["inputs/nobody", f"outputs/{queued[0].id}.1.image"]
    assert {task.state for task in await served(tmp_path, queued)} == {State.SUCCEEDED}


async def test_an_output_that_a_worker_may_be_about_to_report_is_left_alone(tmp_path: Path, png: bytes) -> None:
    """Invariant 10: workers go on while a Master is away."""
    _, (task, *_) = await left_behind(tmp_path, png)
    with closing(Journal.open(tmp_path)) as journal:
        leased = {"state": State.LEASED, "attempts": 1, "token": 77, "lease": Lease(77, "worker-1.ab", 1.0)}
        journal.write(Changes(tasks=[replace(task, **leased)]))
    BlobStore((tmp_path / "blobs").as_uri()).put(output_key(task.id, 77, "image"), b"1")
    await asyncio.sleep(0.01)
    assert look(tmp_path).findings == []
    blob(tmp_path, input_key(task.id)).unlink()
    repaired(tmp_path, Kind.INPUT_LOST)
    assert not blob(tmp_path, output_key(task.id, 77, "image")).exists()


async def test_garbage_is_collected(tmp_path: Path, png: bytes) -> None:
    finished, queued = await left_behind(tmp_path, png)
    with closing(Journal.open(tmp_path)) as journal:
        journal.write(Changes(purged=finished))
    repaired(tmp_path, *[Kind.GARBAGE] * 4)
    assert look(tmp_path).blobs == 2
    assert {task.state for task in await served(tmp_path, queued)} == {State.SUCCEEDED}


async def test_a_dead_letter_that_cannot_be_redriven_is_worth_knowing(tmp_path: Path, png: bytes) -> None:
    async with cluster(tmp_path, inline_bytes=0) as made:
        good, bad = await submit(made, png), await submit(made, b"hello")
        for task in (good, bad):
            await made.gateway.wait(task.id, WAIT_S)
    blob(tmp_path, input_key(bad.id)).unlink()
    report = look(tmp_path)
    assert (kinds(report), report.problems) == ([Kind.NOT_REDRIVABLE], 0)
    assert doctor(tmp_path).exit_code == 0


async def test_the_wrong_blob_store_is_not_taken_for_one_that_lost_everything(tmp_path: Path, png: bytes) -> None:
    await left_behind(tmp_path, png)
    (tmp_path / "elsewhere").mkdir()
    settings = Settings(data=tmp_path, blobs=(tmp_path / "elsewhere").as_uri())
    before = content(tmp_path)
    for repair in (False, True):
        with pytest.raises(BadSettingError, match="IMGRAY_BLOBS"):
            examine(settings, lambda *_: None, repair=repair)
    (tmp_path / "blobs").rename(tmp_path / "away")
    with pytest.raises(StorageUnavailableError, match="there is no folder"):
        look(tmp_path, repair=True)
    (tmp_path / "away").rename(tmp_path / "blobs")
    blobs = {name: data for name, data in before.items() if name.startswith("blobs")}
    assert {name: data for name, data in content(tmp_path).items() if name.startswith("blobs")} == blobs


# The journal itself


async def test_what_cannot_be_made_again_is_kept_as_far_as_it_is_there(tmp_path: Path, png: bytes) -> None:
    async with cluster(tmp_path, inline_bytes=0) as made:
        (task,) = await made.gateway.submit([Submission({"a": SWAP, "b": SWAP}, data=png)])
        task = await made.gateway.wait(task.id, WAIT_S)
    first, second = (output.key or "" for output in task.outputs)
    blob(tmp_path, first).unlink()
    blob(tmp_path, input_key(task.id)).unlink()
    report = look(tmp_path, repair=True)
    assert (kinds(report), report.problems) == ([Kind.NOT_REDRIVABLE], 0)
    assert blob(tmp_path, second).exists()


async def test_blobs_of_another_journal_in_the_same_store_are_kept(tmp_path: Path, png: bytes) -> None:
    store: dict[str, Any] = {"blobs": (tmp_path / "blobs").as_uri()}
    for name in ("one", "two"):
        async with cluster(tmp_path / name, inline_bytes=0, **store) as made:
            await made.gateway.wait((await submit(made, png)).id, WAIT_S)
    before = content(tmp_path / "blobs")
    settings = Settings(data=tmp_path / "one", call_timeout_s=1e-6, **store)
    report = examine(settings, lambda *_: None, repair=True)
    assert (set(kinds(report)), report.problems) == ({Kind.EVIDENCE}, 0)
    assert content(tmp_path / "blobs") == before


async def test_a_store_that_only_another_journal_has_signed_is_the_wrong_one(tmp_path: Path, png: bytes) -> None:
    for name in ("one", "two"):
        async with cluster(tmp_path / name) as made:
            await made.gateway.wait((await submit(made, png)).id, WAIT_S)
    settings = Settings(data=tmp_path / "one", blobs=(tmp_path / "two" / "blobs").as_uri())
    with pytest.raises(BadSettingError, match="another journal"):
        examine(settings, lambda *_: None, repair=True)


def crash(data: Path, after: Path) -> Path:
    """Copy the folder of a running cluster, as a power cut would leave it."""
    return Path(shutil.copytree(data, after))


async def running(data: Path, after: Path, png: bytes, count: int = 30) -> list[Task]:
    """Have a cluster accept tasks, and return them; ``after`` is how a crash at that moment leaves the folder."""
    async with LocalCluster(settings_of(data)) as made:
        for worker in list(made.workers):
            made.kill_worker(worker)
        tasks = [await submit(made, png) for _ in range(count)]
        crash(data, after)
    await asyncio.sleep(0.01)  # so that every blob is older than the look at it
    return tasks


async def test_a_log_that_was_cut_is_refused_until_the_loss_is_accepted(tmp_path: Path, png: bytes) -> None:
    after = tmp_path / "after"
    tasks = await running(tmp_path / "data", after, png)
    log = (after / LOG).read_bytes()
    (after / LOG).write_bytes(log[: len(log) // 2])
    with pytest.raises(CommitsLostError, match="acknowledged commits are missing"):
        await served(after, tasks)
    before = content(after)
    report = look(after)
    assert {name: data for name, data in content(after).items() if not name.endswith("-shm")} == {
        name: data for name, data in before.items() if not name.endswith("-shm")
    }
    lost = {finding.subject for finding in report.findings if finding.kind is Kind.EVIDENCE}
    assert kinds(report) == [Kind.COMMITS_LOST, *[Kind.EVIDENCE] * len(lost)]
    assert 0 < len(lost) < len(tasks)

    assert kinds(look(after, repair=True)) == kinds(report)
    assert (after / f"{salvage.KEPT}-1-wal").read_bytes() == log[: len(log) // 2]
    for repair in (True, False):
        again = look(after, repair=repair)
        assert {finding.subject for finding in again.findings if finding.kind is Kind.EVIDENCE} == lost
        assert again.problems == 0
    kept = [task for task in tasks if input_key(task.id) not in lost]
    assert all(blob(after, key).exists() for key in lost)
    assert {task.state for task in await served(after, kept)} == {State.SUCCEEDED}


@pytest.mark.parametrize("torn", [b"x", bytes(5000), bytes(range(256)) * 100])
async def test_a_commit_that_a_crash_cut_short_was_not_acknowledged(tmp_path: Path, png: bytes, torn: bytes) -> None:
    """Invariant 1."""
    after = tmp_path / "after"
    tasks = await running(tmp_path / "data", after, png, 5)
    with (after / LOG).open("ab") as log:
        log.write(torn)
    before = content(after)
    assert look(after).findings == []
    assert content(after) == before
    assert {task.state for task in await served(after, tasks)} == {State.SUCCEEDED}


async def test_of_damaged_pages_everything_else_is_saved(tmp_path: Path, png: bytes) -> None:
    _, tasks = await left_behind(tmp_path, png, done=0, waiting=300)
    _, first, second, *_ = pages_of(tmp_path / FILE, "tasks")  # the root is left
    for page in (first, second):
        overwrite(tmp_path / FILE, page)
    with pytest.raises(JournalCorruptError):
        await served(tmp_path, tasks)
    before = content(tmp_path)
    report = look(tmp_path)
    assert content(tmp_path) == before
    assert kinds(report)[0] is Kind.JOURNAL_DAMAGED
    assert set(kinds(report)[1:]) <= {Kind.EVIDENCE}
    assert kinds(look(tmp_path, repair=True)) == kinds(report)
    assert (tmp_path / f"{salvage.KEPT}-1").read_bytes() == before[FILE]
    assert look(tmp_path).problems == 0
    lost = {finding.subject for finding in report.findings}
    saved = [task for task in tasks if input_key(task.id) not in lost]
    assert 250 < len(saved) < 300
    assert f" {len(saved)} tasks can be read" in report.findings[0].problem
    with closing(Journal.open(tmp_path)) as journal:
        assert journal.get([task.id for task in tasks]).keys() == {task.id for task in saved}
    assert {task.state for task in await served(tmp_path, saved[:5])} == {State.SUCCEEDED}


async def test_of_a_journal_that_is_gone_or_destroyed_the_images_are_kept(
    tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(salvage, "_BEYOND", 500)  # where nothing can be read, each number is asked for
    await left_behind(tmp_path, png)
    images = {name: data for name, data in content(tmp_path).items() if name.startswith("blobs")}
    for destroy in (remove, lambda path: path.write_bytes(b"no database" * 1000)):
        destroy(tmp_path / FILE)
        report = look(tmp_path)
        assert (report.tasks, report.problems, len(report.findings)) == (0, 1, 1 + report.blobs)
        look(tmp_path, repair=True)
        assert look(tmp_path).problems == 0
        async with cluster(tmp_path, inline_bytes=0) as made:
            task = await made.gateway.wait((await submit(made, png)).id, WAIT_S)
            assert task.state is State.SUCCEEDED
        await asyncio.sleep(0.01)
    assert images.items() <= content(tmp_path).items()


async def test_a_repair_that_was_cut_short_is_ended(tmp_path: Path, png: bytes) -> None:
    """Invariant 8."""
    _, tasks = await left_behind(tmp_path, png)
    salvage.salvage(tmp_path, tmp_path / "new")
    (tmp_path / "new" / FILE).rename(tmp_path / SALVAGED)
    shutil.rmtree(tmp_path / "new")
    (tmp_path / FILE).rename(tmp_path / f"{salvage.KEPT}-1")
    with pytest.raises(JournalCorruptError, match="cut short"):
        await served(tmp_path, tasks)
    repaired(tmp_path, Kind.JOURNAL_DAMAGED)
    assert {task.state for task in await served(tmp_path, tasks)} == {State.SUCCEEDED}


def test_a_journal_of_an_older_version_is_not_damaged(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.executescript(MIGRATIONS[0])
        connection.execute("PRAGMA user_version = 1")
    (tmp_path / "blobs").mkdir()
    before = content(tmp_path)
    report = look(tmp_path)
    assert (kinds(report), report.problems) == ([Kind.OLD_SCHEMA], 0)
    assert content(tmp_path).items() >= before.items()
    look(tmp_path, repair=True)
    assert look(tmp_path).findings == []


def test_a_journal_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    Journal.open(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    (tmp_path / "blobs").mkdir()
    before = content(tmp_path)
    with pytest.raises(JournalNewerError):
        look(tmp_path, repair=True)
    assert content(tmp_path) == before


def test_a_folder_without_a_journal_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(BadSettingError, match="there is no journal"):
        look(tmp_path)
    assert content(tmp_path) == {}


def test_a_journal_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    with closing(Journal.open(tmp_path)), pytest.raises(DataInUseError):
        look(tmp_path)


# The command


async def test_the_command_says_what_it_finds_and_how_to_repair_it(tmp_path: Path, png: bytes) -> None:
    (task, *_), _ = await left_behind(tmp_path, png)
    healthy = doctor(tmp_path)
    assert (healthy.exit_code, healthy.stdout) == (0, "Healthy: 4 tasks, 6 blobs.\n")
    blob(tmp_path, task.outputs[0].key or "").unlink()
    found = doctor(tmp_path)
    assert found.exit_code == 1
    repair = "Repair: make the task a dead letter, which can be redriven."
    assert found.stdout.splitlines() == [
        f"output_lost: {OutputLostError(task.id, 'image', 'missing')} {repair}",
        f"1 problem in 4 tasks, 5 blobs. To repair: imgray doctor --repair --data {tmp_path}",
    ]
    mended = doctor(tmp_path, "--repair")
    assert (mended.exit_code, mended.stdout.splitlines()[-1]) == (0, "Repaired 1 problem in 4 tasks, 5 blobs.")
    assert doctor(tmp_path).exit_code == 0


async def test_the_command_lists_some_of_a_kind_for_people_and_all_for_machines(tmp_path: Path, png: bytes) -> None:
    await left_behind(tmp_path, png, done=1, waiting=0)
    store = BlobStore((tmp_path / "blobs").as_uri())
    for number in range(SHOWN + 5):
        store.put(f"inputs/{number:03}", b"1")
    await asyncio.sleep(0.01)
    for_people = doctor(tmp_path).stdout.splitlines()
    assert len(for_people) == SHOWN + 2
    assert for_people[SHOWN] == "orphan: ... and 5 more (--json lists them all)"
    result = doctor(tmp_path, "--json")
    answer = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (answer["healthy"], answer["repaired"], answer["problems"]) == (False, False, SHOWN + 5)
    assert answer["findings"][3] == {
        "kind": "orphan",
        "subject": "inputs/003",
        "problem": "No task names blob 'inputs/003' (1 bytes).",
        "repair": "delete it",
    }


def test_the_command_leaves_a_service_alone_even_if_its_master_is_away(tmp_path: Path) -> None:
    Journal.open(tmp_path).close()
    with service.noted(tmp_path, "http://127.0.0.1:8000"), pytest.raises(DataInUseError):
        doctor(tmp_path, "--repair")


def test_the_command_cannot_look_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(ImgrayError, match="there is no journal"):
        doctor(tmp_path)


# What is kept in the journal


async def left_inline(data: Path, png: bytes) -> tuple[Task, Task, Task]:
    """Have a cluster do two tasks, whose images and results are small, and leave one waiting."""
    async with cluster(data) as made:
        first, second = [await made.gateway.wait((await submit(made, png)).id, WAIT_S) for _ in range(2)]
        for worker in list(made.workers):
            made.kill_worker(worker)
        return first, second, await submit(made, png)


def change_journal(data: Path, statement: str, *parameters: object) -> None:
    with closing(sqlite3.connect(data / FILE)) as connection, connection:
        connection.execute(statement, parameters)


async def test_a_folder_whose_images_are_all_in_the_journal_is_healthy(tmp_path: Path, png: bytes) -> None:
    tasks = await left_inline(tmp_path, png)
    report = look(tmp_path, checksums=True)
    assert (report.tasks, report.blobs, report.findings) == (3, 0, [])
    assert look(tmp_path, repair=True, checksums=True).findings == []
    assert doctor(tmp_path).stdout == "Healthy: 3 tasks, 0 blobs.\n"
    assert {task.state for task in await served(tmp_path, list(tasks))} == {State.SUCCEEDED}


async def test_a_live_task_whose_input_is_not_in_the_journal_becomes_a_dead_letter(tmp_path: Path, png: bytes) -> None:
    first, _, waiting = await left_inline(tmp_path, png)
    change_journal(tmp_path, "DELETE FROM inputs WHERE seq IN (?, ?)", first.seq, waiting.seq)
    report = repaired(tmp_path, Kind.INPUT_LOST)  # of the finished one nobody needs it
    assert report.findings[0].subject == waiting.id
    lost, done = await served(tmp_path, [waiting, first])
    assert lost.failure is not None
    assert (lost.state, lost.attempts, lost.failure.code) == (State.FAILED, 0, "input_lost")
    assert done.state is State.SUCCEEDED


async def test_a_dead_letter_whose_input_is_not_in_the_journal_is_worth_knowing(tmp_path: Path) -> None:
    async with cluster(tmp_path) as made:
        bad = await made.gateway.wait((await submit(made, b"hello")).id, WAIT_S)
    assert look(tmp_path).findings == []
    change_journal(tmp_path, "DELETE FROM inputs")
    report = look(tmp_path)
    assert (kinds(report), report.subjects(Kind.NOT_REDRIVABLE), report.problems) == (
        [Kind.NOT_REDRIVABLE],
        [bad.id],
        0,
    )


@pytest.mark.parametrize(
    ("harm", "checksums", "said"),
    [
        ("DELETE FROM results", False, "missing"),
        ("UPDATE results SET data = substr(data, 2)", False, "bytes long"),
        ("UPDATE results SET data = x''", False, "0 bytes long"),
        ("UPDATE results SET name = 'another'", False, "missing"),
        ("UPDATE results SET data = zeroblob(length(data))", True, "changed"),
    ],
)
async def test_a_lost_output_in_the_journal_makes_a_dead_letter_that_a_redrive_makes_again(
    tmp_path: Path,
    png: bytes,
    harm: str,
    checksums: bool,  # noqa: FBT001  # a parameter of the test
    said: str,
) -> None:
    first, second, _ = await left_inline(tmp_path, png)
    async with cluster(tmp_path) as made:
        whole = await made.gateway.fetch(first.id, first.outputs[0])
    change_journal(tmp_path, f"{harm} WHERE seq = ?", first.seq)
    report = repaired(tmp_path, Kind.OUTPUT_LOST, checksums=checksums)
    assert (report.findings[0].subject, said in report.findings[0].problem) == (first.id, True)
    async with cluster(tmp_path) as made:
        lost = await made.gateway.get(first.id)
        assert lost.failure is not None
        assert (lost.state, lost.failure.code) == (State.FAILED, "output_lost")
        await made.master.redrive([first.id])
        again = await made.gateway.wait(first.id, WAIT_S)
        assert await made.gateway.fetch(first.id, again.outputs[0]) == whole
        assert await made.gateway.fetch(second.id, second.outputs[0]) == whole
    assert look(tmp_path, checksums=True).findings == []


async def test_what_is_in_the_journal_and_cannot_be_made_again_is_kept_as_far_as_it_is_there(
    tmp_path: Path, png: bytes
) -> None:
    async with cluster(tmp_path) as made:
        (task,) = await made.gateway.submit([Submission({"a": SWAP, "b": SWAP}, data=png)])
        task = await made.gateway.wait(task.id, WAIT_S)
    change_journal(tmp_path, "DELETE FROM inputs")
    change_journal(tmp_path, "DELETE FROM results WHERE name = 'a'")
    report = look(tmp_path, repair=True)
    assert (kinds(report), report.problems) == ([Kind.NOT_REDRIVABLE], 0)
    async with cluster(tmp_path) as made:
        kept = await made.gateway.fetch(task.id, task.outputs[1])
        assert len(kept) == task.outputs[1].size_bytes


async def test_images_in_a_damaged_journal_are_saved_with_their_tasks(tmp_path: Path, png: bytes) -> None:
    async with cluster(tmp_path) as made:
        for worker in list(made.workers):
            made.kill_worker(worker)
        tasks = [await submit(made, png) for _ in range(40)]
    with (tmp_path / FILE).open("r+b") as file:
        file.write(b"\xa5" * 100)
    with pytest.raises(JournalCorruptError):
        await served(tmp_path, tasks[:1])
    repaired(tmp_path, Kind.JOURNAL_DAMAGED)
    assert {task.state for task in await served(tmp_path, tasks)} == {State.SUCCEEDED}
