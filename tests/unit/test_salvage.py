from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from damage import PAGE, overwrite, pages_of

from imgray.errors import JournalCorruptError, JournalError
from imgray.journal import FILE, LOG, SALVAGED, Journal
from imgray.salvage import KEPT, copy_journal, finish, install, next_kept, salvage
from imgray.schema import MIGRATIONS
from imgray.task import BlobSource, Changes, InlineSource, OutputSpec, State, Task, TaskSpec, input_key

TASKS = 2000
FIRST_SPEC = '{"id": "a", "source": {"key": "inputs/a"}, "outputs": [{"name": "image", "pipeline": "swap:rg"}]}'
"""As the first version wrote it."""


def task(seq: int, state: State = State.QUEUED, token: int = 0) -> Task:
    task_id = f"{seq:032x}"
    spec = TaskSpec(task_id, BlobSource(input_key(task_id)), (OutputSpec("image", "swap:rg"),), label="x" * (seq % 400))
    finished_at = 9.0 if state.finished else None
    return Task(spec, seq, state, submitted_at=1.0, ready_at=1.0, token=token, finished_at=finished_at)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed journal of many tasks, opened three times before."""
    folder = tmp_path_factory.mktemp("data")
    for _ in range(3):
        opened = Journal.open(folder)
        opened.close()
    with closing(Journal.open(folder)) as opened:
        tasks = [task(seq, State.SUCCEEDED if seq % 3 else State.QUEUED) for seq in range(1, TASKS + 1)]
        opened.write(Changes(tasks))
        opened.write(Changes(purged=tasks[:10]))
    return folder


@pytest.fixture
def damaged(journal: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(journal, tmp_path / "data"))


def read(folder: Path) -> dict[int, Task]:
    with closing(Journal.open(folder)) as opened:
        assert opened.problems() == []
        return {task.seq: task for task in opened.all()}


def test_a_sound_journal_is_salvaged_whole(damaged: Path, tmp_path: Path) -> None:
    before = read(damaged)
    found = salvage(damaged, tmp_path / "new")
    assert (found.saved, found.lost) == (TASKS - 10, 0)
    with closing(Journal.open(tmp_path / "new")) as new, closing(Journal.open(damaged)) as old:
        assert {task.seq: task for task in new.all()} == before
        assert new.counts() == old.counts()
        assert sorted(new.garbage(-1)) == sorted(old.garbage(-1))
        assert new.next_seq() == old.next_seq() == TASKS + 1
        assert new.epoch > old.epoch
        assert new.lost_at() is not None


@pytest.mark.parametrize("seed", range(12))
def test_what_stands_on_pages_that_are_whole_is_saved_whatever_else_is_damaged(
    damaged: Path, tmp_path: Path, seed: int
) -> None:
    before = read(damaged)
    pages = (damaged / FILE).stat().st_size // PAGE
    rng = random.Random(seed)
    hit = rng.sample(range(pages), rng.choice([1, 3, 10]))
    for page in hit:
        overwrite(damaged / FILE, page)
    found = salvage(damaged, tmp_path / "new")
    after = read(tmp_path / "new")
    assert len(after) == found.saved
    assert {seq: before[seq] for seq in after} == after


def test_a_damaged_leaf_costs_the_tasks_on_it_and_no_other(damaged: Path, tmp_path: Path) -> None:
    before = read(damaged)
    leaves = pages_of(damaged / FILE, "tasks")[1:]
    for leaf in (leaves[5], leaves[6], leaves[40], leaves[-1]):
        overwrite(damaged / FILE, leaf)
    found = salvage(damaged, tmp_path / "new")
    after = read(tmp_path / "new")
    assert found.lost == len(before) - len(after)
    assert 0 < found.lost < 5 * PAGE // 200
    with closing(Journal.open(tmp_path / "new")) as new:
        assert new.next_seq() == TASKS + 1, "the sequence number of a lost task came again"


@pytest.mark.parametrize("length", [1, 100, PAGE])
def test_tasks_do_not_depend_on_the_first_page(damaged: Path, tmp_path: Path, length: int) -> None:
    before = read(damaged)
    with (damaged / FILE).open("r+b") as file:
        file.write(b"\xa5" * length)
    salvage(damaged, tmp_path / "new")
    assert read(tmp_path / "new") == before
    with closing(Journal.open(tmp_path / "new")) as new:
        assert new.garbage(-1) == [], "there is no telling whether it is garbage"
        assert sum(new.counts().values()) == TASKS


def test_tasks_of_a_journal_that_was_migrated_do_not_depend_on_the_first_page(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with closing(sqlite3.connect(tmp_path / "data" / FILE)) as connection:
        connection.executescript(MIGRATIONS[0])
        connection.executemany(
            "INSERT INTO tasks VALUES (?, ?, ?, ?, 1.0, 'queued', 1.0, 0, 0, 0, NULL, NULL, NULL, '[]', NULL, '[]')",
            ((seq, f"{seq:032x}", f"outputs/{seq}", FIRST_SPEC) for seq in range(1, TASKS + 1)),
        )
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
    Journal.open(tmp_path / "data").close()
    before = read(tmp_path / "data")
    overwrite(tmp_path / "data" / FILE, 0)
    salvage(tmp_path / "data", tmp_path / "new")
    assert read(tmp_path / "new") == before
    with closing(Journal.open(tmp_path / "new")) as new:
        assert new.garbage(-1) == []


@pytest.mark.parametrize("name", ["tasks_by_state", "sqlite_autoindex_tasks_1", "meta", "purged", "garbage"])
def test_tasks_do_not_depend_on_what_else_is_in_the_file(damaged: Path, tmp_path: Path, name: str) -> None:
    before = read(damaged)
    for page in pages_of(damaged / FILE, name):
        overwrite(damaged / FILE, page)
    salvage(damaged, tmp_path / "new")
    assert read(tmp_path / "new") == before


def test_tokens_go_on_above_those_of_tasks_when_the_epoch_cannot_be_read(damaged: Path, tmp_path: Path) -> None:
    """Invariant 3."""
    with closing(Journal.open(damaged)) as opened:
        opened.write(Changes([task(TASKS + 1, State.SUCCEEDED, token=77 << 32 | 5)]))
    for page in pages_of(damaged / FILE, "meta"):
        overwrite(damaged / FILE, page)
    salvage(damaged, tmp_path / "new")
    with closing(Journal.open(tmp_path / "new")) as new:
        assert new.epoch > 77 + 1000


@pytest.mark.parametrize("content", [b"", b"no database" * 1000])
def test_of_a_file_that_is_no_journal_nothing_is_saved(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{salvage.__module__}._BEYOND", 500)  # where nothing can be read, each number is asked for
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / FILE).write_bytes(content)
    found = salvage(tmp_path / "data", tmp_path / "new")
    assert (found.saved, found.lost) == (0, None)
    assert read(tmp_path / "new") == {}


def test_a_journal_of_the_first_version_is_salvaged_too(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with closing(sqlite3.connect(tmp_path / "data" / FILE)) as connection:
        connection.executescript(MIGRATIONS[0])
        connection.execute(
            "INSERT INTO tasks VALUES (1, 'a', '', ?, 1.0, 'queued', 1.0, 0, 0, 0, NULL, NULL, NULL, '[]', NULL, '[]')",
            (FIRST_SPEC,),
        )
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
    assert salvage(tmp_path / "data", tmp_path / "new").saved == 1
    assert read(tmp_path / "new")[1].id == "a"


def test_a_disk_that_is_full_is_no_reason_to_leave_tasks_behind(
    damaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise JournalError("database or disk is full")

    monkeypatch.setattr(Journal, "write", full)
    with pytest.raises(JournalError, match="full"):
        salvage(damaged, tmp_path / "new")


def test_the_damaged_files_are_kept_each_time_under_another_name(damaged: Path, tmp_path: Path) -> None:
    (damaged / LOG).write_bytes(b"log")
    contents = {name: (damaged / name).read_bytes() for name in (FILE, LOG)}
    for number in (1, 2):
        copy_journal(damaged, tmp_path / f"copy{number}")
        salvage(tmp_path / f"copy{number}", tmp_path / f"new{number}")
        install(damaged, tmp_path / f"new{number}")
        assert len(read(damaged)) == TASKS - 10
    assert (damaged / f"{KEPT}-1").read_bytes() == contents[FILE]
    assert (damaged / f"{KEPT}-1-wal").read_bytes() == contents[LOG]
    assert next_kept(damaged) == f"{KEPT}-3"


@pytest.mark.parametrize("moved", [(), (LOG,), (LOG, FILE)])
def test_a_salvage_that_was_cut_short_is_ended_and_nothing_opened_before(
    damaged: Path, tmp_path: Path, moved: tuple[str, ...]
) -> None:
    """Invariant 8: at any moment the process may die."""
    (damaged / LOG).write_bytes(b"log")
    salvage(damaged, tmp_path / "new")
    (damaged / LOG).write_bytes(b"log")  # SQLite found nothing in it, and took it away
    shutil.copyfile(tmp_path / "new" / FILE, damaged / SALVAGED)
    for name in moved:
        (damaged / name).rename(damaged / name.replace(FILE, f"{KEPT}-1"))
    with pytest.raises(JournalCorruptError, match="cut short"):
        Journal.open(damaged)
    finish(damaged)
    assert len(read(damaged)) == TASKS - 10
    assert (damaged / f"{KEPT}-1-wal").read_bytes() == b"log"
    assert (damaged / f"{KEPT}-1").exists()


# Inputs and outputs that are kept in the journal

PARCELS = 300


def data_of(seq: int) -> bytes:
    return random.Random(seq).randbytes(300)


def parcels_of(folder: Path) -> tuple[dict[int, bytes], dict[int, dict[str, bytes]]]:
    with closing(Journal.open(folder)) as opened:
        assert opened.problems() == []
        seqs = range(PARCELS + 10)
        return opened.inputs(list(seqs)), {seq: results for seq in seqs if (results := opened.results(seq))}


@pytest.fixture
def inline(tmp_path: Path) -> Path:
    """A closed journal of tasks whose inputs, and the outputs of half of them, are kept with them."""
    folder = tmp_path / "data"
    tasks = []
    for seq in range(1, PARCELS + 1):
        spec = TaskSpec(f"{seq:032x}", InlineSource(300), (OutputSpec("image", "swap:rg"),))
        state = State.SUCCEEDED if seq % 2 else State.QUEUED
        tasks.append(Task(spec, seq, state, submitted_at=1.0, ready_at=1.0, finished_at=9.0 if seq % 2 else None))
    results = [(seq, name, data_of(seq)) for seq in range(1, PARCELS + 1, 2) for name in ("image", "ü")]
    with closing(Journal.open(folder)) as opened:
        opened.write(Changes(new=tasks, inputs=[(seq, data_of(seq)) for seq in range(1, PARCELS + 1)], results=results))
        opened.write(Changes(purged=tasks[:9:2]))
    return folder


def test_of_a_sound_journal_the_parcels_are_salvaged_whole(inline: Path, tmp_path: Path) -> None:
    tasks, parcels = read(inline), parcels_of(inline)
    assert len(parcels[0]) == len(tasks) == PARCELS - 5
    salvage(inline, tmp_path / "new")
    assert read(tmp_path / "new") == tasks
    assert parcels_of(tmp_path / "new") == parcels


def test_parcels_do_not_depend_on_the_first_page(inline: Path, tmp_path: Path) -> None:
    tasks, parcels = read(inline), parcels_of(inline)
    overwrite(inline / FILE, 0)
    salvage(inline, tmp_path / "new")
    assert read(tmp_path / "new") == tasks
    assert parcels_of(tmp_path / "new") == parcels


def test_of_tasks_that_are_lost_the_parcels_are_dropped(inline: Path, tmp_path: Path) -> None:
    inputs, results = parcels_of(inline)
    overwrite(inline / FILE, pages_of(inline / FILE, "tasks")[3])
    found = salvage(inline, tmp_path / "new")
    assert found.lost
    kept = read(tmp_path / "new")
    assert 0 < len(kept) < len(inputs)
    assert parcels_of(tmp_path / "new") == (
        {seq: data for seq, data in inputs.items() if seq in kept},
        {seq: made for seq, made in results.items() if seq in kept},
    )


def test_parcels_without_a_task_are_dropped(inline: Path, tmp_path: Path) -> None:
    parcels = parcels_of(inline)
    with closing(Journal.open(inline)) as opened:
        opened.write(Changes(inputs=[(PARCELS + 5, b"nobody's")], results=[(PARCELS + 5, "image", b"nobody's")]))
    salvage(inline, tmp_path / "new")
    assert parcels_of(tmp_path / "new") == parcels


def test_damaged_leaves_of_inputs_cost_those_on_them_and_no_other(inline: Path, tmp_path: Path) -> None:
    tasks, (inputs, results) = read(inline), parcels_of(inline)
    leaves = pages_of(inline / FILE, "inputs")[1:]
    for leaf in (leaves[2], leaves[-3]):
        overwrite(inline / FILE, leaf)
    salvage(inline, tmp_path / "new")
    assert read(tmp_path / "new") == tasks
    kept, kept_results = parcels_of(tmp_path / "new")
    assert kept.items() <= inputs.items()
    assert kept_results == results
    assert 0 < len(inputs) - len(kept) <= 2 * PAGE // 300, "whole inputs between the two are lost"


def test_damaged_leaves_of_results_cost_those_on_them_and_no_other(inline: Path, tmp_path: Path) -> None:
    tasks, (inputs, results) = read(inline), parcels_of(inline)
    leaves = pages_of(inline / FILE, "results")[1:]
    for leaf in (leaves[2], leaves[-3]):
        overwrite(inline / FILE, leaf)
    salvage(inline, tmp_path / "new")
    assert read(tmp_path / "new") == tasks
    kept_inputs, kept = parcels_of(tmp_path / "new")
    assert kept_inputs == inputs
    assert all(results[seq][name] == data for seq, made in kept.items() for name, data in made.items())
    lost = sum(map(len, results.values())) - sum(map(len, kept.values()))
    assert 0 < lost <= 2 * PAGE // 300, "whole results between the two are lost"


def test_results_do_not_depend_on_their_index(inline: Path, tmp_path: Path) -> None:
    before = parcels_of(inline)
    for page in pages_of(inline / FILE, "sqlite_autoindex_results_1"):
        overwrite(inline / FILE, page)
    salvage(inline, tmp_path / "new")
    assert parcels_of(tmp_path / "new") == before


@pytest.mark.parametrize("seed", range(8))
def test_of_parcels_on_pages_that_are_whole_none_is_mixed_up_whatever_else_is_damaged(
    inline: Path, tmp_path: Path, seed: int
) -> None:
    tasks, (inputs, results) = read(inline), parcels_of(inline)
    rng = random.Random(seed)
    for page in rng.sample(range((inline / FILE).stat().st_size // PAGE), rng.choice([1, 3, 10])):
        overwrite(inline / FILE, page)
    salvage(inline, tmp_path / "new")
    kept = read(tmp_path / "new")
    kept_inputs, kept_results = parcels_of(tmp_path / "new")
    assert kept.items() <= tasks.items()
    assert kept_inputs.items() <= inputs.items()
    assert set(kept_inputs) | set(kept_results) <= set(kept)
    assert all(results[seq][name] == data for seq, made in kept_results.items() for name, data in made.items())


def record(seq: int, name: bytes, size: int) -> bytes:
    """Write how a row of results begins: the header of https://www.sqlite.org/fileformat2.html#record_format."""
    number = seq.to_bytes(2)
    kind = 13 + 2 * len(name)
    blob = 12 + 2 * size
    return bytes([5, 2, kind, 0x80 | blob >> 7, blob & 0x7F]) + number + name


@pytest.mark.parametrize("kind", ["blob", "null"])
def test_a_row_of_a_result_whose_name_is_none_costs_no_other(inline: Path, tmp_path: Path, kind: str) -> None:
    """One bit has flipped, and a name is said to be something else."""
    tasks, (inputs, results) = read(inline), parcels_of(inline)
    seq = 151
    content = (inline / FILE).read_bytes()
    before = record(seq, b"image", 300)
    assert content.count(before) == 1
    harmed = bytearray(before)
    harmed[2] = {"blob": harmed[2] - 1, "null": 0}[kind]
    (inline / FILE).write_bytes(content.replace(before, bytes(harmed)))
    salvage(inline, tmp_path / "new")
    assert read(tmp_path / "new") == tasks
    kept_inputs, kept_results = parcels_of(tmp_path / "new")
    assert kept_inputs == inputs
    assert {one: made for one, made in kept_results.items() if one != seq} == {
        one: made for one, made in results.items() if one != seq
    }
