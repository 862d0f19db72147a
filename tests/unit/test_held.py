"""What a worker holds."""

from __future__ import annotations

from imgray.actors.held import Held
from imgray.messages import Grant
from imgray.task import BlobSource, CommandSource, Source, TaskSpec


def grant(token: int, source: Source | None = None) -> Grant:
    return Grant(TaskSpec(f"task{token}", source or BlobSource("a"), ()), token, 1)


def test_images_are_counted_until_they_are_done_and_held_until_that_is_confirmed() -> None:
    held = Held()
    held.add([grant(1), grant(2), grant(3)])
    assert (held.tokens, held.images, held.unfinished) == ((1, 2, 3), (1, 2, 3), 3)
    held.finish(1)
    held.finish(1)
    assert (held.tokens, held.images, held.unfinished) == ((1, 2, 3), (2, 3), 2)
    assert held.drop(1)
    assert not held.drop(1)
    assert held.drop(2), "it was cancelled while it waited"
    assert (held.tokens, held.images, len(held), held.unfinished) == ((3,), (3,), 1, 1)
    assert held.spec(3) == grant(3).spec
    assert held.spec(2) is None
    assert 3 in held
    assert 2 not in held


def test_commands_are_held_but_are_no_images() -> None:
    held = Held()
    held.add([grant(1, CommandSource("count")), grant(2)])
    assert (held.tokens, held.images) == ((1, 2), (2,))
    held.finish(1)
    held.drop(1)
    assert (held.tokens, held.images) == ((2,), (2,))
