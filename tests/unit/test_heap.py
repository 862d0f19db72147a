"""What a process keeps of its memory; run in one of its own, since it is kept for good."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, weakref
from imgray.heap import keep_memory, keep_objects

class Knot:
    def __init__(self): self.self = self

keep_memory()
before, after = Knot(), None
keep_objects()
assert gc.get_freeze_count() > 10_000, "what was there is not looked at"
after = Knot()
seen = [weakref.ref(one) for one in (before, after)]
del before, after
gc.collect()
assert [ref() is None for ref in seen] == [False, True], "and what comes later is"
"""


def test_the_garbage_collector_looks_at_what_comes_later() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
