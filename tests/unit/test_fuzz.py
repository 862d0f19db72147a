"""Mutated files and pipelines: only errors of imgray's own come out, and no process dies of any.

``--fuzz-rounds`` says how many are tried, ``--first-seed`` with which one it begins.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(0)  # as many as are asked for, each with a limit of its own
def test_mutated_files_and_pipelines_are_refused_in_the_right_way(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    rounds, first = request.config.getoption("--fuzz-rounds"), request.config.getoption("--first-seed")
    progress = tmp_path / "seed"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"import fuzzing; fuzzing.main({first}, {rounds}, {str(progress)!r})"],
        env={"PYTHONPATH": ":".join([str(Path(__file__).parents[1]), *sys.path]), "PATH": "/usr/bin:/bin"},
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if run.returncode != 0:
        seed = progress.read_text().strip()
        pytest.fail(
            f"seed {seed} ends with {run.returncode}; again: pytest {__file__} --fuzz-rounds 1 --first-seed {seed}\n"
            f"{run.stderr[-4000:]}"
        )
