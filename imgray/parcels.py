"""Parcels: small inputs and outputs, which travel with their tasks. Books only; the journal keeps them."""

from __future__ import annotations

from imgray.hot import Hot

ParcelKey = tuple[str, str]
"""A task's id, and the name of an output; no name: its input."""


_EACH_BYTES = 400  # what one takes in memory beside its bytes, about: many small ones are to be bounded too


class Parcels:
    """Those that the journal has yet to write, and the latest ones, which are likely to be asked for."""

    def __init__(self, limit_bytes: int) -> None:
        """Start empty; ``limit_bytes`` are kept in memory of what the journal has."""
        self._hot: Hot[ParcelKey, bytes] = Hot(limit_bytes)
        self._inputs: list[tuple[int, bytes]] = []
        self._results: list[tuple[int, str, bytes]] = []

    def bring(self, task_id: str, seq: int, data: bytes) -> None:
        """Enter the input of a new task."""
        self._inputs.append((seq, data))
        self._hot.set((task_id, ""), len(data) + _EACH_BYTES, data)

    def deliver(self, task_id: str, seq: int, name: str, data: bytes) -> None:
        """Enter an output."""
        self._hot.drop((task_id, ""))  # nobody asks for the input any more
        self._results.append((seq, name, data))
        self._hot.set((task_id, name), len(data) + _EACH_BYTES, data)

    def input(self, task_id: str) -> bytes | None:
        """Return an input, if it is in memory."""
        return self._hot.get((task_id, ""))

    def output(self, task_id: str, name: str) -> bytes | None:
        """Return an output, if it is in memory."""
        return self._hot.get((task_id, name))

    def drain(self) -> tuple[list[tuple[int, bytes]], list[tuple[int, str, bytes]]]:
        """Return the inputs and the outputs that came since the last call."""
        drained = self._inputs, self._results
        self._inputs, self._results = [], []
        return drained
