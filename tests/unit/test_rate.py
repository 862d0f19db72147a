"""Rates that follow the present."""

from __future__ import annotations

import pytest

from imgray.rate import Rate


def test_a_steady_rate_is_found() -> None:
    rate = Rate(30)
    for tick in range(2000):
        rate.add(1, tick / 10)
    assert rate.at(200) == pytest.approx(10, rel=0.02)


def test_a_rate_fades_when_nothing_happens() -> None:
    rate = Rate(30)
    rate.add(30, 0)
    assert rate.at(0) == pytest.approx(1)
    assert rate.at(30) == pytest.approx(0.368, abs=0.001)
    assert rate.at(10_000) < 1e-9


def test_a_clock_that_goes_back_changes_nothing() -> None:
    rate = Rate(30)
    rate.add(30, 100)
    rate.add(30, 50)
    assert rate.at(100) == pytest.approx(2)


def test_nothing_is_no_rate() -> None:
    assert Rate(30).at(5) == 0
