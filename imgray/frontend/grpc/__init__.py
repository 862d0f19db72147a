"""The gRPC interface over the gateway: what /v1 does over HTTP. It knows nothing of Ray, whose ingress calls it."""
