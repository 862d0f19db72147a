"""Targets and commands in the task table: who may take what, what becomes of what nobody may take any more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tables import NOW, PASSING, POLICY, new_table, spec

from imgray.backlog import MAX_TARGETS
from imgray.errors import QueueFullError, WorkerNotFoundError
from imgray.rows import row_of, task_of
from imgray.table import TaskTable
from imgray.target import ANYWHERE, Target, WorkerInfo
from imgray.task import BlobSource, CommandSource, State, Task, TaskSpec, transcript_key

GPU = WorkerInfo("gpu.1", "gpu", "n1", "h", 1, "0", labels=(("gpu", "true"), ("zone", "a")))
PLAIN = WorkerInfo("plain.1", "plain", "n2", "h", 2, "0")


def command(number: int, **changes: Any) -> TaskSpec:
    return TaskSpec(f"command{number}", CommandSource("count", "count.sh", (("to", "30"),)), (), **changes)


def lease(
    table: TaskTable, worker: WorkerInfo, want: int = 9, now: float = NOW, *, commands: bool = False
) -> list[str]:
    tasks = table.lease(worker.id, want, now, worker.node, worker.meets, commands=commands)
    return [task.id for task in tasks]


@pytest.mark.parametrize(
    ("target", "fits"),
    [
        (ANYWHERE, {"gpu", "plain"}),
        (Target(worker="gpu.1"), {"gpu"}),
        (Target(worker="gpu"), {"gpu"}),
        (Target(worker="gpu.2"), set()),
        (Target(node="n2"), {"plain"}),
        (Target(labels=(("gpu", "true"),)), {"gpu"}),
        (Target(labels=(("gpu", "false"),)), set()),
        (Target(labels=(("gpu", "true"), ("zone", "a"))), {"gpu"}),
        (Target(worker="plain", labels=(("gpu", "true"),)), set()),
    ],
)
def test_only_workers_that_meet_every_condition_get_a_task(target: Target, fits: set[str]) -> None:
    got = set()
    for worker in (GPU, PLAIN):
        table = new_table()
        table.submit([spec(1, target=target)], NOW)
        if lease(table, worker):
            got.add(worker.name)
    assert got == fits


def test_what_is_meant_for_a_worker_goes_first_and_blocks_nobody_else() -> None:
    table = new_table()
    table.submit([spec(1, target=Target(worker="gpu")), spec(2), spec(3, target=Target(worker="gpu"))], NOW)
    assert lease(table, PLAIN) == ["task2"]
    table.submit([spec(4)], NOW)
    assert lease(table, GPU) == ["task1", "task3", "task4"]


def test_the_highest_priority_goes_first_target_or_not() -> None:
    table = new_table()
    table.submit([spec(1, target=Target(worker="gpu")), spec(2, priority=1)], NOW)
    assert lease(table, GPU) == ["task2", "task1"]


def test_commands_and_images_are_asked_for_apart() -> None:
    table = new_table()
    table.submit([spec(1), command(1), spec(2), command(2)], NOW)
    assert lease(table, PLAIN, commands=True) == ["command1", "command2"]
    assert lease(table, PLAIN) == ["task1", "task2"]


def test_a_new_task_that_is_refused_is_not_entered() -> None:
    table = new_table()

    def check(new: TaskSpec) -> None:
        if new.target != ANYWHERE:
            raise WorkerNotFoundError(str(new.target))

    with pytest.raises(WorkerNotFoundError, match="worker nobody"):
        table.submit([spec(1), spec(2, target=Target(worker="nobody"))], NOW, check=check)
    assert table.live == 0
    with pytest.raises(WorkerNotFoundError):  # nor does a call that was overtaken bring it in
        table.submit([spec(2, target=Target(worker="nobody"))], NOW)


def test_what_only_a_lost_worker_might_take_is_lost_with_it() -> None:
    table = new_table()
    for_this, for_the_name = Target(worker="gpu.1"), Target(worker="gpu")
    table.submit([spec(1, target=for_this), spec(2, target=for_this), spec(3, target=for_the_name)], NOW)
    assert lease(table, GPU, 1) == ["task1"]
    assert table.bound() == ["gpu.1"]
    table.lose_worker("gpu.1", NOW)
    assert states(table, "task1", "task2", "task3") == ["failed", "failed", "queued"]


def states(table: TaskTable, *ids: str) -> list[State]:
    return [known(table, task_id).state for task_id in ids]


def known(table: TaskTable, task_id: str) -> Task:
    task = table.get(task_id)
    assert task is not None
    return task


def test_a_command_is_never_run_twice() -> None:
    table = new_table()
    table.submit([command(1), command(2), spec(1), spec(2)], NOW)
    lease(table, PLAIN)
    lease(table, PLAIN, commands=True)
    table.lose_worker("plain.1", NOW)
    assert states(table, "command1", "command2", "task1", "task2") == ["failed", "failed", "queued", "queued"]
    assert (known(table, "task1").attempts, known(table, "task2").attempts) == (1, 0)


def test_a_command_whose_lease_ends_has_failed() -> None:
    table = new_table()
    table.submit([spec(1), command(1)], NOW)
    lease(table, PLAIN)
    lease(table, PLAIN, commands=True)
    table.reap(NOW + POLICY.lease_s)
    assert states(table, "task1", "command1") == ["queued", "failed"]


def test_a_command_that_was_given_back_is_started_elsewhere() -> None:
    table = new_table()
    table.submit([command(1)], NOW)
    (task,) = table.lease(PLAIN.id, 1, NOW, commands=True)
    table.release(task.id, task.token, NOW)
    assert lease(table, GPU, commands=True) == ["command1"]


def test_an_image_that_must_run_alone_does_not_mind_commands() -> None:
    table = new_table()
    table.submit([spec(1), command(1)], NOW)
    (task,) = table.lease(PLAIN.id, 1, NOW)
    table.nack(task.id, task.token, PASSING, NOW, alone=True)
    lease(table, PLAIN, commands=True)
    assert lease(table, PLAIN, now=NOW + 8) == ["task1"]


def test_a_command_keeps_what_each_attempt_wrote_until_it_is_purged() -> None:
    table = new_table()
    table.submit([command(1)], NOW)
    assert known(table, "command1").keys == ()
    (first,) = table.lease(PLAIN.id, 1, NOW, commands=True)
    assert first.keys == (transcript_key("command1", first.token),)
    failed = table.nack(first.id, first.token, PASSING, NOW)
    assert (failed.state, failed.keys) == (State.FAILED, first.keys)
    table.redrive(failed, NOW)
    (second,) = table.lease(PLAIN.id, 1, NOW, commands=True)
    assert second.keys == (*first.keys, transcript_key("command1", second.token))


@pytest.mark.parametrize(
    "submitted",
    [
        command(1, target=Target("w.1", "n", (("a", "b"),)), waits=True, owner="ci"),
        command(2),
        spec(1, target=Target(node="n2")),
        TaskSpec("x", BlobSource("inputs/x"), (), owner="someone"),
    ],
)
def test_a_task_survives_the_journal(submitted: TaskSpec) -> None:
    table = new_table()
    (task,) = table.submit([submitted], NOW)
    assert task_of(row_of(task)) == task


def test_of_a_silent_worker_images_go_back_and_commands_have_failed() -> None:
    table = new_table()
    table.submit([spec(1), command(1)], NOW)
    lease(table, PLAIN)
    lease(table, PLAIN, commands=True)
    table.forsake(PLAIN.id, NOW)
    assert states(table, "task1", "command1") == ["queued", "failed"]
    assert known(table, "task1").attempts == 0


def test_tasks_wait_for_no_more_than_so_many_targets() -> None:
    """Each costs whoever hands out work."""
    policy = replace(POLICY, max_live_tasks=5000)
    table = new_table(policy)
    specs = [spec(number, target=Target(node=str(number))) for number in range(MAX_TARGETS + 1)]
    table.submit(specs[:-1], NOW)
    with pytest.raises(QueueFullError, match="different targets"):
        table.submit(specs[-1:], NOW)
    table.submit([spec(MAX_TARGETS + 2, target=Target(node="3")), spec(MAX_TARGETS + 3, target=ANYWHERE)][:1], NOW)


def test_what_waits_is_counted_by_target() -> None:
    table = new_table()
    table.submit([spec(1, pixels=10), spec(2, pixels=20, target=Target(worker="gpu")), command(1)], NOW)
    everything = table.waiting(lambda _: True)
    assert (everything.tasks, everything.since) == (3, NOW)
    anyone = table.waiting(ANYWHERE.__eq__)
    assert anyone.tasks == 2
    lease(table, PLAIN)
    assert table.waiting(lambda target: target != ANYWHERE).pixels == 20
