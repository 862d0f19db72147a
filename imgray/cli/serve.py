"""``imgray serve``, ``imgray status`` and ``imgray stop``: the service on this machine."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import threading
import time
from contextlib import ExitStack
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from imgray import service
from imgray.cli.http import ask, data_option, key_file_option, url_option
from imgray.credentials import HTTP, server_context
from imgray.errors import ServiceError
from imgray.journal import HANDOVER_S
from imgray.settings import Settings

STATUS_TIMEOUT_S = 10.0
_POLL_S = 0.1
_EVERY_INTERFACE = "0.0.0.0"  # noqa: S104  # where Ray Serve opens the port of gRPC


@click.command()
@click.option("--host", help="Address to listen on; beyond loopback it needs keys.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--grpc-port", type=click.IntRange(1, 65535), help="Port of gRPC, which needs keys; by default, none.")
@data_option
@click.option("--workers", type=click.IntRange(min=0), help="Size of the worker pool; 0: one per core.")
@click.option("--address", help="Ray cluster to join; without it, a private one is started here.")
@click.option("--detach", is_flag=True, envvar="IMGRAY_DETACH", help="Go on when this command and its terminal end.")
def serve(detach: bool, **options: Any) -> None:  # noqa: ANN401, FBT001  # a flag is what click passes
    """Serve HTTP until Ctrl-C, or with --detach until `imgray stop`.

    Every option is also a setting, IMGRAY_HOST and so on; docs/settings.md lists them all.
    """
    settings = Settings.having(**options)
    settings.require_keys()
    server_context(settings, HTTP)  # so that a file which cannot be loaded is named at once
    if settings.beyond_loopback and settings.tls_cert is None:
        click.echo("Keys and images travel in clear: IMGRAY_TLS_CERT and IMGRAY_TLS_KEY would hide them.", err=True)
    if detach:
        given = {f"--{name.replace('_', '-')}": value for name, value in options.items() if value is not None}
        arguments = [part for name, value in given.items() for part in (name, str(value))]
        note = service.start_detached(settings.data_folder, arguments)
        print(f"imgray serves {note.url}  (process {note.pid})")
        print(f"Stop it with: {_stop_command(settings)}")
        return
    _serve_here(settings)


@click.command()
@data_option
def stop(**options: Any) -> None:  # noqa: ANN401
    """Stop the service. Tasks that were accepted are kept, and go on when it is started again."""
    settings = Settings.having(**options)
    with Console(stderr=True).status("Stopping…"):
        note = service.stop(settings.data_folder, settings.drain_s)
    print(f"Stopped the service at {note.url}.")


@click.command()
@data_option
@url_option
@key_file_option
@click.option("--json", "as_json", is_flag=True, help="Print it for machines.")
def status(as_json: bool, url: str | None, **options: Any) -> None:  # noqa: ANN401, FBT001
    """Show how the service is: tasks by state, workers. Exit status 1 when it is not there."""
    settings = Settings.having(**options)
    note = None if url else service.find(settings.data_folder)
    address = note.url if note else url
    if address is None:
        print(json.dumps({"running": False}) if as_json else f"No service is running on {settings.data_folder}.")
        raise click.exceptions.Exit(1)
    answer = ask(address, "/v1/status", timeout_s=STATUS_TIMEOUT_S)
    if as_json:
        print(json.dumps({"running": True, "url": address, "pid": note and note.pid, **answer}))
        return
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_row("address", address)
    if note:
        table.add_row("process", str(note.pid))
    table.add_row("version", answer["version"])
    table.add_row("workers", str(answer["workers"]))
    for state, count in answer["tasks"].items():
        table.add_row(state, f"{count:,}")
    Console().print(table)


def _stop_command(settings: Settings) -> str:
    return f"imgray stop --data {settings.data_folder}"


def _serve_here(settings: Settings) -> None:
    """Run the service in this process until SIGINT or SIGTERM."""
    from imgray.actors.cluster import (  # noqa: PLC0415  # help and errors need not wait for Ray
        starting_cluster,
        wait_until_ready,
    )
    from imgray.frontend.deployment import deployed  # noqa: PLC0415

    running = service.find(settings.data_folder)
    if running is not None:
        raise ServiceError(f"A service runs on this data folder already: {running.url} (process {running.pid}).")
    _check_port(settings.host, settings.port, "--port")
    if settings.grpc_port:
        _check_port(settings.host if settings.tls_cert else _EVERY_INTERFACE, settings.grpc_port, "--grpc-port")
    with ExitStack() as stack:
        with Console(stderr=True).status("Starting…"):
            stack.enter_context(starting_cluster(settings))
            url = stack.enter_context(deployed(settings))  # meanwhile, the actors start
            asyncio.run(wait_until_ready(settings))
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        stack.enter_context(service.noted(settings.data_folder, url))
        print(f"imgray serves {url}   (API: {url}/docs)", flush=True)
        if settings.grpc_port:
            print(f"gRPC is on port {settings.grpc_port}.", flush=True)
        print(f"Stop it with Ctrl-C, or: {_stop_command(settings)}", flush=True)
        ended.wait()
        print("Stopping…", flush=True)


def _check_port(host: str, port: int, option: str) -> None:
    """See that a port is free, or becomes so as a service that was killed goes, here, where it can be said."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    deadline = time.monotonic() + HANDOVER_S
    while True:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise ServiceError(
                        f"Port {port} on {host} cannot be used: {error.strerror}. Choose another ({option})."
                    ) from error
            else:
                return
        time.sleep(_POLL_S)
