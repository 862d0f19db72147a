from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imgray.timers import Timers


@given(st.lists(st.tuples(st.integers(0, 5), st.one_of(st.none(), st.integers(0, 20)), st.integers(0, 20))))
def test_what_is_due_is_what_a_plain_dict_says(steps: list[tuple[int, int | None, int]]) -> None:
    timers: Timers[int] = Timers()
    plain: dict[int, float] = {}
    for key, at, now in steps:
        if at is None:
            timers.stop(key)
            plain.pop(key, None)
        else:
            timers.set(key, at)
            plain[key] = at
        next_at = timers.next_at()
        assert not plain or (next_at is not None and next_at <= min(plain.values()))
        due = [key for key, at in sorted(plain.items(), key=lambda item: item[1]) if at <= now]
        assert sorted(timers.due(now)) == sorted(due)
        plain = {key: at for key, at in plain.items() if key not in due}
        assert len(timers) == len(plain)


def test_the_earliest_comes_first() -> None:
    timers: Timers[str] = Timers()
    for key, at in (("c", 3), ("a", 1), ("b", 2)):
        timers.set(key, at)
    assert timers.due(3) == ["a", "b", "c"]
