"""Compact values: pickled, copied and changed as any frozen dataclass is."""

from __future__ import annotations

import copy
import pickle
import re
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgray import messages, task
from imgray.compact import fields_of, replaced, values_of
from imgray.messages import Ack, Exchange, Grant
from imgray.task import BlobSource, Failure, InlineSource, Lease, Output, OutputSpec, PathSource, Task, TaskSpec

COMPACT = sorted(
    {
        value
        for module in (task, messages)
        for value in vars(module).values()
        if isinstance(value, type) and is_dataclass(value) and "__reduce__" in vars(value)
    },
    key=lambda kind: kind.__name__,
)
FLAT = [BlobSource, Failure, InlineSource, Lease, Output, OutputSpec, PathSource]

every_kind = pytest.mark.parametrize("kind", COMPACT, ids=lambda kind: kind.__name__)
many = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def values(kind: type) -> st.SearchStrategy[Any]:
    """Make values of a dataclass, with every field drawn, but for what is not equal to itself."""
    return st.from_type(kind).filter(lambda value: not re.search(r"\bnan\b", repr(value)))


def test_what_travels_most_is_compact() -> None:
    assert {Ack, Exchange, Grant, Output, Task, TaskSpec} <= set(COMPACT)


@every_kind
@many
@given(st.data())
def test_a_value_that_was_pickled_or_copied_is_the_same(kind: type, data: st.DataObject) -> None:
    value = data.draw(values(kind))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(value, protocol))  # noqa: S301  # written a moment ago
        assert (type(again), again) == (kind, value)
    assert copy.copy(value) == copy.deepcopy(value) == value


@every_kind
def test_every_field_is_given_in_order_when_a_value_is_made(kind: type) -> None:
    """A value is made anew of its fields, by place."""
    assert all(field.init and not field.kw_only for field in fields(kind))
    assert "__post_init__" not in vars(kind)


@every_kind
@many
@given(st.data())
def test_a_value_with_changes_is_what_the_standard_library_makes_of_it(kind: type, data: st.DataObject) -> None:
    value, other = data.draw(values(kind)), data.draw(values(kind))
    names = data.draw(st.sets(st.sampled_from([field.name for field in fields(kind)])))
    changes = {name: getattr(other, name) for name in names}
    before = repr(value)
    changed = replaced(value, changes)
    assert (type(changed), changed) == (kind, replace(value, **changes))
    assert repr(value) == before


@every_kind
@many
@given(st.data())
def test_values_and_fields_are_those_of_the_dataclass_in_order(kind: type, data: st.DataObject) -> None:
    value = data.draw(values(kind))
    expected = [(field.name, getattr(value, field.name)) for field in fields(kind)]
    assert list(fields_of(value).items()) == expected
    assert list(values_of(value)) == [one for _, one in expected]


@pytest.mark.parametrize("kind", FLAT, ids=lambda kind: kind.__name__)
@many
@given(st.data())
def test_the_fields_of_a_flat_value_are_its_dict(kind: type, data: st.DataObject) -> None:
    value = data.draw(values(kind))
    assert list(fields_of(value).items()) == list(asdict(value).items())


def test_a_field_that_there_is_not_cannot_be_changed() -> None:
    with pytest.raises(KeyError):
        replaced(BlobSource("a"), {"kye": "b"})
