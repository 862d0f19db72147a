"""Small inputs and outputs, which are kept in the journal: over the whole service, and each part by itself."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from clusters import SWAP, WAIT_S, cluster, submit
from frontends import finished, http
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pictures import encoded, picture

from imgray.catalogue import BUILT_IN
from imgray.errors import JournalError, OutputNotFoundError, TaskNotFoundError
from imgray.gateway import Submission
from imgray.hot import Hot
from imgray.journal import FILE, Journal
from imgray.local import LocalCluster
from imgray.messages import Ack, Exchange, Outcome, Reply
from imgray.parcels import Parcels
from imgray.pipeline import Pipeline
from imgray.target import WorkerInfo
from imgray.task import BlobSource, Changes, InlineSource, OutputSpec, State, Task, TaskSpec

KEEP = BUILT_IN.parse("keep")
LARGE = encoded(picture(size=(200, 200)))


def blobs(folder: Path) -> list[str]:
    """List the blobs of inputs and outputs."""
    files = [path for name in ("inputs", "outputs") for path in (folder / "blobs" / name).rglob("*") if path.is_file()]
    return sorted(path.name.split(".")[0] for path in files)


def rows(folder: Path, statement: str) -> list[Any]:
    """Ask a journal that nobody has open."""
    with closing(sqlite3.connect(folder / FILE)) as connection:
        return connection.execute(statement).fetchall()


def change(folder: Path, statement: str, *parameters: object) -> None:
    with closing(sqlite3.connect(folder / FILE)) as connection, connection:
        connection.execute(statement, parameters)


async def done(made: LocalCluster, data: bytes, pipeline: Pipeline = SWAP) -> Task:
    return await made.gateway.wait((await submit(made, data, pipeline)).id, WAIT_S)


async def waiting(folder: Path, *images: bytes, pipeline: Pipeline = KEEP, **settings: object) -> list[Task]:
    """Have a cluster without workers accept images."""
    async with cluster(folder, **settings) as made:
        for worker in list(made.workers):
            made.kill_worker(worker)
        return [await submit(made, image, pipeline) for image in images]


# The whole service


async def test_a_small_image_and_its_result_make_no_file(tmp_path: Path, png: bytes) -> None:
    async with cluster(tmp_path) as made:
        task = await done(made, png)
        (output,) = task.outputs
        assert (task.spec.source, output.inline, output.key, output.path) == (InlineSource(len(png)), True, None, None)
        data = await made.gateway.fetch(task.id, output)
        assert len(data) == output.size_bytes
        assert blobs(tmp_path) == []
    assert rows(tmp_path, "SELECT seq, data FROM inputs") == [(task.seq, png)]
    assert rows(tmp_path, "SELECT seq, name, data FROM results") == [(task.seq, "image", data)]


@pytest.mark.parametrize(
    ("more", "inline"), [(0, True), (-1, False), (1, True)], ids=["exactly", "one byte above", "one byte below"]
)
async def test_the_limit_is_the_largest_size_that_is_kept_with_the_task(
    tmp_path: Path, png: bytes, more: int, *, inline: bool
) -> None:
    async with cluster(tmp_path, inline_bytes=len(png) + more) as made:
        task = await done(made, png, KEEP)
        assert isinstance(task.spec.source, InlineSource if inline else BlobSource)
        assert task.outputs[0].inline is inline
        assert await made.gateway.fetch(task.id, task.outputs[0]) == png
        assert blobs(tmp_path) == ([] if inline else [task.id, task.id])
    assert len(rows(tmp_path, "SELECT * FROM inputs")) == len(rows(tmp_path, "SELECT * FROM results")) == inline


async def test_without_a_limit_everything_is_a_blob(tmp_path: Path, png: bytes) -> None:
    async with cluster(tmp_path, inline_bytes=0) as made:
        task = await done(made, png)
        assert blobs(tmp_path) == [task.id, task.id]
    assert rows(tmp_path, "SELECT seq FROM inputs UNION ALL SELECT seq FROM results") == []


async def test_a_small_result_of_a_large_image_and_the_other_way_round(tmp_path: Path, png: bytes) -> None:
    async with cluster(tmp_path, inline_bytes=len(png)) as made:
        shrunk = await done(made, LARGE, BUILT_IN.parse("resize:4"))
        grown = await done(made, png, BUILT_IN.parse("resize:200,200,exact"))
        assert (type(shrunk.spec.source), shrunk.outputs[0].inline) == (BlobSource, True)
        assert (type(grown.spec.source), grown.outputs[0].inline) == (InlineSource, False)
        for task in (shrunk, grown):
            assert len(await made.gateway.fetch(task.id, task.outputs[0])) == task.outputs[0].size_bytes


async def test_small_and_large_ones_are_submitted_and_made_together(tmp_path: Path) -> None:
    images = [encoded(picture(size=(size, size), seed=size)) for size in (5, 150, 6, 160, 170, 7)]
    images.insert(3, images[0])
    async with cluster(tmp_path, inline_bytes=1000) as made:
        tasks = await made.gateway.submit([Submission.of(image, KEEP) for image in images])
        tasks = [await made.gateway.wait(task.id, WAIT_S) for task in tasks]
        assert [isinstance(task.spec.source, InlineSource) for task in tasks] == [len(one) <= 1000 for one in images]
        fetched = [await made.gateway.fetch(task.id, task.outputs[0]) for task in tasks]
        assert fetched == images
        assert blobs(tmp_path) == sorted([task.id for task in tasks if isinstance(task.spec.source, BlobSource)] * 2)


async def test_outputs_of_one_task_are_kept_each_by_its_own_size(tmp_path: Path, png: bytes) -> None:
    outputs = {"small": KEEP, "large": BUILT_IN.parse("resize:300,300,exact"), "facts": BUILT_IN.parse("info")}
    async with cluster(tmp_path) as made:
        (task,) = await made.gateway.submit([Submission(outputs, data=png)])
        task = await made.gateway.wait(task.id, WAIT_S)
        assert [output.inline for output in task.outputs] == [True, False, True]
        sizes = [len(await made.gateway.fetch(task.id, output)) for output in task.outputs]
        assert sizes == [output.size_bytes for output in task.outputs]
        with pytest.raises(OutputNotFoundError):
            await made.gateway.fetch("nobody", task.outputs[0])


@pytest.mark.parametrize("parcels_bytes", [0, 1, 1 << 20])
async def test_they_survive_the_end_of_everything(tmp_path: Path, png: bytes, parcels_bytes: int) -> None:
    """Invariants 1 and 10."""
    other = encoded(picture(seed=2))
    tasks = await waiting(tmp_path, png, other, parcels_bytes=parcels_bytes)
    async with cluster(tmp_path, parcels_bytes=parcels_bytes) as made:
        tasks = [await made.gateway.wait(task.id, WAIT_S) for task in tasks]
        assert [task.attempts for task in tasks] == [1, 1]
        assert [await made.gateway.fetch(task.id, task.outputs[0]) for task in tasks] == [png, other]
    async with cluster(tmp_path, parcels_bytes=parcels_bytes) as made:
        assert [await made.gateway.fetch(task.id, task.outputs[0]) for task in tasks] == [png, other]
    assert blobs(tmp_path) == []


async def test_nothing_need_be_kept_in_memory(tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    inputs, results = Journal.inputs, Journal.results

    def read_inputs(journal: Journal, seqs: Sequence[int]) -> dict[int, bytes]:
        read.append("inputs")
        return inputs(journal, seqs)

    def read_results(journal: Journal, seq: int) -> dict[str, bytes]:
        read.append("results")
        return results(journal, seq)

    monkeypatch.setattr(Journal, "inputs", read_inputs)
    monkeypatch.setattr(Journal, "results", read_results)
    for parcels_bytes, expected in ((1 << 20, []), (0, ["inputs", "results"])):
        async with cluster(tmp_path / str(parcels_bytes), parcels_bytes=parcels_bytes) as made:
            task = await done(made, png, KEEP)
            assert await made.gateway.fetch(task.id, task.outputs[0]) == png
        assert list(dict.fromkeys(read)) == expected


async def test_what_is_purged_takes_its_parcels_with_it_and_leaves_those_of_others(tmp_path: Path, png: bytes) -> None:
    """Invariant 5."""
    async with cluster(tmp_path) as made:
        gone, kept = await done(made, png, KEEP), await done(made, encoded(picture(seed=2)), KEEP)
        assert await made.master.purge([gone.id], {State.SUCCEEDED}) == [gone.id]
        for ask in (made.gateway.get(gone.id), made.gateway.fetch(gone.id, gone.outputs[0])):
            with pytest.raises((TaskNotFoundError, OutputNotFoundError)):
                await ask
        assert await made.gateway.fetch(kept.id, kept.outputs[0]) == encoded(picture(seed=2))
    assert rows(tmp_path, "SELECT seq FROM inputs") == rows(tmp_path, "SELECT seq FROM results") == [(kept.seq,)]


async def test_a_result_past_its_time_to_live_is_deleted_from_the_journal_too(tmp_path: Path, png: bytes) -> None:
    """Invariant 5."""
    async with cluster(tmp_path, result_ttl_s=0.3) as made:
        task = await done(made, png)
        async with asyncio.timeout(WAIT_S):
            while await made.master.get([task.id]) != [None]:
                await asyncio.sleep(0.05)
    assert rows(tmp_path, "SELECT seq FROM inputs UNION ALL SELECT seq FROM results") == []


async def test_a_commit_that_fails_brings_nothing_in_and_nobody_elses_input_later(
    tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariant 1: the number of a task that was not accepted comes again."""
    refused, accepted = png, encoded(picture(seed=2))

    def full(*_: object) -> None:
        raise JournalError("disk full")

    async with cluster(tmp_path, parcels_bytes=0) as made:
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "write", full)
            with pytest.raises(JournalError, match="disk full"):
                await submit(made, refused, KEEP)
        task = await done(made, accepted, KEEP)
        assert await made.gateway.fetch(task.id, task.outputs[0]) == accepted
    assert rows(tmp_path, "SELECT seq, data FROM inputs") == [(task.seq, accepted)]
    assert [data for (data,) in rows(tmp_path, "SELECT data FROM results")] == [accepted]


