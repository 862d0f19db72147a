"""The Python client over the whole service in one process: options of a submission, dead letters."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clients import local_client
from clusters import SWAP, WAIT_S
from frontends import SLOW
from pictures import corrupt, encoded, picture

from imgray.client import Client
from imgray.errors import IdempotencyConflictError, RequestError, TaskLiveError, TaskNotFoundError
from imgray.gateway import Submission
from imgray.sources import with_image
from imgray.task import DEFAULT_OUTPUT, InlineSource, PathSource, State, Task


def task_of(client: Client, task_id: str) -> Task:
    return client.call(client.gateway.get(task_id))


def dead(client: Client, number: int, tenant: str = "") -> list[str]:
    tasks = [client.submit(corrupt(), tenant=tenant) for _ in range(number)]
    assert {task.wait(WAIT_S).state for task in tasks} == {State.FAILED}
    return [task.id for task in tasks]


def test_what_is_asked_reaches_the_task(tmp_path: Path, png: bytes) -> None:
    deadline = datetime.now(UTC) + timedelta(minutes=1)
    with local_client(tmp_path) as client:
        options: dict[str, Any] = {"tenant": "ada", "priority": 5, "idempotency_key": "k"}
        spec = task_of(client, client.submit(png, expires_at=deadline, **options).id).spec
        assert (spec.tenant, spec.priority, spec.idempotency_key) == ("ada", 5, "k")
        assert spec.expires_at == deadline.timestamp()
        assert task_of(client, client.submit(png, expires_at=deadline.timestamp()).id).expires_at == spec.expires_at
        for task in client.map([png] * 3, tenant="bob", priority=-2):
            spec = task_of(client, task.id).spec
            assert (spec.tenant, spec.priority) == ("bob", -2)


def test_bad_options_are_errors_of_the_request(tmp_path: Path, png: bytes) -> None:
    with local_client(tmp_path) as client:
        for options in (
            {"priority": 10},
            {"tenant": "x" * 65},
            {"idempotency_key": "x" * 256},
            {"expires_at": time.time() - 1},
            {"expires_at": float("nan")},
            {"expires_at": datetime(2040, 1, 1)},  # noqa: DTZ001  # without an offset
        ):
            with pytest.raises(RequestError):
                client.submit(png, **options)
        assert sum(client.counts().values()) == 0


def test_the_same_key_is_the_same_task_or_a_conflict(tmp_path: Path, png: bytes) -> None:
    with local_client(tmp_path) as client:
        first = client.submit(png, "rotate:90", idempotency_key="order-17")
        assert client.submit(png, "rotate:90", idempotency_key="order-17").id == first.id
        assert client.submit(png, "rotate:90", idempotency_key="order-17", tenant="ada").id != first.id
        with pytest.raises(IdempotencyConflictError):
            client.submit(png, "swap:rg", idempotency_key="order-17")


def test_a_file_is_recognised_by_its_content_wherever_it_lies(tmp_path: Path, png: bytes) -> None:
    (tmp_path / "a.png").write_bytes(png)
    (tmp_path / "b.png").write_bytes(png)
    with local_client(tmp_path) as client:
        plain = client.submit(tmp_path / "a.png")
        first = client.submit(tmp_path / "a.png", deduplicate=True)
        assert isinstance(task_of(client, plain.id).spec.source, PathSource)
        assert isinstance(task_of(client, first.id).spec.source, InlineSource)
        assert client.submit(tmp_path / "b.png", deduplicate=True).id == first.id
        assert client.submit(png, deduplicate=True).id == first.id
        (tmp_path / "a.png").write_bytes(encoded(picture(seed=2)))
        assert client.submit(tmp_path / "a.png", deduplicate=True).id != first.id


def test_dead_letters_are_looked_at_a_page_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgray.client.client._PAGE", 2)
    with local_client(tmp_path) as client:
        ids = dead(client, 3) + dead(client, 2, "ada")
        letters = client.dead_letters()
        first = next(letters)
        assert (first.id, first.state, len(first.history)) == (ids[-1], State.FAILED, 1)
        assert [task.id for task in letters] == ids[-2::-1]
        assert [task.id for task in client.dead_letters(tenant="ada")] == ids[:2:-1]
        assert [task.id for task in client.dead_letters(tenant="")] == ids[2::-1]
        code = (first.error or "").partition(":")[0]
        assert len(list(client.dead_letters(code))) == 5
        assert list(client.dead_letters("worker_died")) == []


def test_dead_letters_are_redriven_and_purged_many_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgray.gateway.MAX_HANDLED", 2)
    monkeypatch.setattr("imgray.client.client.MAX_HANDLED", 2)
    with local_client(tmp_path) as client:
        ids = dead(client, 5) + dead(client, 2, "ada")
        assert client.redrive(None, tenant="ada") == 2
        assert client.redrive(None) >= 5
        for task_id in ids:
            client.task(task_id).wait(WAIT_S)
        assert client.redrive([*ids[:3], client.task(ids[3]), "nope"]) == 4
        for task_id in ids:
            assert len(client.task(task_id).wait(WAIT_S).history) >= 2
        assert client.purge(task for task in client.dead_letters(tenant="ada")) == 2
        assert client.purge(None, code="worker_died") == 0
        assert client.purge([]) == 0
        assert client.purge(None) == 5
        assert (list(client.dead_letters()), client.counts()[State.FAILED]) == ([], 7)
        with pytest.raises(RequestError, match="not by both"):
            client.purge(["x"], tenant="ada")


def test_a_finished_task_is_purged_and_gone(tmp_path: Path, png: bytes) -> None:
    with local_client(tmp_path) as client:
        live = client.submit(png, SLOW)
        with pytest.raises(TaskLiveError):
            live.purge()
        live.cancel()
        task = client.submit(png).wait(WAIT_S)
        task.purge()
        task.purge()
        with pytest.raises(TaskNotFoundError):
            task.refresh()


def test_pixels_are_counted_where_they_are_known(tmp_path: Path) -> None:
    with local_client(tmp_path, reads_paths=False) as client:
        for source in (picture(), np.asarray(picture())):
            assert task_of(client, client.submit(source).id).spec.pixels == 32 * 24


def test_every_image_put_into_a_submission_makes_another_task(png: bytes) -> None:
    asked = Submission({DEFAULT_OUTPUT: SWAP})
    made = [with_image(asked, png, reads_paths=False) for _ in range(3)]
    assert len({submission.task_id for submission in [asked, *made]}) == 4
