"""What a worker holds: the tasks that it was granted, until the Master has confirmed what became of them."""

from __future__ import annotations

from collections.abc import Iterable

from imgray.messages import Grant
from imgray.task import TaskSpec


class Held:
    """Tasks by their token, in order of grant; among them the images that wait for the runner, or are with it."""

    def __init__(self) -> None:
        self._specs: dict[int, TaskSpec] = {}
        self._images: dict[int, None] = {}

    def __contains__(self, token: object) -> bool:
        return token in self._specs

    def __len__(self) -> int:
        return len(self._specs)

    @property
    def tokens(self) -> tuple[int, ...]:
        """The tokens of all of them."""
        return tuple(self._specs)

    @property
    def images(self) -> tuple[int, ...]:
        """The tokens of the images that wait or run."""
        return tuple(self._images)

    @property
    def unfinished(self) -> int:
        """How many images wait or run."""
        return len(self._images)

    def spec(self, token: int) -> TaskSpec | None:
        """Return what was submitted, None for what is not held (any more)."""
        return self._specs.get(token)

    def add(self, grants: Iterable[Grant]) -> None:
        """Hold what was granted."""
        for grant in grants:
            self._specs[grant.token] = grant.spec
            if not grant.spec.is_command:
                self._images[grant.token] = None

    def finish(self, token: int) -> None:
        """Note that an image neither waits nor runs any more."""
        self._images.pop(token, None)

    def drop(self, token: int) -> bool:
        """Hold a task no more; return False when it was not held."""
        self.finish(token)
        return self._specs.pop(token, None) is not None
