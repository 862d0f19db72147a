"""The process of one turn: start one contender, measure it at one workload, end it. `workloads.rounds` starts it."""

from __future__ import annotations

import ctypes
import json
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import click
from contenders.registry import contender
from workloads.base import Turn
from workloads.registry import WORKLOADS

FIGURES = "figures.json"
PROBLEM = "problem.txt"

_PR_SET_PDEATHSIG = 1  # prctl(2)


@click.command()
@click.argument("workload_name")
@click.argument("contender_name")
@click.argument("inputs", type=click.Path(path_type=Path))
@click.argument("scratch", type=click.Path(path_type=Path))
@click.argument("scale", type=float)
def main(workload_name: str, contender_name: str, inputs: Path, scratch: Path, scale: float) -> None:
    """Leave the figures, or what went wrong, in the folder."""
    signal.signal(signal.SIGTERM, _end)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # so that nothing goes on without the suite
    try:
        figures = WORKLOADS[workload_name].measure(contender(contender_name), Turn(inputs, scratch, scale))
    except Exception as error:  # noqa: BLE001  # whatever it is, it goes into the report
        traceback.print_exc()
        (scratch / PROBLEM).write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
        sys.exit(1)
    (scratch / FIGURES).write_text(json.dumps(dict(figures)), encoding="utf-8")


def _end(*_: Any) -> None:  # noqa: ANN401  # what signal passes
    """Leave by way of every ``with`` block."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit("ended from outside")


if __name__ == "__main__":
    main()
