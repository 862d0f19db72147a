"""What routes are given: the way into the cluster."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from imgray.gateway import Gateway


def gateway_of(request: Request) -> Gateway:
    """Return the gateway that the application connected when it started."""
    gateway: Gateway = request.app.state.gateway
    return gateway


GatewayDep = Annotated[Gateway, Depends(gateway_of)]
