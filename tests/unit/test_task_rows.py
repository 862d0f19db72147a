"""Tasks as rows of the journal: whatever a task holds, it comes back as it was, from rows of earlier versions too."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgray.rows import COLUMNS, UNREADABLE, row_of, task_of
from imgray.target import Target
from imgray.task import (
    Attempt,
    BlobSource,
    CommandSource,
    Event,
    Failure,
    InlineSource,
    Lease,
    Output,
    OutputSpec,
    PathSource,
    Source,
    State,
    Task,
    TaskSpec,
)

text = st.text(st.characters(), max_size=9)  # lone surrogates too, as in the names of files that are not UTF-8
seconds = st.floats(0, 1e12)
counts = st.integers(0, 2**62)
pairs = st.lists(st.tuples(text, text), max_size=2).map(tuple)
sources = st.one_of(
    st.builds(BlobSource, text),
    st.builds(InlineSource, counts),
    st.builds(PathSource, text),
    st.builds(CommandSource, text, text, pairs),
)
some_failure = st.none() | st.builds(Failure, text, counts, text, st.booleans())


def several(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=2).map(tuple)


specs = st.builds(
    TaskSpec,
    id=text,
    source=sources,
    outputs=several(st.builds(OutputSpec, text, text, st.none() | text)),
    **dict.fromkeys(["label", "fingerprint", "tenant", "idempotency_key", "digest", "owner"], text),
    **dict.fromkeys(["pixels", "size_bytes"], counts),
    priority=st.integers(-9, 9),
    expires_at=st.none() | seconds,
    target=st.builds(Target, text, text, pairs),
    waits=st.booleans(),
    kept=st.booleans(),
)
outputs = several(
    st.builds(Output, text, text, text, counts, counts, counts, text, st.none() | text, st.none() | text),
)
history = several(
    st.builds(Attempt, counts, text, seconds, seconds, st.sampled_from(Event), some_failure, text, counts),
)


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    """Draw a task of which every field may have any value; its lease is that of its token."""
    token = draw(counts)
    return Task(
        draw(specs),
        draw(counts),
        draw(st.sampled_from(State)),
        draw(seconds),
        draw(seconds),
        attempts=draw(counts),
        alone=draw(st.booleans()),
        token=token,
        lease=draw(st.none() | st.builds(Lease, st.just(token), text, seconds, text)),
        expires_at=draw(st.none() | seconds),
        finished_at=draw(st.none() | seconds),
        outputs=draw(outputs),
        failure=draw(some_failure),
        history=draw(history),
    )


@given(tasks())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_task_comes_back_as_it_was_from_its_row_and_from_a_pickle(task: Task) -> None:
    assert task_of(row_of(task)) == task
    assert pickle.loads(pickle.dumps(task)) == task  # noqa: S301  # written a moment ago


@pytest.mark.parametrize("label", ["a.png", "\udcff.png"])
def test_text_and_numbers_of_other_kinds_are_taken_for_what_they_say(label: str) -> None:
    """A tenant may come out of a table of NumPy's."""
    (tenant,), (moment,) = np.array(["ada"]), np.array([7.5])
    spec = TaskSpec("7", PathSource(label), (OutputSpec(tenant, ""),), tenant=tenant, expires_at=moment)
    assert (type(spec.tenant), type(spec.expires_at)) == (np.str_, np.float64)
    read = task_of(row_of(Task(spec, 1, State.QUEUED, 1.0, 1.0))).spec
    assert read == spec
    assert (type(read.tenant), type(read.expires_at)) == (str, float)


@pytest.mark.parametrize(
    ("written", "source"),
    [
        ({"key": "inputs/7"}, BlobSource("inputs/7")),
        ({"size_bytes": 7}, InlineSource(7)),
        ({"path": "/a.png"}, PathSource("/a.png")),
        ({"command": "count", "path": "", "arguments": [["to", "7"]]}, CommandSource("count", "", (("to", "7"),))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_row_of_an_earlier_version_does_not_say_what_kind_of_source_it_names(
    written: dict[str, Any], source: Source
) -> None:
    task = Task(TaskSpec("7", source, (OutputSpec("image", "swap:rg"),), tenant="ada"), 1, State.QUEUED, 1.0, 1.0)
    row = dict(zip(COLUMNS, row_of(task), strict=True))
    row["spec"] = json.dumps(
        {"source": written, "outputs": [{"name": "image", "pipeline": "swap:rg"}], "tenant": "ada"}
    )
    assert task_of(tuple(row.values())) == task


@pytest.mark.parametrize(
    "spec", ["", "[]", "{}", "null", '{"source": {}}', '{"source": 7}', '{"source": {"key": 7}}', 7]
)
def test_a_spec_that_is_none_is_damage(spec: Any) -> None:
    row = dict(zip(COLUMNS, row_of(Task(TaskSpec("7", BlobSource("a"), ()), 1, State.QUEUED, 1.0, 1.0)), strict=True))
    row["spec"] = spec
    with pytest.raises(UNREADABLE):
        task_of(tuple(row.values()))
