"""Write the references in this folder from the classes that they describe: ``python docs/generate.py``.

A test compares them, so that none can be forgotten.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imgray import errors
from imgray.errors import ImgrayError
from imgray.frontend import metrics
from imgray.operations import GROUPS, OPERATIONS, Finish
from imgray.settings import Settings

FOLDER = Path(__file__).parent
GOLDENS = "../tests/unit/golden"
"""Pictures of what each operation's example makes; the tests hold the operations to them."""


def settings_page() -> str:
    """Describe every setting."""
    defaults = Settings.model_construct()
    rows = [
        f"| `IMGRAY_{name.upper()}` | {_default(getattr(defaults, name))} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return _page(
        """
        # Settings

        Every setting is read from the environment, as `IMGRAY_` and its name. An option of the command line goes before
        the environment. Folders in a list (`IMGRAY_FILE_ROOTS`) are written as JSON: `["/pictures", "/results"]`.

        A service passes its settings to every actor it starts, so that a whole cluster agrees on them; a change takes
        effect when the service is started again.

        | setting | default | meaning |
        |---|---|---|
        """,
        rows,
    )


def errors_page() -> str:
    """Describe every error code."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ImgrayError)]
    described = [(kind.status, kind.code, (inspect.getdoc(kind) or "").splitlines()[0]) for kind in kinds]
    rows = [f"| `{code}` | {status} | {meaning} |" for status, code, meaning in sorted(described)]
    return _page(
        """
        # Error codes

        Every error is answered as `{"code", "message", "task_id"?}` with the status below, raised in Python as the
        class of `imgray.errors` that has this code, and shown by the command line as `code: message`. The routes of the
        first image application answer the message alone, as plain text, unless it is the caller who is refused.

        Errors with status 429 and 503 carry `Retry-After`: the same request may succeed later. A task that failed for a
        passing reason (`worker_died`, `lease_expired`, `task_timeout`) is tried again by itself,
        `IMGRAY_MAX_ATTEMPTS` times in all; one that failed because of its input never is.

        | code | status | meaning |
        |---|---|---|
        """,
        rows,
    )


def operations_page() -> str:
    """Describe every operation."""
    sections = []
    ordered = sorted(OPERATIONS, key=lambda operation: (GROUPS.index(operation.group), operation.name))
    for operation in ordered:
        described = operation.describe()
        if operation is next(one for one in ordered if one.group == operation.group):
            sections += ["", f"## {operation.group.capitalize()}"]
        arguments = described["arguments"]
        rows = [
            f"| `{name}` | {_kind(schema)} | {_argument_default(schema, name in arguments['required'])} "
            f"| {schema.get('description', '')} |"
            for name, schema in arguments["properties"].items()
        ]
        table = ["| argument | values | default | meaning |", "|---|---|---|---|", *rows] if rows else ["No arguments."]
        sections += ["", f"### {operation.name}", "", described["summary"], "", f"`{operation.example}`", ""]
        if not issubclass(operation, Finish):
            sections += [f"![Result]({GOLDENS}/{operation.name}.png)", ""]
        sections += table
    return _page(
        """
        # Operations

        A pipeline is operations in order, joined by `/`. An operation's arguments follow a colon, by position first and
        then by name: `swap:rg/resize:320,240,fill/convert:webp,quality=80`. A value with `/`, `,`, `=`, `"` or white
        space in it is written as a JSON string, in double quotes. The same grammar is used in URLs, on the command line
        and in Python; its JSON form is a list of objects, `[{"op": "swap", "channels": "rg"}]`.

        Lists of numbers are joined by colons (`0:-1:0`), colours are CSS names or hexadecimal without `#` (`ff8800`),
        lengths are pixels or, as `50p` or `50%`, parts of the side. An unknown name or argument is an error that
        proposes the nearest.

        A pipeline that does not end in `convert` keeps the format of its input where imgray writes it, and makes a PNG
        otherwise. Unless `decode` says otherwise, images are turned upright by their EXIF orientation and brought to
        sRGB before anything else. Animations go through every operation frame by frame; what an operation decides by
        looking (where to trim, say) it decides by the first one. Grey with 16 bits stays so where that makes sense,
        other images are worked on with 8 bits a channel.

        The pictures show what each example makes of ![this scene](../tests/unit/golden/frame.png).

        A task can have several outputs, each a pipeline with a name, made of one decoded image. The operator can name
        pipelines (`preset:NAME`) and add operations: see [extending](extending.md).
        """,
        sections,
    )


def metrics_page() -> str:
    """Describe every metric."""
    rows = [f"| `{metric.name}` | {metric.kind} | {_labels(metric)} | {metric.meaning} |" for metric in metrics.METRICS]
    return _page(
        """
        # Metrics

        `GET /metrics` shows them in Prometheus' text format. All that one scrape shows was counted at one moment:
        `imgray_tasks_submitted_total` is always the sum of `imgray_tasks` over its states, so that a task that vanished
        would be seen. A scraper needs a key with the scope read, if the service has [keys](security.md).

        What is counted since the Master started begins at 0 when it is started again; the tasks do not.

        | metric | type | label | meaning |
        |---|---|---|---|
        """,
        rows,
    )


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "errors.md": errors_page,
    "operations.md": operations_page,
    "metrics.md": metrics_page,
}


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


def _page(text: str, lines: list[str]) -> str:
    return inspect.cleandoc(text) + "\n" + "\n".join(lines) + "\n"


def _labels(metric: metrics.Metric) -> str:
    return f"`{metric.label}`: {', '.join(f'`{value}`' for value in metric.values)}" if metric.label else ""


def _default(value: object) -> str:
    return "" if value in ("", (), {}, None) else f"`{value}`"


def _argument_default(schema: dict[str, Any], required: bool) -> str:  # noqa: FBT001  # a column of the table
    default = schema.get("default")
    return "required" if required else "none" if default is None else f"`{str(default).lower()}`"


def _kind(schema: dict[str, Any]) -> str:
    kind = next(option for option in schema.get("anyOf", [schema]) if option.get("type") != "null")
    if "enum" in kind:
        return ", ".join(f"`{value}`" for value in kind["enum"])
    bounds = f" {kind['minimum']} to {kind['maximum']}" if "maximum" in kind else ""
    pattern = f" matching `{kind['pattern']}`" if "pattern" in kind else ""
    return f"{kind['type']}{bounds}{pattern}"


if __name__ == "__main__":
    main()
