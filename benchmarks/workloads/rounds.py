"""Turns: each a process of its own, one at a time, so that nobody runs beside the one that is measured."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contenders.base import NOTE
from contenders.processes import BENCHMARKS
from workloads.base import Turn, Workload
from workloads.one_turn import FIGURES, PROBLEM

TURN_TIMEOUT_S = 900.0
SETTLE_S = 1.0
"""Between two turns, after what was written is on disk."""

_END_S = 45.0
_SAID = 300  # characters of what went wrong that go into the report


@dataclass(slots=True)
class Series:
    """What one contender has done at one workload, round by round; with a problem, it has no figure."""

    rounds: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one turn."""

    contender: str
    figures: Mapping[str, float]
    notes: Sequence[str]
    problem: str | None


def play(workload: Workload, names: Sequence[str], rounds: int, scratch: Path, turn: Turn) -> Iterator[Outcome]:
    """Have each contender take its turn in each round; the order rotates. Who has had a problem is out.

    Args:
        workload: what to do.
        names: the contenders.
        rounds: how many.
        scratch: a folder for the turns.
        turn: the inputs and the scale.
    """
    out: set[str] = set()
    for number in range(rounds):
        first = number % len(names)
        for name in [*names[first:], *names[:first]]:
            if name in out:
                continue
            outcome = _take(workload, name, Turn(turn.inputs, scratch / f"{workload.name}-{name}-{number}", turn.scale))
            if outcome.problem:
                out.add(name)
            yield outcome


def _take(workload: Workload, name: str, turn: Turn) -> Outcome:
    turn.scratch.mkdir()
    os.sync()  # so that nobody waits for what another one wrote
    time.sleep(SETTLE_S)
    log = turn.scratch / "turn.log"
    try:
        problem = _run(workload.name, name, turn, log)
        notes = [line.removeprefix(NOTE) for line in _lines(log) if line.startswith(NOTE)]
        wrong = None if problem else workload.check(turn)
        problem = problem or (f"wrong output: {wrong}" if wrong else None)
        figures = {} if problem else json.loads((turn.scratch / FIGURES).read_text(encoding="utf-8"))
    finally:
        shutil.rmtree(turn.scratch, ignore_errors=True)
    return Outcome(name, figures, notes, problem)


def _run(workload: str, contender: str, turn: Turn, log: Path) -> str | None:
    """Run a turn's process to its end, and see that nothing is left of it; say what went wrong."""
    arguments = [workload, contender, str(turn.inputs), str(turn.scratch), str(turn.scale)]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # ourselves
            [sys.executable, "-m", "workloads.one_turn", *arguments],
            cwd=BENCHMARKS,
            env={**os.environ, "PYTHONPATH": str(BENCHMARKS), "OMP_NUM_THREADS": "1"},  # each core has a process
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        process.wait(TURN_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return f"did not end within {TURN_TIMEOUT_S:g} s"
    finally:
        _end(process)
    if process.returncode == 0:
        return None
    with contextlib.suppress(OSError):
        return _shortened((turn.scratch / PROBLEM).read_text(encoding="utf-8"))
    return _shortened(" ".join(_lines(log)[-3:]) or f"ended with {process.returncode}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a turn's process, which ends what it has started; then whatever is left."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()


def _shortened(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _SAID else words[:_SAID] + "…"
