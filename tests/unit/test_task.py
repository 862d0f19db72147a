from __future__ import annotations

from pathlib import Path

import pytest

from imgray.task import FINISHED, TRANSITIONS, Event, State, new_task_id

ARCHITECTURE = Path(__file__).parents[2] / "ARCHITECTURE.md"


def test_a_dead_letter_is_left_by_redrive_alone_and_a_result_only_by_its_loss() -> None:
    """Invariant 4."""
    leaving = {(state, event) for (state, event) in TRANSITIONS if state in FINISHED}
    assert leaving == {(State.FAILED, Event.REDRIVE), (State.SUCCEEDED, Event.LOSE)}


def test_every_state_can_be_reached_from_queued() -> None:
    reached = {State.QUEUED}
    while new := {after for (before, _), after in TRANSITIONS.items() if before in reached} - reached:
        reached |= new
    assert reached == set(State)


@pytest.mark.parametrize(("before", "event"), TRANSITIONS)
def test_the_architecture_page_shows_every_transition(before: State, event: Event) -> None:
    row = f"| {before} | {event} | {TRANSITIONS[before, event]} |"
    assert row in ARCHITECTURE.read_text(encoding="utf-8")


def test_ids_sort_by_time_and_never_come_twice() -> None:
    ids = [new_task_id() for _ in range(1000)]
    assert len(set(ids)) == len(ids)
    assert [task_id[:12] for task_id in ids] == sorted(task_id[:12] for task_id in ids)
