"""The catalogue of operations.

To add one: a small module with a frozen `Operation` class, its line in `CATALOGUE`, and a test. The grammar, the JSON
schema, ``GET /v1/operations``, ``imgray operations`` and the reference follow from the class.
"""

from __future__ import annotations

from collections.abc import Mapping

from imgray.operations.base import Operation
from imgray.operations.convert import Convert
from imgray.operations.grayscale import Grayscale
from imgray.operations.resize import Resize
from imgray.operations.rotate import Rotate
from imgray.operations.swap import Swap

CATALOGUE: Mapping[str, type[Operation]] = {
    operation.name: operation for operation in (Convert, Grayscale, Resize, Rotate, Swap)
}

__all__ = ["CATALOGUE", "Convert", "Grayscale", "Operation", "Resize", "Rotate", "Swap"]
