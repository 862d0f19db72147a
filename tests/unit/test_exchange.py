"""The exchange between workers and the Master, worked by hand: lost, repeated, overtaken and late calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from clusters import cluster, submit

from imgray.local import LocalCluster
from imgray.messages import Ack, Exchange, Outcome, Reply
from imgray.target import WorkerInfo
from imgray.task import State


class Hand:
    """A worker worked by hand, to send what a network would make of its calls."""

    def __init__(self, made: LocalCluster, number: int = 1) -> None:
        self.master = made.master
        self.info = WorkerInfo(f"hand-{number}.x", f"hand-{number}", "n", "h", 1, "0")

    async def call(
        self,
        seq: int,
        received: int = 0,
        want: int = 1,
        held: tuple[int, ...] = (),
        outcomes: tuple[Outcome, ...] = (),
    ) -> Reply:
        return await self.master.exchange(Exchange(self.info.id, seq, received, held, outcomes, want))


@asynccontextmanager
async def by_hand(folder: Path) -> AsyncIterator[tuple[LocalCluster, Hand]]:
    async with cluster(folder, park_s=0.2) as made:
        made.kill_worker(next(iter(made.workers)))
        made._running = {"hand-1.x": asyncio.ensure_future(asyncio.sleep(3600))}  # noqa: SLF001
        hand = Hand(made)
        await made.master.register(hand.info, (), 0)
        yield made, hand


async def test_a_call_repeated_grants_nothing_new_and_brings_what_was_lost(tmp_path: Path, png: bytes) -> None:
    """Invariant 11: the answer to a call was lost, and the call is made again."""
    async with by_hand(tmp_path) as (made, hand):
        await submit(made, png)
        await submit(made, png)
        first = await hand.call(1)
        assert len(first.grants) == 1
        assert (await hand.call(1)).grants == first.grants
        later = await hand.call(2, received=0, want=0)
        assert later.grants == first.grants
        token = first.grants[0].token
        assert (await hand.call(3, received=token, want=0, held=(token,))).grants == ()


async def test_a_grant_to_the_waiting_call_is_not_taken_for_heard_because_a_repetition_was_answered(
    tmp_path: Path, png: bytes
) -> None:
    """Invariant 11: call 1 waits, its repetition is answered at once, and only then is there work."""
    async with by_hand(tmp_path) as (made, hand):
        waiting = asyncio.ensure_future(hand.call(1))
        await asyncio.sleep(0)
        assert (await hand.call(1)).grants == ()
        await submit(made, png)
        granted = (await waiting).grants  # which the worker never hears: it has had its answer
        assert (await hand.call(2)).grants == granted


async def test_a_registration_that_was_overtaken_takes_nothing_back(tmp_path: Path, png: bytes) -> None:
    """Invariant 11."""
    async with by_hand(tmp_path) as (made, hand):
        task = await submit(made, png)
        await hand.call(5)
        await made.master.register(hand.info, (), 0)
        assert (await made.gateway.get(task.id)).state is State.LEASED


async def test_an_outcome_repeated_counts_once_and_a_stale_one_is_void(tmp_path: Path, png: bytes) -> None:
    """Invariants 3 and 11."""
    async with by_hand(tmp_path) as (made, hand):
        task = await submit(made, png)
        (grant,) = (await hand.call(1)).grants
        done = Ack(task.id, grant.token, ())
        for seq in (2, 3, 3):
            assert (
                await hand.call(seq, received=grant.token, want=0, held=(grant.token,), outcomes=(done,))
            ).void == ()
        stale = Ack(task.id, grant.token - 1, ())
        assert (await hand.call(4, received=grant.token, want=0, outcomes=(stale,))).void == (stale.token,)
        statistics = await made.master.statistics()
        assert (statistics.tasks[State.SUCCEEDED], statistics.refused) == (1, 1)


async def test_a_newer_call_ends_the_waiting_of_the_one_before(tmp_path: Path) -> None:
    async with by_hand(tmp_path) as (_, hand):
        waiting = asyncio.ensure_future(hand.call(1))
        await asyncio.sleep(0)
        newer = asyncio.ensure_future(hand.call(2, received=0))
        done, _ = await asyncio.wait({waiting, newer}, return_when=asyncio.FIRST_COMPLETED)
        assert done == {waiting}
        assert waiting.result().grants == ()
        await newer


async def test_a_worker_that_registers_again_keeps_what_it_holds_and_nothing_else(tmp_path: Path, png: bytes) -> None:
    async with by_hand(tmp_path) as (made, hand):
        tasks = [await submit(made, png) for _ in range(4)]
        grants = list((await hand.call(1, want=2)).grants)
        grants += (await hand.call(2, received=grants[-1].token, want=1)).grants
        assert len(grants) >= 2
        await made.master.register(hand.info, (grants[0].token,), 2)
        states = [(await made.gateway.get(task.id)).state for task in tasks]
        assert states.count(State.LEASED) == 1
        assert (await made.gateway.get(grants[1].spec.id)).attempts == 0


async def test_an_unknown_worker_is_told_to_register(tmp_path: Path) -> None:
    async with by_hand(tmp_path) as (made, _):
        stranger = Hand(made, 2)
        assert (await stranger.call(1)).unknown


async def test_a_call_from_before_a_registration_grants_nothing_and_takes_nothing_over(
    tmp_path: Path, png: bytes
) -> None:
    """A late repetition of an old call must not put the numbers of the new ones in the past."""
    async with by_hand(tmp_path) as (made, hand):
        await made.master.register(hand.info, (), 20)
        await submit(made, png)
        assert (await hand.call(19, received=18)).grants == ()
        assert len((await hand.call(21, received=20)).grants) == 1


async def test_a_cancel_between_two_calls_is_told_at_once(tmp_path: Path, png: bytes) -> None:
    async with by_hand(tmp_path) as (made, hand):
        task = await submit(made, png)
        (grant,) = (await hand.call(1)).grants
        await made.gateway.cancel(task.id)
        reply = await asyncio.wait_for(hand.call(2, received=grant.token, want=0, held=(grant.token,)), 0.15)
        assert (reply.void, reply.grants) == ((grant.token,), ())


async def test_a_task_is_withdrawn_only_while_no_worker_has_it(tmp_path: Path, png: bytes) -> None:
    async with by_hand(tmp_path) as (made, hand):
        held, waiting = await submit(made, png), await submit(made, png)
        assert [grant.spec.id for grant in (await hand.call(1)).grants] == [held.id]
        states = [task.state for task in await made.master.withdraw([held.id, waiting.id])]
        assert states == [State.LEASED, State.CANCELLED]
