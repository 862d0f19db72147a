"""imgray: durable image processing on Ray. Submit, get an id, watch, download; lose nothing.

>>> from imgray import connect
>>> with connect() as imgray:  # doctest: +SKIP
...     imgray.submit("photo.jpg", "swap:rg/resize:800,600").image().show()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgray.custom import operation
from imgray.errors import ImgrayError
from imgray.pipeline import Pipeline

if TYPE_CHECKING:
    from imgray.client import Client


def connect(address: str = "", **overrides: Any) -> Client:  # noqa: ANN401  # fields of Settings
    """Connect to a cluster, or start a private one here; see `imgray.client.connect`."""
    from imgray import client  # noqa: PLC0415  # importing imgray must not import Ray

    return client.connect(address, **overrides)


__all__ = ["ImgrayError", "Pipeline", "connect", "operation"]
