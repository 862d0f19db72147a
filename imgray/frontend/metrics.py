"""``GET /metrics``: the Master's books for Prometheus. docs/metrics.md is checked against `METRICS`.

All that one scrape shows was counted at one moment, so the tasks in each state add up to all that were ever submitted.
To add one: a name, and a row in `METRICS`. Then ``python docs/generate.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.responses import PlainTextResponse, Response

from imgray.frontend.access import needs
from imgray.frontend.dependencies import GatewayDep
from imgray.keys import Scope
from imgray.messages import Statistics
from imgray.task import Event, State

TASKS_SUBMITTED = "imgray_tasks_submitted_total"
TASKS = "imgray_tasks"
TASK_EVENTS = "imgray_task_events_total"
REFUSED_REPORTS = "imgray_refused_reports_total"
CALLS = "imgray_calls_total"
LIVE_BYTES = "imgray_live_bytes"
WORKERS = "imgray_workers"
START_TIME = "imgray_start_time_seconds"

Family = CounterMetricFamily | GaugeMetricFamily
_FAMILIES: Mapping[str, type[Family]] = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: what it is called, what it means, and where in the books it stands."""

    name: str
    meaning: str
    read: Callable[[Statistics], Sequence[float]]
    """Look up its value, or one for each value of its label."""
    label: str = ""
    values: Sequence[str] = ()

    @property
    def kind(self) -> str:
        """What Prometheus calls it: a counter only grows."""
        return "counter" if self.name.endswith("_total") else "gauge"

    def family(self, statistics: Statistics) -> Family:
        """Make what the client library shows."""
        family: Family = _FAMILIES[self.kind](self.name, self.meaning, labels=[self.label] if self.label else [])
        labels: Sequence[Sequence[str]] = [[value] for value in self.values] or [[]]
        for values, found in zip(labels, self.read(statistics), strict=True):
            family.add_metric(values, found)
        return family


METRICS = (
    Metric(TASKS_SUBMITTED, "Tasks that were ever submitted.", lambda books: [books.submitted]),
    Metric(
        TASKS,
        "Tasks that there ever were, by the state in which they are now; purged ones count as what they were.",
        lambda books: [books.tasks[state] for state in State],
        "state",
        tuple(State),
    ),
    Metric(
        TASK_EVENTS,
        "What happened to tasks since the Master started.",
        lambda books: [books.events.get(event, 0) for event in Event],
        "event",
        tuple(Event),
    ),
    Metric(
        REFUSED_REPORTS,
        "Reports of workers with a stale token, which changed nothing, since the Master started.",
        lambda books: [books.refused],
    ),
    Metric(CALLS, "Calls of `/v1/process` that have ended since the Master started.", lambda books: [books.calls]),
    Metric(LIVE_BYTES, "Size of the uploaded images of queued and leased tasks.", lambda books: [books.live_bytes]),
    Metric(WORKERS, "Workers that are registered.", lambda books: [books.workers]),
    Metric(START_TIME, "When the Master started, in seconds since the epoch.", lambda books: [books.started_at]),
)


class Books(Collector):
    """The metrics of one moment."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Family]:
        """Show each metric."""
        return (metric.family(self._statistics) for metric in METRICS)


router = APIRouter(dependencies=[needs(Scope.READ)])


@router.get(
    "/metrics", tags=["service"], response_class=PlainTextResponse, responses={200: {"description": "Metrics."}}
)
async def get_metrics(request: Request, gateway: GatewayDep) -> Response:
    """Show the metrics of this moment, in Prometheus' text format or in OpenMetrics if that is asked for."""
    registry = CollectorRegistry()
    registry.register(Books(await gateway.master.statistics()))
    try:
        write, content_type = choose_encoder(request.headers.get("accept", ""))
    except (TypeError, ValueError):  # it asks for a version that is no number
        write, content_type = choose_encoder("")
    return Response(write(registry), media_type=content_type)
