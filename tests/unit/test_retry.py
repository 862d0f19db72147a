from __future__ import annotations

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from imgray.retry import Backoff


@given(attempt=st.integers(1, 10_000), seed=st.integers())
def test_a_delay_stays_below_the_exponential_bound_and_the_cap(attempt: int, seed: int) -> None:
    delay_s = Backoff(base_s=0.5, cap_s=60).delay_s(attempt, random.Random(seed))
    assert 0 <= delay_s <= min(60, 0.5 * 2 ** min(attempt - 1, 20))


def test_delays_grow_on_average() -> None:
    rng = random.Random(1)
    runs = [list(itertools.islice(Backoff(1, 1000).delays_s(rng), 6)) for _ in range(200)]
    means = [sum(run[position] for run in runs) / len(runs) for position in range(6)]
    assert means == sorted(means)
