"""Whose turn it is: priorities strictly, tenants by cost, and nobody starves."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from imgray.fair_queue import FairQueue


def take_all(queue: FairQueue, limit: int = 10**9) -> list[str]:
    taken: list[str] = []
    while len(taken) < limit and queue:
        task_id = queue.peek()
        queue.take()
        taken.append(task_id)
    return taken


def test_a_tenants_million_does_not_delay_anothers_one() -> None:
    queue = FairQueue()
    for seq in range(100_000):
        queue.push(f"many{seq}", seq, 0, "many", 1000)
    take_all(queue, 500)
    queue.push("one", 100_000, 0, "one", 1000)
    assert "one" in take_all(queue, 2)


def test_tenants_share_by_pixels_and_not_by_count() -> None:
    queue = FairQueue()
    for seq in range(200):
        queue.push(f"large{seq}", seq, 0, "large", 4000)
        queue.push(f"small{seq}", seq, 0, "small", 1000)
    taken = Counter(task_id.rstrip("0123456789") for task_id in take_all(queue, 100))
    assert 19 <= taken["large"] <= 21


def test_a_higher_priority_goes_first_whoever_asks() -> None:
    queue = FairQueue()
    queue.push("low", 1, -1, "a", 1)
    queue.push("usual", 2, 0, "a", 1)
    queue.push("high", 3, 5, "b", 10**9)
    assert take_all(queue) == ["high", "usual", "low"]


def test_being_idle_saves_nothing_up() -> None:
    queue = FairQueue()
    for seq in range(100):
        queue.push(f"busy{seq}", seq, 0, "busy", 10)
    take_all(queue, 50)
    for seq in range(100, 150):
        queue.push(f"idle{seq}", seq, 0, "idle", 10)
    taken = Counter(task_id[:4] for task_id in take_all(queue, 20))
    assert 9 <= taken["idle"] <= 11


def test_leaving_and_coming_back_is_no_way_to_the_front() -> None:
    queue = FairQueue()
    for seq in range(100):
        queue.push(f"busy{seq}", seq, 0, "busy", 10)
    taken = []
    for seq in range(100, 120):
        queue.push(f"sly{seq}", seq, 0, "sly", 100)
        taken += take_all(queue, 2)
    assert sum(task_id.startswith("sly") for task_id in taken) <= 6


def test_what_is_dropped_costs_its_tenant_nothing() -> None:
    queue = FairQueue()
    for seq in range(10):
        queue.push(f"a{seq}", seq, 0, "a", 10)
        queue.push(f"b{seq}", seq, 0, "b", 10)
    for _ in range(5):
        assert queue.peek().startswith("a")
        queue.drop()
    assert [task_id[0] for task_id in take_all(queue, 4)] == ["a", "b", "a", "b"]


@given(st.lists(st.tuples(st.integers(-2, 2), st.sampled_from("abc"), st.integers(1, 50))))
def test_everything_comes_out_once_by_priority_and_by_age_within_a_tenant(tasks: list[tuple[int, str, int]]) -> None:
    queue = FairQueue()
    for seq, (priority, tenant, cost) in enumerate(tasks):
        queue.push(f"{seq}", seq, priority, tenant, cost)
    assert len(queue) == len(tasks)
    taken = [int(task_id) for task_id in take_all(queue)]
    assert sorted(taken) == list(range(len(tasks)))
    assert [tasks[seq][0] for seq in taken] == sorted((priority for priority, _, _ in tasks), reverse=True)
    for kind in {task[:2] for task in tasks}:
        own = [seq for seq in taken if tasks[seq][:2] == kind]
        assert own == sorted(own)
