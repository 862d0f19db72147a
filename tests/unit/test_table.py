"""The task table: every state with every event, and what each decision promises."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs
from tables import FINAL, NOW, OUTPUTS, PASSING, POLICY, new_table, spec

from imgray.errors import (
    IdempotencyConflictError,
    LeaseLostError,
    QueueFullError,
    TaskConflictError,
    TaskNotFoundError,
)
from imgray.table import TaskTable
from imgray.task import (
    CONTENT_KEY,
    TRANSITIONS,
    BlobSource,
    Changes,
    Event,
    OutputSpec,
    State,
    Task,
    TaskSpec,
)


def in_state(state: State) -> tuple[TaskTable, Task]:
    """Make a table with one task in the given state, which has a deadline."""
    table = new_table()
    table.submit([spec(1, expires_at=NOW + 50)], NOW)
    if state is State.CANCELLED:
        return table, table.cancel("task1", NOW)
    if state is not State.QUEUED:
        (task,) = table.lease("w", 1, NOW)
        if state is State.SUCCEEDED:
            table.ack("task1", task.token, OUTPUTS, NOW)
        elif state is State.FAILED:
            table.nack("task1", task.token, FINAL, NOW)
    current = table.get("task1")
    assert current is not None
    return table, current


EVENTS: dict[Event, Callable[[TaskTable, Task], Any]] = {
    Event.LEASE: lambda table, _: table.lease("v", 1, NOW),
    Event.ACK: lambda table, task: table.ack(task.id, task.token, OUTPUTS, NOW),
    Event.RETRY: lambda table, task: table.nack(task.id, task.token, PASSING, NOW),
    Event.FAIL: lambda table, task: table.nack(task.id, task.token, FINAL, NOW),
    Event.RELEASE: lambda table, task: table.release(task.id, task.token, NOW),
    Event.CANCEL: lambda table, task: table.cancel(task.id, NOW),
    Event.EXPIRE: lambda table, _: table.reap(NOW + 50),
    Event.LOSE: lambda table, task: table.lose(task, FINAL, NOW),
    Event.REDRIVE: lambda table, task: table.redrive(task, NOW),
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_every_event_in_every_state_follows_the_transitions_or_changes_nothing(state: State, event: Event) -> None:
    table, before = in_state(state)
    table.drain()
    with contextlib.suppress(LeaseLostError):
        EVENTS[event](table, before)
    after = table.get("task1")
    assert after is not None
    if (state, event) in TRANSITIONS:
        assert after.state is TRANSITIONS[state, event]
        assert table.drain().standing == (after,)
        assert table.events[event] == 1
    else:
        assert after == before
        assert not table.dirty


@pytest.mark.parametrize("end", [Event.ACK, Event.RETRY, Event.FAIL, Event.RELEASE])
def test_a_stale_token_changes_nothing_and_the_error_tells_the_story(end: Event) -> None:
    """Invariant 3."""
    table = new_table()
    table.submit([spec(1)], NOW)
    (first,) = table.lease("w", 1, NOW)
    table.reap(NOW + 100)
    (second,) = table.lease("v", 1, NOW + 200)
    assert second.token > first.token
    with pytest.raises(LeaseLostError, match="attempt 1 on w: retry \\(lease_expired\\)"):
        EVENTS[end](table, first)
    assert table.get("task1") == second


def test_an_ack_again_does_what_one_does() -> None:
    """Invariant 11."""
    table, task = in_state(State.SUCCEEDED)
    assert table.ack(task.id, task.token, (), NOW + 9) == task


def test_a_submission_again_does_what_one_does() -> None:
    """Invariant 11."""
    table = new_table()
    first = table.submit([spec(1), spec(2)], NOW)
    assert table.submit([spec(2), spec(1)], NOW + 1) == [first[1], first[0]]
    assert sum(table.counts().values()) == 2


def test_an_id_cannot_be_used_for_something_else() -> None:
    table = new_table()
    table.submit([spec(1)], NOW)
    other = TaskSpec("task1", BlobSource("inputs/other"), (OutputSpec("image", ""),))
    with pytest.raises(TaskConflictError):
        table.submit([spec(2), other], NOW)
    assert table.get("task2") is None


def test_a_repeated_submission_is_answered_even_when_the_queue_is_over_full() -> None:
    """Invariant 11."""
    table = new_table(replace(POLICY, max_live_tasks=1))
    table.restore([Task(spec(number), number, State.QUEUED, NOW, NOW) for number in (1, 2)], NOW)
    assert [task.id for task in table.submit([spec(1)], NOW)] == ["task1"]


def test_after_a_restart_the_first_grant_is_still_the_one_to_blame() -> None:
    table = new_table()
    table.submit([spec(1), spec(2)], NOW)
    table.lease("v", 1, NOW)
    table.lose_worker("v", NOW)
    second, first = [*table.lease("w", 1, NOW), *table.lease("u", 1, NOW + 50)]
    again = new_table()
    held = [structs.replace(one, lease=structs.replace(one.lease, worker="w")) for one in (first, second) if one.lease]
    again.restore(held, NOW)
    assert tuple(again.leases.of("w")) == (second.token, first.token)


def test_a_full_queue_takes_all_of_a_submission_or_nothing() -> None:
    """Invariant 9."""
    table = new_table(replace(POLICY, max_live_tasks=2))
    table.submit([spec(1)], NOW)
    with pytest.raises(QueueFullError, match="max_live_tasks"):
        table.submit([spec(2), spec(3)], NOW)
    assert table.live == 1


def test_a_clock_that_goes_back_loses_no_task() -> None:
    table = new_table()
    table.submit([spec(1)], NOW)
    assert table.lease("w", 1, NOW - 1) == []
    assert [task.id for task in table.lease("w", 1, NOW)] == ["task1"]


def test_a_delay_does_not_outlast_a_restart_under_an_earlier_clock() -> None:
    table = new_table()
    table.restore([Task(spec(1), 1, State.QUEUED, NOW, ready_at=NOW + 1e6)], NOW)
    assert [task.id for task in table.lease("w", 1, NOW + 8)] == ["task1"]


def test_a_submission_repeated_after_its_task_was_purged_makes_no_second_one() -> None:
    """Invariant 11."""
    table, gone = in_state(State.CANCELLED)
    table.forget(table.drain())
    table.purge(gone, NOW)
    table.forget(table.drain())
    with pytest.raises(TaskNotFoundError):
        table.submit([spec(2), gone.spec], NOW + 1)
    assert table.live == 0


def test_tasks_are_leased_in_order_of_submission() -> None:
    table = new_table()
    table.submit([spec(number) for number in range(5)], NOW)
    assert [task.id for task in table.lease("w", 3, NOW)] == ["task0", "task1", "task2"]
    assert [task.id for task in table.lease("v", 3, NOW)] == ["task3", "task4"]


def test_a_passing_failure_waits_and_is_tried_until_the_attempts_are_used_up() -> None:
    """Invariant 6."""
    table = new_table()
    table.submit([spec(1)], NOW)
    for attempt in range(1, 4):
        now = NOW + 100 * attempt
        (task,) = table.lease("w", 1, now)
        assert task.attempts == attempt
        task = table.nack(task.id, task.token, PASSING, now)
        if attempt < 3:
            assert now <= task.ready_at <= now + 2 ** (attempt - 1)
    assert (task.state, task.failure) == (State.FAILED, PASSING)
    assert [past.number for past in task.history] == [1, 2, 3]


def test_a_failure_that_cannot_pass_is_final_at_once() -> None:
    """Invariant 7."""
    table, task = in_state(State.LEASED)
    assert table.nack(task.id, task.token, FINAL, NOW).state is State.FAILED


def test_a_redriven_dead_letter_has_all_its_attempts_again_and_keeps_its_history() -> None:
    table, dead = in_state(State.FAILED)
    table.forget(Changes([dead]))
    task = table.redrive(dead, NOW)
    assert (task.state, task.attempts, len(task.history)) == (State.QUEUED, 0, 1)
    assert [leased.id for leased in table.lease("w", 1, NOW)] == ["task1"]


def test_when_a_worker_dies_the_first_of_its_tasks_is_charged_and_the_others_go_back_unharmed() -> None:
    """Invariant 6."""
    table = new_table()
    table.submit([spec(number) for number in range(3)], NOW)
    table.lease("w", 3, NOW)
    first, *others = table.lose_worker("w", NOW)
    assert (first.attempts, first.alone, first.failure and first.failure.code) == (1, True, "worker_died")
    assert [(task.attempts, task.alone, task.history) for task in others] == [(0, False, ())] * 2


def test_a_suspect_is_leased_alone() -> None:
    """Invariant 6."""
    table = new_table()
    table.submit([spec(1)], NOW)
    table.lease("w", 1, NOW)
    table.lose_worker("w", NOW)
    now = NOW + 50
    table.submit([spec(2), spec(3)], now)
    assert [task.id for task in table.lease("w", 3, now)] == ["task1"]
    assert table.lease("w", 3, now) == []
    assert [task.id for task in table.lease("v", 3, now)] == ["task2", "task3"]


def test_a_busy_worker_does_not_get_a_suspect_nor_anything_past_it() -> None:
    table = new_table()
    table.submit([spec(1), spec(2)], NOW)
    table.lease("w", 1, NOW)
    table.lease("v", 1, NOW)
    table.lose_worker("w", NOW)
    table.submit([spec(3)], NOW)
    assert table.lease("v", 2, NOW + 50) == []
    assert [task.id for task in table.lease("u", 2, NOW + 50)] == ["task1"]


def test_renewed_leases_live_on_and_others_expire() -> None:
    table = new_table()
    table.submit([spec(1), spec(2)], NOW)
    kept, lost = table.lease("w", 2, NOW)
    table.renew("w", [kept.token, 12345], NOW + 40)
    assert table.next_event_at() == NOW + 60
    assert [task.id for task in table.reap(NOW + 70)] == [lost.id]
    assert table.get(kept.id) == kept
    assert [task.id for task in table.reap(NOW + 101)] == [kept.id]


def test_of_a_silent_workers_tasks_only_the_one_that_ran_is_charged() -> None:
    """Invariant 6."""
    table = new_table()
    table.submit([spec(number) for number in range(3)], NOW)
    table.lease("w", 3, NOW)
    first, *others = table.reap(NOW + 60)
    assert (first.attempts, first.alone, first.failure and first.failure.code) == (1, True, "lease_expired")
    assert [(task.attempts, task.alone, task.history) for task in others] == [(0, False, ())] * 2


def test_a_worker_holds_only_so_many_bytes_but_always_one_image() -> None:
    """Invariant 9."""
    table = new_table()
    table.submit([spec(number, size_bytes=size) for number, size in enumerate((500, 60, 30, 20))], NOW)
    assert [task.id for task in table.lease("u", 4, NOW)] == ["task0"]
    assert [task.id for task in table.lease("v", 4, NOW)] == ["task1", "task2"]


def test_what_a_worker_never_heard_of_goes_back_uncharged() -> None:
    table = new_table()
    table.submit([spec(1), spec(2)], NOW)
    heard, unheard = table.lease("w", 2, NOW)
    table.give_back("w", {heard.token}, NOW)
    task = table.get(unheard.id)
    assert task is not None
    assert (task.state, task.attempts) == (State.QUEUED, 0)
    assert tuple(table.leases.of("w")) == (heard.token,)


def test_forgotten_tasks_still_count() -> None:
    """Invariant 5."""
    table, task = in_state(State.SUCCEEDED)
    table.forget(Changes([task]))
    assert table.get(task.id) is None
    assert table.counts()[State.SUCCEEDED] == 1
    with pytest.raises(TaskNotFoundError):
        table.cancel(task.id, NOW)


def test_a_deadline_ends_a_task_wherever_it_is_and_a_redrive_sets_it_aside() -> None:
    table = new_table()
    table.submit([spec(1, expires_at=NOW + 10), spec(2, expires_at=NOW + 10), spec(3)], NOW)
    (running,) = table.lease("w", 1, NOW)
    assert table.next_event_at() == NOW + 10
    assert {task.id for task in table.reap(NOW + 10)} == {"task1", "task2"}
    task = table.get("task1")
    assert task is not None
    assert (task.state, task.failure and task.failure.code) == (State.FAILED, "deadline_passed")
    with pytest.raises(LeaseLostError):
        table.ack("task1", running.token, OUTPUTS, NOW + 11)
    assert table.redrive(task, NOW + 20).expires_at is None
    assert table.reap(NOW + 30) == []


def test_a_finished_task_has_no_deadline_any_more() -> None:
    table, _ = in_state(State.SUCCEEDED)
    assert table.reap(NOW + 100) == []


def test_the_same_idempotency_key_is_the_same_task_live_or_finished_for_a_set_time() -> None:
    table = new_table()
    keyed = [spec(number, idempotency_key="k", digest="d") for number in range(9)]
    (first,) = table.submit(keyed[:1], NOW)
    assert table.submit(keyed[1:3], NOW + 1) == [first, first]
    table.drain()
    done = table.cancel("task0", NOW + 2)
    table.forget(Changes([done]))
    assert table.submit([keyed[3]], NOW + 499, [done]) == [done]
    (second,) = table.submit([keyed[4]], NOW + 500, [done])
    assert second.id == "task4"
    assert table.submit([keyed[5]], NOW + 501, [done, done]) == [second]


@pytest.mark.parametrize(("key", "same"), [("k", True), (f"{CONTENT_KEY}ab", False)])
def test_a_key_stands_for_a_failure_too_but_not_one_made_of_the_content(key: str, same: bool) -> None:  # noqa: FBT001
    table = new_table()
    table.submit([spec(1, idempotency_key=key)], NOW)
    cancelled = table.cancel("task1", NOW)
    (again,) = table.submit([spec(2, idempotency_key=key)], NOW)
    assert (again == cancelled) is same


def test_of_two_that_had_a_key_in_turn_the_newer_keeps_it_when_the_older_is_redriven() -> None:
    table = new_table()
    table.submit([spec(1, idempotency_key="k")], NOW)
    (old,) = table.lease("w", 1, NOW)
    old = table.nack("task1", old.token, FINAL, NOW)
    (new,) = table.submit([spec(2, idempotency_key="k")], NOW + 500)
    new = table.cancel("task2", NOW + 500)
    table.forget(table.drain())
    table.redrive(old, NOW + 501)
    assert table.submit([spec(3, idempotency_key="k")], NOW + 502, [old, new]) == [new]


def test_the_node_of_each_attempt_is_part_of_its_history() -> None:
    table = new_table()
    table.submit([spec(1)], NOW)
    table.lease("w", 1, NOW, "node-7")
    (task,) = table.lose_worker("w", NOW)
    assert [(attempt.worker, attempt.node) for attempt in task.history] == [("w", "node-7")]


def test_one_key_in_one_call_is_one_task() -> None:
    table = new_table()
    tasks = table.submit([spec(1, idempotency_key="k"), spec(2), spec(3, idempotency_key="k")], NOW)
    assert [task.id for task in tasks] == ["task1", "task2", "task1"]
    assert table.live == 2


def test_a_key_belongs_to_its_tenant() -> None:
    table = new_table()
    tasks = table.submit([spec(n, idempotency_key="k", tenant=tenant) for n, tenant in enumerate("ab")], NOW)
    assert [task.id for task in tasks] == ["task0", "task1"]


@pytest.mark.parametrize("together", [False, True])
def test_the_same_key_for_something_else_is_an_error_and_changes_nothing(together: bool) -> None:  # noqa: FBT001
    table = new_table()
    first, other = (spec(number, idempotency_key="k", digest=str(number)) for number in (1, 2))
    if not together:
        table.submit([first], NOW)
    live = table.live
    with pytest.raises(IdempotencyConflictError, match="task1"):
        table.submit([spec(3), first, other], NOW)
    assert table.live == live


def test_a_key_is_free_again_when_its_task_is_purged() -> None:
    table = new_table()
    table.submit([spec(1, idempotency_key="k")], NOW)
    gone = table.cancel("task1", NOW)
    table.drain()
    assert table.purge(gone, NOW)
    assert [task.id for task in table.submit([spec(2, idempotency_key="k")], NOW, [gone])] == ["task2"]


def test_inputs_are_bounded_in_bytes_and_room_is_made_by_what_ends() -> None:
    """Invariant 9."""
    table = new_table()
    table.submit([spec(1, size_bytes=900)], NOW)
    with pytest.raises(QueueFullError, match="max_live_bytes"):
        table.submit([spec(2, size_bytes=101)], NOW)
    table.submit([spec(3, size_bytes=100)], NOW)
    (task,) = table.lease("w", 1, NOW)
    table.ack(task.id, task.token, OUTPUTS, NOW)
    assert table.live_bytes == 100
    table.submit([spec(4, size_bytes=101)], NOW)


def test_the_live_tasks_of_a_key_are_bounded_and_room_is_made_by_what_ends() -> None:
    policy = replace(POLICY, live_tasks={"ci": 2})
    table = new_table(policy)
    table.submit([spec(1, owner="ci"), spec(2, owner="ci")], NOW)
    with pytest.raises(QueueFullError, match="2 tasks of key 'ci'"):
        table.submit([spec(3, owner="ci")], NOW)
    table.submit([spec(1, owner="ci")], NOW)  # it is there already
    table.submit([spec(4, owner="other"), spec(5)], NOW)
    (leased,) = table.lease("w", 1, NOW)
    assert leased.spec.owner == "ci"
    with pytest.raises(QueueFullError, match="2 tasks of key 'ci'"):  # leased is live
        table.submit([spec(6, owner="ci")], NOW)
    dead = table.nack(leased.id, leased.token, FINAL, NOW)
    with pytest.raises(QueueFullError, match="2 tasks of key 'ci'"):  # all or none
        table.submit([spec(7, owner="ci"), spec(8, owner="ci")], NOW)
    table.submit([spec(9, owner="ci")], NOW)
    with pytest.raises(QueueFullError, match="2 tasks of key 'ci'"):
        table.redrive(dead, NOW)
    table.cancel("task9", NOW)
    table.redrive(dead, NOW)
    after_a_restart = new_table(policy)
    after_a_restart.restore([task for task in table.drain().standing if not task.state.finished], NOW)
    with pytest.raises(QueueFullError, match="2 tasks of key 'ci'"):
        after_a_restart.submit([spec(10, owner="ci")], NOW)


def test_what_was_refused_stays_refused_for_the_same_reason_while_a_repetition_may_come() -> None:
    """Invariants 2 and 11: its input is gone, so a call that was overtaken must not bring it in."""
    table = new_table(replace(POLICY, max_live_tasks=1))
    table.submit([spec(1)], NOW)
    for _ in range(2):
        with pytest.raises(QueueFullError, match="max_live_tasks"):
            table.submit([spec(2)], NOW)
        table.cancel("task1", NOW)
    assert table.live == 0
    table.submit([spec(3)], NOW)


def test_a_redrive_is_admitted_like_a_submission() -> None:
    """Invariant 9."""
    table, dead = in_state(State.FAILED)
    table.submit([spec(number) for number in range(2, 52)], NOW)
    with pytest.raises(QueueFullError):
        table.redrive(dead, NOW)
    assert table.get(dead.id) == dead


@pytest.mark.parametrize("state", State)
def test_only_a_finished_task_is_purged_and_it_still_counts(state: State) -> None:
    """Invariant 5."""
    table, task = in_state(state)
    assert not table.purge(task, NOW), "the journal does not know how it ended"
    table.drain()
    assert table.purge(task, NOW) is state.finished
    assert (table.get(task.id) is None) is state.finished
    assert table.counts()[state] == 1
    if state.finished:
        assert table.purge(task, NOW), "once more does the same"
        with pytest.raises(TaskNotFoundError):
            table.redrive(task, NOW)
        changes = table.drain()
        assert (changes.purged, changes.standing) == ([task], ())
        table.forget(changes)
        assert not table.dirty


def test_higher_priorities_go_first_and_tenants_share_by_pixels() -> None:
    table = new_table()
    table.submit([spec(number, tenant="many", pixels=10) for number in range(10)], NOW)
    table.submit([spec(10, tenant="one", pixels=30), spec(11, tenant="one", pixels=30)], NOW)
    table.submit([spec(12, priority=1)], NOW)
    order = [task.id for task in table.lease("w", 13, NOW)]
    assert order[:8] == ["task12", "task0", "task10", "task1", "task2", "task3", "task11", "task4"]


def test_heaps_stay_small_over_many_tasks() -> None:
    """Invariant 9."""
    table = new_table()
    for number in range(5000):
        table.submit([spec(number, expires_at=NOW + 1e6)], NOW)
        if number % 2:
            table.cancel(f"task{number}", NOW)
        else:
            (task,) = table.lease("w", 1, NOW)
            table.ack(task.id, task.token, OUTPUTS, NOW)
        table.forget(table.drain())
    table.ready(NOW)
    sizes = [len(timers._heap) for timers in (table.leases._ends, table._backlog._delays, table._deadlines)]  # noqa: SLF001
    assert max(*sizes, table._backlog._size) < 2000  # noqa: SLF001  # what must not grow
