"""All calls in one class: the services of a gRPC server, and what Ray Serve needs to know to have them called."""

from __future__ import annotations

from imgray.frontend.grpc.health import HealthCalls
from imgray.frontend.grpc.jobs import JobCalls
from imgray.frontend.grpc.tasks import TaskCalls

REGISTRATIONS = (
    "imgray.v1.imgray_pb2_grpc.add_ImgrayServicer_to_server",
    "grpc_health.v1.health_pb2_grpc.add_HealthServicer_to_server",
)
"""The functions, by their paths, that tell a server which methods there are."""


class Servicer(TaskCalls, JobCalls, HealthCalls):
    """Every method of `imgray.v1.Imgray` and of `grpc.health.v1.Health`, by its name."""