async def test_a_commit_of_a_result_that_fails_is_made_again(
    tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariant 10: a full disk makes tasks wait, not fail."""
    real, refusals = Journal.write, 0

    def full(journal: Journal, changes: Changes) -> None:
        nonlocal refusals
        if changes.results and refusals < 2:
            refusals += 1
            raise JournalError("disk full")
        real(journal, changes)

    monkeypatch.setattr(Journal, "write", full)
    async with cluster(tmp_path) as made:
        task = await done(made, png, KEEP)
        assert (task.state, task.attempts, refusals) == (State.SUCCEEDED, 1, 2)
        assert await made.gateway.fetch(task.id, task.outputs[0]) == png
    assert rows(tmp_path, "SELECT data FROM results") == [(png,)]


@pytest.mark.parametrize("parcels_bytes", [0, 1 << 20])
async def test_a_dead_letter_is_redriven_with_the_input_that_it_had(
    tmp_path: Path, png: bytes, parcels_bytes: int
) -> None:
    bad = png[:-30] + b"x" * 30
    async with cluster(tmp_path, parcels_bytes=parcels_bytes) as made:
        before = await done(made, bad)
        assert before.failure is not None
    async with cluster(tmp_path, parcels_bytes=parcels_bytes) as made:
        (queued,) = await made.master.redrive([before.id])
        assert not queued.state.finished
        after = await made.gateway.wait(before.id, WAIT_S)
    assert after.failure == before.failure, "it failed of something else: was its input there?"
    assert (after.state, len(after.history)) == (State.FAILED, 2)
    change(tmp_path, "UPDATE inputs SET data = ?", png)
    async with cluster(tmp_path, parcels_bytes=parcels_bytes) as made:
        await made.master.redrive([before.id])
        assert (await made.gateway.wait(before.id, WAIT_S)).state is State.SUCCEEDED


async def test_an_input_that_is_gone_is_a_dead_letter_that_says_so(tmp_path: Path, png: bytes) -> None:
    lost, kept = await waiting(tmp_path, png, encoded(picture(seed=2)))
    change(tmp_path, "DELETE FROM inputs WHERE seq = ?", lost.seq)
    async with cluster(tmp_path) as made:
        lost, kept = [await made.gateway.wait(task.id, WAIT_S) for task in (lost, kept)]
    assert lost.failure is not None
    assert (lost.state, lost.attempts, lost.failure.code) == (State.FAILED, 1, "input_lost")
    assert kept.state is State.SUCCEEDED


async def test_an_output_that_is_gone_is_not_found(tmp_path: Path, png: bytes) -> None:
    async with cluster(tmp_path) as made:
        task = await done(made, png)
    change(tmp_path, "DELETE FROM results")
    async with cluster(tmp_path) as made:
        with pytest.raises(OutputNotFoundError):
            await made.gateway.fetch(task.id, task.outputs[0])


async def test_a_task_that_was_submitted_before_keeps_its_first_input(tmp_path: Path, png: bytes) -> None:
    async with cluster(tmp_path) as made:
        submission = Submission.of(png, KEEP)
        first, again = [(await made.gateway.submit([submission]))[0] for _ in range(2)]
        assert first.id == again.id
        task = await made.gateway.wait(first.id, WAIT_S)
        (repeated,) = await made.gateway.submit([submission])  # when it is no longer in the table
        assert repeated == task
    assert rows(tmp_path, "SELECT seq, data FROM inputs") == [(task.seq, png)]


async def test_over_http_a_small_output_has_an_address_like_any_other(tmp_path: Path, png: bytes) -> None:
    async with http(tmp_path) as client:
        answer = await client.post("/v1/tasks", params={"pipeline": "keep", "label": "a.png"}, content=png)
        (output,) = (await finished(client, answer.headers["location"]))["outputs"]
        assert output["url"] == f"{answer.headers['location']}/outputs/image"
        fetched = await client.get(output["url"])
        assert (fetched.status_code, fetched.content, fetched.headers["content-type"]) == (200, png, "image/png")
        known = await client.get(output["url"], headers={"If-None-Match": fetched.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")
        head = await client.head(output["url"])
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(png)))
        at_once = await client.post("/v1/process", params={"pipeline": "keep"}, content=png)
        assert (at_once.status_code, at_once.content) == (200, png)
        assert (await client.delete(answer.headers["location"])).status_code < 500
    assert blobs(tmp_path) == []


# The exchange, worked by hand


class Hand:
    """A worker worked by hand."""

    def __init__(self, made: LocalCluster) -> None:
        self.master = made.master
        self.info = WorkerInfo("hand-1.x", "hand-1", "n", "h", 1, "0")

    async def call(self, seq: int, received: int = 0, want: int = 1, outcomes: tuple[Outcome, ...] = ()) -> Reply:
        held = (received,) if received else ()
        return await self.master.exchange(Exchange(self.info.id, seq, received, held, outcomes, want))


@asynccontextmanager
async def by_hand(folder: Path, **settings: object) -> AsyncIterator[tuple[LocalCluster, Hand]]:
    async with asyncio.timeout(WAIT_S), cluster(folder, **{"park_s": 60.0, **settings}) as made:
        made.kill_worker(next(iter(made.workers)))
        made._running = {"hand-1.x": asyncio.ensure_future(asyncio.sleep(3600))}  # noqa: SLF001
        hand = Hand(made)
        await made.master.register(hand.info, (), 0)
        yield made, hand


@pytest.mark.parametrize("parcels_bytes", [0, 1 << 20])
async def test_an_input_comes_with_every_grant_of_its_task_as_often_as_it_is_asked_for(
    tmp_path: Path, png: bytes, parcels_bytes: int
) -> None:
    """Invariant 11: the answer to a call was lost, and the call is made again."""
    async with by_hand(tmp_path, parcels_bytes=parcels_bytes, inline_bytes=len(png)) as (made, hand):
        small, large = await submit(made, png), await submit(made, LARGE)
        assert len((await hand.call(1)).grants) == 1
        both = await hand.call(2, want=2)
        assert {grant.spec.id: grant.data for grant in both.grants} == {small.id: png, large.id: None}
        assert (await hand.call(2, want=2)).grants == both.grants
        assert (await hand.call(3, want=0)).grants == both.grants


async def test_a_result_that_comes_too_late_is_not_kept(tmp_path: Path, png: bytes) -> None:
    """Invariant 3."""
    async with by_hand(tmp_path) as (made, hand):
        task = await submit(made, png)
        (grant,) = (await hand.call(1)).grants
        stale = Ack(task.id, grant.token - 1, (), 0.0, (("image", b"stale"),))
        assert (await hand.call(2, grant.token, 0, (stale,))).void == (stale.token,)
        assert await made.master.fetch(task.id, "image") is None
        valid = Ack(task.id, grant.token, (), 0.0, (("image", b"valid"),))
        assert (await hand.call(3, grant.token, 0, (valid,))).void == ()
        late = Ack(task.id, grant.token, (), 0.0, (("image", b"late"),))
        assert (await hand.call(4, grant.token, 0, (late,))).void == ()  # it is taken for the same one
        assert await made.master.fetch(task.id, "image") == b"valid"
    assert rows(tmp_path, "SELECT name, data FROM results") == [("image", b"valid")]


async def parks(made: LocalCluster, call: asyncio.Future[Reply], png: bytes, seen: Sequence[str] = ()) -> None:
    """See that a call waits until there is work, and then brings it."""
    answered, _ = await asyncio.wait({call}, timeout=0.2)
    assert not answered, "it was answered at once: the worker would ask again, and again"
    task = await submit(made, png)
    assert [grant.spec.id for grant in (await call).grants] == [task.id]
    assert task.id not in seen


async def test_a_worker_whose_grant_was_cancelled_before_the_answer_waits_for_the_next_one(
    tmp_path: Path, png: bytes
) -> None:
    async with by_hand(tmp_path) as (made, hand):
        task = await submit(made, png)
        granting = asyncio.ensure_future(hand.call(1))
        await asyncio.sleep(0)  # it is granted, and waits for the commit
        cancelling = asyncio.ensure_future(made.gateway.cancel(task.id))
        assert (await granting).grants == ()
        assert (await cancelling).state is State.CANCELLED
        await parks(made, asyncio.ensure_future(hand.call(2)), png, [task.id])


async def test_a_worker_whose_grant_was_cancelled_when_the_answer_was_lost_waits_for_the_next_one(
    tmp_path: Path, png: bytes
) -> None:
    async with by_hand(tmp_path) as (made, hand):
        task = await submit(made, png)
        assert len((await hand.call(1)).grants) == 1  # which the worker never hears
        await made.gateway.cancel(task.id)
        await parks(made, asyncio.ensure_future(hand.call(2)), png, [task.id])


async def test_of_two_grants_that_were_not_heard_of_the_one_that_stands_is_sent_again(
    tmp_path: Path, png: bytes
) -> None:
    async with by_hand(tmp_path) as (made, hand):
        gone, stands = await submit(made, png), await submit(made, png)
        assert len((await hand.call(1)).grants) == 1
        both = await hand.call(2, want=2)
        assert [grant.spec.id for grant in both.grants] == [gone.id, stands.id]
        await made.gateway.cancel(gone.id)
        assert (await hand.call(3, want=0)).grants == both.grants[1:]


# The journal


def new(seq: int, data: bytes = b"data") -> Task:
    spec = TaskSpec(f"id{seq}", InlineSource(len(data)), (OutputSpec("image", "keep"),))
    return Task(spec, seq, State.QUEUED, submitted_at=1.0, ready_at=1.0)


def test_a_task_that_is_new_a_second_time_is_refused_with_everything_beside_it(tmp_path: Path) -> None:
    with closing(Journal.open(tmp_path)) as journal:
        journal.write(Changes(new=[new(1)], inputs=[(1, b"first")]))
        before = list(journal.all())
        batch = Changes(
            new=[new(2), new(1), new(3)], inputs=[(2, b"2"), (1, b"second"), (3, b"3")], results=[(1, "image", b"r")]
        )
        with pytest.raises(JournalError, match="UNIQUE"):
            journal.write(batch)
        assert list(journal.all()) == before
        assert journal.inputs([1, 2, 3]) == {1: b"first"}
        assert journal.results(1) == {}
        assert journal.next_seq() == 2
        journal.write(Changes(new=[new(2)]))


def test_parcels_are_read_back_and_purged_with_their_tasks(tmp_path: Path) -> None:
    ended = [Task(new(seq).spec, seq, State.SUCCEEDED, 1.0, 1.0, finished_at=2.0) for seq in (1, 2)]
    with closing(Journal.open(tmp_path)) as journal:
        results = [(1, "a", b"1a"), (1, "b", b""), (2, "a", b"2a")]
        journal.write(Changes(new=ended, inputs=[(1, b"1"), (2, b"")], results=results))
    with closing(Journal.open(tmp_path)) as journal:
        assert journal.inputs([2, 1, 3]) == {1: b"1", 2: b""}
        assert journal.inputs([]) == {}
        assert [journal.results(seq) for seq in (1, 2, 3)] == [{"a": b"1a", "b": b""}, {"a": b"2a"}, {}]
        journal.write(Changes(results=[(2, "a", b"again")]))
        assert journal.results(2) == {"a": b"again"}
        journal.write(Changes(purged=ended[:1]))
        assert (journal.inputs([1, 2]), journal.results(1), journal.results(2)) == ({2: b""}, {}, {"a": b"again"})


# In memory


def test_what_came_is_handed_to_the_journal_once() -> None:
    parcels = Parcels(1000)
    parcels.bring("a", 1, b"in")
    parcels.deliver("a", 1, "image", b"out")
    assert parcels.drain() == ([(1, b"in")], [(1, "image", b"out")])
    assert parcels.drain() == ([], [])
    assert (parcels.input("a"), parcels.output("a", "image")) == (None, b"out")  # the input is wanted no more


def test_many_that_are_empty_take_no_more_memory_than_few_that_are_large() -> None:
    """Invariant 9."""
    parcels = Parcels(10_000)
    for seq in range(1000):
        parcels.bring(str(seq), seq, b"")
    kept = [seq for seq in range(1000) if parcels.input(str(seq)) is not None]
    assert 10 <= len(kept) <= 50
    assert kept[-1] == 999


def test_what_is_too_much_for_the_memory_is_handed_to_the_journal_all_the_same() -> None:
    parcels = Parcels(0)
    parcels.bring("a", 1, b"in")
    parcels.deliver("b", 2, "image", b"out")
    assert (parcels.input("a"), parcels.output("b", "image")) == (None, None)
    assert parcels.drain() == ([(1, b"in")], [(2, "image", b"out")])


def test_what_was_asked_for_of_late_stays_and_what_was_not_goes() -> None:
    hot: Hot[str, str] = Hot(10)
    for key in "abc":
        hot.set(key, 3, key)
    assert hot.get("a") == "a"
    hot.set("d", 4, "d")
    assert [hot.get(key) for key in "abcd"] == ["a", None, "c", "d"]
    hot.set("e", 11, "e")
    assert [hot.get(key) for key in "acde"] == [None] * 4


LIMIT = 20
KEYS = st.sampled_from("abcd")


class HotHistories(RuleBasedStateMachine):
    """Against a list: the latest last, each with its size and what it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.hot: Hot[str, object] = Hot(LIMIT)
        self.latest: list[tuple[str, int, object]] = []

    def taken(self, key: str) -> list[tuple[str, int, object]]:
        found = [one for one in self.latest if one[0] == key]
        self.latest = [one for one in self.latest if one[0] != key]
        return found

    @rule(key=KEYS, size=st.one_of(st.integers(0, LIMIT // 2), st.integers(0, LIMIT + 3)))
    def set(self, key: str, size: int) -> None:
        self.taken(key)
        self.latest.append((key, size, held := object()))
        self.hot.set(key, size, held)
        while sum(size for _, size, _ in self.latest) > LIMIT:
            del self.latest[0]

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        found = self.taken(key)
        self.latest += found
        assert self.hot.get(key) is (found[0][2] if found else None)

    @rule(key=KEYS)
    def drop(self, key: str) -> None:
        self.taken(key)
        self.hot.drop(key)

    @invariant()
    def is_as_large_as_what_it_holds(self) -> None:
        assert self.hot.size_bytes == sum(size for _, size, _ in self.latest) <= LIMIT
        assert len(self.hot._objects) == len(self.latest)  # noqa: SLF001  # nothing else is kept


TestHotHistories = HotHistories.TestCase
TestHotHistories.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
