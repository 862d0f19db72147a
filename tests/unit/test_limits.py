"""Token buckets, in a time that the test makes."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgray.errors import RateLimitedError, TooMuchAtOnceError
from imgray.frontend.limits import Limits, Receiving
from imgray.keys import Caller, Key, Scope


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def caller(name: str) -> Caller:
    return Caller(name, frozenset(Scope))


def limited(clock: Clock, **limits: Any) -> Limits:
    keys = [
        Key(name=name, sha256=character * 64, scopes=frozenset(Scope), **limits)
        for name, character in (("a", "0"), ("b", "1"))
    ]
    return Limits(keys, clock)


def refused(limits: Limits, size_bytes: int | None = 0, name: str = "a") -> RateLimitedError:
    with pytest.raises(RateLimitedError) as error:
        limits.admit(caller(name), size_bytes)
    return error.value


def test_a_burst_of_a_second_goes_through_and_then_as_many_as_the_rate_allows() -> None:
    clock = Clock()
    limits = limited(clock, submissions_per_s=3)
    for _ in range(3):
        limits.admit(caller("a"), 0)
    assert refused(limits).retry_after_s == 1
    clock.now += 1 / 3
    limits.admit(caller("a"), 0)
    refused(limits)
    clock.now += 1000
    for _ in range(3):
        limits.admit(caller("a"), 0)
    refused(limits)


def test_a_refusal_names_key_and_limit_and_says_when() -> None:
    clock = Clock()
    limits = limited(clock, submissions_per_s=0.1)
    limits.admit(caller("a"), 0)
    clock.now += 0.5
    error = refused(limits)
    assert (error.status, error.code, error.retry_after_s) == (429, "rate_limited", 10)  # 9.5, rounded up
    assert str(error) == "Key 'a' is over its limit of 0.1 (submissions_per_s). Try again in 10 s."
    clock.now += error.retry_after_s
    limits.admit(caller("a"), 0)


def test_one_key_does_not_pay_for_another_nor_does_who_has_no_limit() -> None:
    limits = limited(Clock(), submissions_per_s=1)
    limits.admit(caller("a"), 0)
    limits.admit(caller("b"), 0)
    refused(limits)
    for _ in range(10):
        limits.admit(caller("nobody"), 10**9)


def test_bytes_are_counted_and_a_body_over_the_burst_goes_through_when_the_bucket_is_full() -> None:
    clock = Clock()
    limits = limited(clock, bytes_per_s=100)
    limits.admit(caller("a"), 60)
    assert refused(limits, 60).args[1] == "bytes_per_s"
    limits.admit(caller("a"), 40)
    clock.now += 0.99
    refused(limits, 1000)
    clock.now += 0.01
    limits.admit(caller("a"), 1000)  # and leaves a debt of 900
    assert refused(limits, 1).retry_after_s == math.ceil(9.01)
    clock.now += 9.01
    limits.admit(caller("a"), 1)


def test_a_body_of_unknown_size_is_paid_afterwards() -> None:
    clock = Clock()
    limits = limited(clock, bytes_per_s=100)
    limits.admit(caller("a"), None)
    limits.charge(caller("a"), 350)
    assert refused(limits, None).retry_after_s == 3
    clock.now += 3
    limits.admit(caller("a"), None)
    limits.charge(caller("nobody"), 350)


def test_what_one_limit_refuses_is_not_counted_against_the_other() -> None:
    clock = Clock()
    limits = limited(clock, submissions_per_s=1, bytes_per_s=100)
    limits.admit(caller("a"), 100)
    clock.now += 1
    limits.admit(caller("a"), 0)
    clock.now += 0.5
    assert refused(limits, 10).args[1] == "submissions_per_s"
    limits = limited(clock, submissions_per_s=1, bytes_per_s=0.5)
    limits.charge(caller("a"), 10)
    assert refused(limits, 1).args[1] == "bytes_per_s"
    clock.now += 100
    limits.admit(caller("a"), 1)


def test_a_clock_that_is_set_back_gives_nothing() -> None:
    clock = Clock()
    limits = limited(clock, submissions_per_s=1)
    limits.admit(caller("a"), 0)
    clock.now -= 500
    refused(limits)


@given(
    st.floats(0.01, 50),
    st.lists(st.floats(0, 5), min_size=1, max_size=60),
)
def test_never_more_than_the_rate_and_one_burst_and_waiting_as_told_helps(rate: float, pauses: list[float]) -> None:
    clock = Clock()
    limits = limited(clock, submissions_per_s=rate)
    for admitted, pause in enumerate(pauses, 1):
        clock.now += pause
        try:
            limits.admit(caller("a"), 0)
        except RateLimitedError as error:
            clock.now += error.retry_after_s
            limits.admit(caller("a"), 0)
        assert admitted <= max(rate, 1) + rate * (clock.now - 1000) + 1e-3


def test_no_more_is_received_at_a_time_than_there_is_room_for() -> None:
    receiving = Receiving(100)
    with receiving.upload() as count:
        count(60)
        with receiving.upload() as other:
            other(30)
            with pytest.raises(TooMuchAtOnceError, match="100 bytes"):
                other(11)
        count(40)
    with receiving.upload() as count:
        count(100)
