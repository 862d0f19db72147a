"""What was submitted, as the client sees it: its state, its story, and what can be done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from imgray.task import Attempt, State, Task

if TYPE_CHECKING:
    from imgray.client.client import Client


class Submitted:
    """A task of either kind; `refresh` and `wait` bring it up to date."""

    def __init__(self, client: Client, task: Task) -> None:
        self._client = client
        self._task = task

    @property
    def id(self) -> str:
        """Its id, by which any client finds it again."""
        return self._task.id

    @property
    def state(self) -> State:
        """Its state when last looked at."""
        return self._task.state

    @property
    def error(self) -> str | None:
        """Why it, or its latest attempt, failed: code and sentence."""
        failure = self._task.failure
        return f"{failure.code}: {failure.message}" if failure else None

    def refresh(self) -> Self:
        """Look at it again."""
        self._task = self._client.call(self._client.gateway.get(self.id))
        return self

    def wait(self, timeout_s: float | None = None) -> Self:
        """Wait until it has finished.

        Raises:
            TimeoutError: it has not, within the time given.
        """
        for _ in self._client.as_completed([self], timeout_s):
            pass
        return self

    def cancel(self) -> Self:
        """Cancel it; when it has finished already, it stays as it is."""
        self._task = self._client.call(self._client.gateway.cancel(self.id))
        return self

    def redrive(self) -> Self:
        """Put it back in the queue if it failed, with all its attempts before it."""
        self._task = self._client.call(self._client.gateway.redrive(self.id))
        return self

    def purge(self) -> None:
        """Remove it, its image and its results for good; it can no longer be looked at.

        Raises:
            TaskLiveError: it has not finished.
        """
        self._client.call(self._client.gateway.purge(self.id))

    @property
    def history(self) -> tuple[Attempt, ...]:
        """The attempts that had ended when it was last looked at."""
        return self._task.history

    @property
    def snapshot(self) -> Task:
        """The task as it was when last looked at."""
        return self._task

    def update(self, task: Task) -> None:
        """Take a newer look at the task, that the client got together with others."""
        self._task = task
