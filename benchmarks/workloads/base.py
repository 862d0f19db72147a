"""What a workload is: its inputs, how one contender's turn at it is measured, and how its outputs are checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from contenders.base import Contender


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a workload."""

    name: str
    unit: str
    lower_is_better: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """One measurement of one contender: the inputs that all share, and a folder of its own, which starts empty."""

    inputs: Path
    scratch: Path
    scale: float

    @property
    def outputs(self) -> Path:
        """Where the outputs are put that are to be checked."""
        folder = self.scratch / "outputs"
        folder.mkdir(exist_ok=True)
        return folder

    def scaled(self, count: int, least: int = 1) -> int:
        """Return a count, or the fraction of it that was asked for."""
        return scaled(count, self.scale, least)


class Workload(Protocol):
    """Something to do for all contenders."""

    @property
    def name(self) -> str:
        """What it is called on the command line."""

    @property
    def title(self) -> str:
        """What it is called in the report."""

    @property
    def about(self) -> str:
        """Say in one sentence what is done."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Its figures."""

    @property
    def contenders(self) -> tuple[str, ...]:
        """Who can do it."""

    @property
    def reference(self) -> str:
        """To whom the others are set in relation."""

    def prepare(self, photos: Sequence[Path], inputs: Path, scale: float) -> None:
        """Make the inputs, once, in an empty folder."""

    def measure(self, contender: Contender, turn: Turn) -> Mapping[str, float]:
        """Start a contender, warm it up, measure it, end it; return the figures by the metrics' names.

        Raises:
            Exception: whatever went wrong; then there is no figure.
        """

    def check(self, turn: Turn) -> str | None:
        """Look at the outputs of a turn; say what is wrong with them."""


def scaled(count: int, scale: float, least: int = 1) -> int:
    """Return a fraction of a count."""
    return max(round(count * scale), least)
