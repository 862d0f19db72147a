"""The HTTP interface: a FastAPI application over a `Gateway`, and its deployment on Ray Serve."""
