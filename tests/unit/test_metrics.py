"""Metrics: invariant 5 at every scrape, and a page that lists exactly what there is."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import httpx
import pytest
from frontends import calling, finished, http
from pictures import corrupt
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from imgray.frontend import metrics
from imgray.local import LocalCluster
from imgray.settings import Settings
from imgray.task import Event, State

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")

Samples = dict[tuple[str, str], float]


async def scrape(client: httpx.AsyncClient) -> Samples:
    """Return the value of each metric, by its name and its label."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, "".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def by_state(samples: Samples) -> dict[str, float]:
    return {state: samples[metrics.TASKS, state] for state in State}


async def test_the_states_add_up_at_every_scrape_while_tasks_come_and_go(tmp_path: Path, png: bytes) -> None:
    """Invariant 5."""
    async with http(tmp_path, workers=2, retry_base_s=0.01) as client:
        going = True

        async def watch() -> list[Samples]:
            scrapes = []
            while going:
                scrapes.append(await scrape(client))
                await asyncio.sleep(0)
            return scrapes

        async def use(number: int) -> None:
            content = corrupt() if number % 3 == 0 else png
            location = (await client.post("/v1/tasks", content=content)).headers["location"]
            if number % 5 == 0:
                await client.delete(location)
            task = await finished(client, location)
            if task["state"] == "failed":
                await client.post("/v1/dead-letters/redrive", json={"ids": [task["id"]]})
                await finished(client, location)
            if number % 4 == 0:
                await client.post(f"{location}/purge")

        watching = asyncio.ensure_future(watch())
        for first in range(0, 24, 8):
            await asyncio.gather(*(use(number) for number in range(first, first + 8)))
        going = False
        scrapes = [*await watching, await scrape(client)]
    submitted = [samples[metrics.TASKS_SUBMITTED, ""] for samples in scrapes]
    assert submitted == [sum(by_state(samples).values()) for samples in scrapes]
    assert submitted == sorted(submitted)
    assert len(set(submitted)) > 2, "there was something to see"
    last = scrapes[-1]
    assert (submitted[-1], last[metrics.TASKS, "queued"], last[metrics.LIVE_BYTES, ""]) == (24, 0, 0)


async def test_each_metric_says_what_it_means(tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalCluster, "add_worker", lambda *_: None)
    async with LocalCluster(Settings(data=tmp_path)) as cluster, calling(cluster) as client:
        location = (await client.post("/v1/tasks", content=png)).headers["location"]
        before = await scrape(client)
        await client.delete(location)
        after = await scrape(client)
    assert (before[metrics.TASKS, "queued"], before[metrics.LIVE_BYTES, ""]) == (1, len(png))
    assert (after[metrics.TASKS, "cancelled"], after[metrics.LIVE_BYTES, ""]) == (1, 0)
    assert {event: after[metrics.TASK_EVENTS, event] for event in Event if after[metrics.TASK_EVENTS, event]} == {
        Event.CANCEL: 1
    }
    assert (after[metrics.WORKERS, ""], after[metrics.REFUSED_REPORTS, ""]) == (0, 0)
    assert time.time() - 30 < after[metrics.START_TIME, ""] <= time.time()


async def test_the_page_lists_exactly_what_is_exposed(tmp_path: Path) -> None:
    async with http(tmp_path) as client:
        exposed = await scrape(client)
    listed = set()
    for name, labels in re.findall(r"^\| `(imgray_\w+)` \| \w+ \| (.*?) \|", PAGE, re.MULTILINE):
        _, *values = re.findall(r"`(\w+)`", labels) or [""]
        listed |= {(name, value) for value in values or [""]}
    assert listed == set(exposed)
    assert {name for name, _ in listed} == {metric.name for metric in metrics.METRICS}


async def test_openmetrics_are_given_to_whoever_asks_for_them(tmp_path: Path) -> None:
    async with http(tmp_path) as client:
        answer = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families = parse_openmetrics(answer.text)  # type: ignore[no-untyped-call]
    assert {family.name for family in families} == {metric.name.removesuffix("_total") for metric in metrics.METRICS}


@pytest.mark.parametrize("version", ["abc", ".", ""])
async def test_an_odd_accept_gets_the_usual_format(tmp_path: Path, version: str) -> None:
    async with http(tmp_path) as client:
        answer = await client.get("/metrics", headers={"Accept": f"application/openmetrics-text; version={version}"})
        assert (answer.status_code, "imgray_tasks_submitted_total" in answer.text) == (200, True)
