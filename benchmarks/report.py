"""What a comparison has found: a table, Markdown, JSON and plots. Reads results, never measures."""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contenders.base import cores
from rich.table import Table
from workloads.base import Metric, Workload
from workloads.rounds import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS = "imgray"
"""Contenders whose names begin so are ours, and highlighted."""

_COLOURS = {True: "#0b7a75", False: "#b4b9be"}
_FEW = 100  # below, figures have decimals


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that goes into the files."""

    settings: Mapping[str, Any]
    versions: Mapping[str, Mapping[str, str]]
    about: Mapping[str, str]
    skipped: Mapping[str, str]
    results: dict[str, dict[str, Series]] = field(default_factory=dict)

    def write(self, folder: Path, workloads: Sequence[Workload]) -> None:
        """Write all files anew, with what is there so far."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "compare.json").write_text(json.dumps(self._json(workloads), indent=2) + "\n", encoding="utf-8")
        (folder / "compare.md").write_text(self.markdown(workloads), encoding="utf-8")

    def markdown(self, workloads: Sequence[Workload]) -> str:
        """Return the tables as Markdown."""
        facts = {**machine(), **self.settings}
        parts = ["# Side by side", "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in facts.items())]
        parts += [_markdown_table(workload, self.results[workload.name]) for workload in workloads]
        parts.append("\n".join(["## Contenders\n", *(f"- `{name}`: {said}" for name, said in self._described())]))
        return "\n\n".join(parts) + "\n"

    def _described(self) -> list[tuple[str, str]]:
        described = []
        for name, said in self.about.items():
            versions = ", ".join(f"{part} {version}" for part, version in self.versions.get(name, {}).items())
            skipped = f"; skipped: {self.skipped[name]}" if name in self.skipped else ""
            described.append((name, f"{said}{f' ({versions})' if versions else ''}{skipped}"))
        return described

    def _json(self, workloads: Sequence[Workload]) -> dict[str, Any]:
        return {
            "machine": machine(),
            "settings": dict(self.settings),
            "versions": self.versions,
            "skipped": self.skipped,
            "workloads": {workload.name: _as_json(workload, self.results[workload.name]) for workload in workloads},
        }


def machine() -> dict[str, Any]:
    """Return where this runs."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "python": platform.python_version(),
        "cpu": model,
        "cores": cores(),
        "kernel": platform.release(),
    }


def table(workload: Workload, results: Mapping[str, Series]) -> Table:
    """Return a table for the terminal."""
    columns, rows = _cells(workload, results)
    shown = Table(*columns, title=f"{workload.name}: {workload.title}", caption=workload.about, title_justify="left")
    for name, cells in rows:
        shown.add_row(*cells, style="bold" if name.startswith(OURS) else None)
    return shown


def _markdown_table(workload: Workload, results: Mapping[str, Series]) -> str:
    columns, rows = _cells(workload, results)
    lines = [f"## {workload.title} (`{workload.name}`)\n", f"{workload.about[0].upper()}{workload.about[1:]}.\n"]
    lines += [" | ".join(["", *columns, ""]).strip(), "|" + "---|" * len(columns)]
    lines += [" | ".join(["", *cells, ""]).strip() for _, cells in rows]
    return "\n".join(lines)


def _cells(workload: Workload, results: Mapping[str, Series]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Return the columns' heads, and for each contender what stands in its row."""
    columns = ["contender"]
    for metric in workload.metrics:
        columns += [_head(workload, metric), f"to {workload.reference}"]
    columns.append("notes")
    rows = []
    for name, series in results.items():
        cells = [name]
        for metric in workload.metrics:
            cells += [_spread(_values(series, metric)), _spread(ratios(results, workload.reference, name, metric), 2)]
        cells.append(f"no figure: {series.problem}" if series.problem else "; ".join(series.notes))
        rows.append((name, cells))
    return columns, rows


def ratios(results: Mapping[str, Series], reference: str, name: str, metric: Metric) -> list[float]:
    """Return a contender's figures in relation to those of the reference in the same round."""
    against = _values(results[reference], metric) if reference in results else []
    return [one / other for one, other in zip(_values(results[name], metric), against, strict=False)]


def _values(series: Series, metric: Metric) -> list[float]:
    return [] if series.problem else [figures[metric.name] for figures in series.rounds]


def _spread(values: Sequence[float], decimals: int | None = None) -> str:
    """Show median and range."""
    if not values:
        return "-"
    middle = statistics.median(values)
    if decimals is None:
        decimals = 1 if middle < _FEW else 0
    median, least, most = (f"{value:,.{decimals}f}" for value in (middle, min(values), max(values)))
    return f"{median} ({least} to {most})" if len(values) > 1 else median


def _as_json(workload: Workload, results: Mapping[str, Series]) -> dict[str, Any]:
    contenders = {}
    for name, series in results.items():
        figures = {}
        for metric in workload.metrics:
            values, related = _values(series, metric), ratios(results, workload.reference, name, metric)
            figures[metric.name] = {
                "rounds": values,
                "median": statistics.median(values) if values else None,
                "ratios": related,
                "median_ratio": statistics.median(related) if related else None,
            }
        contenders[name] = {"figures": figures, "notes": series.notes, "problem": series.problem}
    return {
        "title": workload.title,
        "about": workload.about,
        "units": {metric.name: metric.unit for metric in workload.metrics},
        "reference": workload.reference,
        "contenders": contenders,
    }


def plot(workload: Workload, results: Mapping[str, Series], folder: Path) -> None:
    """Draw a bar for each contender, with the range of its rounds, as PNG and SVG."""
    import matplotlib as mpl  # noqa: PLC0415  # it may be missing

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    names = [name for name, series in results.items() if series.rounds and not series.problem]
    if not names:
        return
    folder.mkdir(parents=True, exist_ok=True)
    across, down = len(workload.metrics), 1.4 + 0.36 * len(names)
    with plt.rc_context({"svg.hashsalt": OURS}):
        figure, axes = plt.subplots(1, across, figsize=(8, down), sharey=True, squeeze=False, layout="constrained")
        for axis, metric in zip(axes[0], workload.metrics, strict=True):
            _draw_bars(axis, {name: _values(results[name], metric) for name in names})
            axis.set_title(_head(workload, metric) + ", less is better" * metric.lower_is_better, loc="left", size=10)
        axes[0][0].invert_yaxis()
        figure.suptitle(workload.title, x=0.01, ha="left", fontweight="bold")
        figure.savefig(folder / f"{workload.name}.png", dpi=150)
        figure.savefig(folder / f"{workload.name}.svg", metadata={"Date": None})
        plt.close(figure)


def _draw_bars(axis: Axes, values: Mapping[str, Sequence[float]]) -> None:
    medians = [statistics.median(rounds) for rounds in values.values()]
    below = [middle - min(rounds) for middle, rounds in zip(medians, values.values(), strict=True)]
    above = [max(rounds) - middle for middle, rounds in zip(medians, values.values(), strict=True)]
    colours = [_COLOURS[name.startswith(OURS)] for name in values]
    whiskers = {"capsize": 2, "elinewidth": 1}
    bars = axis.barh(list(values), medians, xerr=(below, above), color=colours, error_kw=whiskers)
    axis.bar_label(bars, [_spread([middle]) for middle in medians], padding=4, fontsize=9)
    axis.margins(x=0.18)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(left=False)


def _head(workload: Workload, metric: Metric) -> str:
    """Say what a metric's figures are."""
    return f"{metric.name}, {metric.unit}" if len(workload.metrics) > 1 else metric.unit
