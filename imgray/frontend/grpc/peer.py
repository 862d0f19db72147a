"""Where a call comes from, as gRPC writes it."""

from __future__ import annotations

import ipaddress
from urllib.parse import unquote


def is_near(peer: str) -> bool:
    """Say whether a call comes from this machine.

    Args:
        peer: as in ``ipv4:127.0.0.1:4321``, ``ipv6:%5B::1%5D:4321`` or ``unix:``.
    """
    kind, _, rest = unquote(peer).partition(":")
    if kind == "unix":
        return True
    try:
        address = ipaddress.ip_address(rest.rpartition(":")[0].strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
