"""The ``Accept`` header: which of the formats that not everybody reads a client does."""

from __future__ import annotations

import re
from typing import get_args

from imgray.operations.convert import Acceptable

_REFUSED = re.compile(r"q\s*=\s*0(\.0*)?")


def accepted_formats(header: str) -> tuple[str, ...]:
    """Return the formats for `convert:auto` that a client names, the best first; wildcards name none.

    Args:
        header: as in RFC 9110, section 12.5.1.
    """
    named = {}
    for part in header.split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        named[media_type] = not any(_REFUSED.fullmatch(parameter) for parameter in parameters)
    return tuple(name for name in get_args(Acceptable) if named.get(f"image/{name}"))
