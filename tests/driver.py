"""A driver script, as a user writes one: swaps red and green of every picture it is given, and tells what came out."""

from __future__ import annotations

import hashlib
import json
import sys

import imgray


def main(address: str, *paths: str) -> None:
    with imgray.connect(address) as client:
        for task in client.map(paths, "swap:rg"):
            digest = hashlib.sha256(task.array().tobytes()).hexdigest()
            print(json.dumps({"id": task.id, "source": str(task.source), "digest": digest}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
