"""A job as the client sees it: a task that runs a command, and what its program writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from imgray.client.submitted import Submitted
from imgray.jobs import JobStatus
from imgray.transcript import Chunk, Stream


class ClientJob(Submitted):
    """A command that was started; `refresh` and `wait` bring it up to date."""

    def __repr__(self) -> str:
        return f"<imgray job {self.id} {self.state}>"

    def status(self) -> JobStatus:
        """Say whether its program has ended, and how: ``error_text`` is "" if well, else as in ``exit status 1``."""
        return self._client.call(self._client.gateway.jobs.status(self.refresh().snapshot))

    def stop(self) -> Self:
        """Stop its program, with all that it started, and wait until nothing is left; an ended one stays as it is."""
        self._client.call(self._client.gateway.jobs.end(self._task))
        return self.refresh()

    def output(self, offset: int = 0, *, follow: bool = True) -> Iterator[Chunk]:
        """Yield what its program writes, in order: stream, offset, time and bytes of each chunk.

        Where an offset is not where the chunk before it ended, bytes are missing: of much output, the beginning and the
        end are kept.

        Args:
            offset: how many bytes, of both streams together, to pass over.
            follow: go on until the program ends, also when it has not begun; else, what there is now.
        """
        for part in self._client.each(self._client.gateway.jobs.follow(self.id, offset, follow=follow)):
            yield from part.part.chunks

    def text(self, stream: Stream | str | None = None) -> str:
        """Wait until its program ends, and return what it wrote: to both streams, in order, or to one of them."""
        chunks = [chunk.data for chunk in self.output() if stream in {None, chunk.stream}]
        return b"".join(chunks).decode(errors="replace")
