"""How many workers there should be."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from imgray.scaling import GOAL_S, PER_CORE, Bounds, Load, Scaler

IDLE = Load(waiting=0, waiting_pixels=0, waiting_s=0, pixels_per_s=1e6, busy=0)
IDLE_S = 60.0


def load(work_s: float, waiting_s: float = 0.0, busy: int = 1) -> Load:
    return Load(waiting=10, waiting_pixels=int(work_s * 1e6), waiting_s=waiting_s, pixels_per_s=1e6, busy=busy)


def test_a_pool_that_follows_the_cores_is_as_large_as_the_cluster() -> None:
    scaler = Scaler(IDLE_S)
    assert [scaler.size(PER_CORE, IDLE, 2, cores, 0) for cores in (2, 8, 0)] == [2, 8, 1]


def test_a_fixed_pool_stays_as_it_is_whatever_waits() -> None:
    assert Scaler(IDLE_S).size(Bounds(3, 3), load(1000), 3, 8, 0) == 3
    assert Scaler(IDLE_S).size(Bounds(0, 0), load(1000), 3, 8, 0) == 0


def test_it_grows_at_once_to_what_does_the_work_in_time() -> None:
    scaler = Scaler(IDLE_S)
    assert scaler.size(Bounds(1, 10), IDLE, 1, 8, 0) == 1
    assert scaler.size(Bounds(1, 10), load(GOAL_S * 3.5), 1, 8, 1) == 4
    assert scaler.size(Bounds(1, 10), load(GOAL_S * 100), 4, 8, 2) == 10


def test_it_grows_one_by_one_while_what_waits_is_late_whatever_was_measured() -> None:
    scaler = Scaler(IDLE_S)
    assert scaler.size(Bounds(1, 4), load(0.1, waiting_s=GOAL_S + 1), 1, 8, 0) == 2
    assert scaler.size(Bounds(1, 4), load(0.1, waiting_s=GOAL_S + 2), 2, 8, 1) == 3


def test_it_shrinks_when_less_would_have_done_for_a_while() -> None:
    scaler = Scaler(IDLE_S)
    bounds = Bounds(1, 4)
    assert scaler.size(bounds, load(GOAL_S * 4), 1, 8, 0) == 4
    assert scaler.size(bounds, IDLE, 4, 8, 1) == 4
    assert scaler.size(bounds, IDLE, 4, 8, IDLE_S - 1) == 4
    assert scaler.size(bounds, IDLE, 4, 8, IDLE_S + 1) == 1


def test_a_pool_that_has_just_been_let_go_does_not_shrink_at_once() -> None:
    scaler = Scaler(IDLE_S)
    assert scaler.size(Bounds(3, 3), IDLE, 3, 8, 0) == 3
    assert scaler.size(Bounds(1, 3), IDLE, 3, 8, 1) == 3
    assert scaler.size(Bounds(1, 3), IDLE, 3, 8, 2 + IDLE_S) == 1


def test_who_works_is_not_too_much() -> None:
    scaler = Scaler(IDLE_S)
    busy = Load(waiting=0, waiting_pixels=0, waiting_s=0, pixels_per_s=1e6, busy=3)
    assert scaler.size(Bounds(1, 4), busy, 4, 8, 0) == 4
    assert scaler.size(Bounds(1, 4), busy, 4, 8, IDLE_S + 1) == 3


@given(
    st.integers(0, 20),
    st.integers(0, 20),
    st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 100), st.integers(0, 20)), min_size=1),
)
def test_it_never_leaves_its_bounds(minimum: int, more: int, loads: list[tuple[float, float, int]]) -> None:
    scaler = Scaler(IDLE_S)
    bounds = Bounds(minimum, minimum + more)
    size = minimum
    for step, (work_s, waiting_s, busy) in enumerate(loads):
        size = scaler.size(bounds, load(work_s, waiting_s, busy), size, 4, step * 7.0)
        assert bounds.minimum <= size <= bounds.maximum
        enough = math.ceil(work_s / GOAL_S)
        assert size >= min(enough, bounds.maximum), "what waits takes too long"
