"""The application: pages, health, the two APIs, and one handler that renders every error."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from imgray.errors import (
    ImgrayError,
    MethodNotAllowedError,
    RequestError,
    RouteNotFoundError,
    TaskError,
    UnauthenticatedError,
)
from imgray.frontend import ancestors, dead_letters, jobs, metrics, processing, scheduler, submissions, tasks, workers
from imgray.frontend.access import Authentication
from imgray.frontend.dependencies import GatewayDep, check_host, retry_after, shown
from imgray.frontend.limits import Limits
from imgray.frontend.readiness import check_ready
from imgray.frontend.schema import ErrorJson
from imgray.frontend.uploads import BodyLimit, RefusedError
from imgray.gateway import Gateway
from imgray.keys import Authenticator
from imgray.settings import Settings
from imgray.version import __version__

log = logging.getLogger(__name__)

_PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' blob: data:;"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}


def create_app(settings: Settings, connect: Callable[[], Gateway], limits: Limits | None = None) -> FastAPI:
    """Make the application.

    Args:
        settings: the service's settings.
        connect: called once, in the event loop that serves, to get the way into the cluster.
        limits: those that it shares with others who take submissions.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.gateway = connect()
        yield

    app = FastAPI(
        title="imgray",
        version=__version__,
        description="Image processing as durable tasks: submit, get an id, watch, download.",
        docs_url=None,  # our own page below: the usual ones load their scripts from other hosts
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[] if settings.keys else [Depends(check_host)],  # no browser sends a key by itself
        responses={"4XX": {"model": ErrorJson}, "5XX": {"model": ErrorJson}},
    )
    app.state.limits = limits or Limits(settings.keys, most_received_bytes=settings.receivable_bytes)
    receiving = app.state.limits.receiving
    app.add_middleware(BodyLimit, max_body_bytes=settings.max_body_bytes, receiving=receiving)
    app.add_middleware(Authentication, authenticator=Authenticator(settings.keys), render=_render)
    _add_pages(app)
    for routes in (submissions, processing, tasks, dead_letters, jobs, workers, metrics, ancestors, scheduler):
        app.include_router(routes.router)
    _add_health(app)
    _add_error_handlers(app)
    return app


def _add_pages(app: FastAPI) -> None:
    folder = files("imgray.frontend")
    page, docs = ((folder / name).read_text(encoding="utf-8") for name in ("page.html", "docs.html"))

    @app.head("/", include_in_schema=False)
    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return HTMLResponse(page, headers=_PAGE_HEADERS)

    @app.get("/docs", include_in_schema=False)
    async def reference() -> Response:
        return HTMLResponse(docs, headers=_PAGE_HEADERS)


def _add_health(app: FastAPI) -> None:
    @app.get("/healthz", tags=["service"], response_class=PlainTextResponse)
    async def healthz() -> str:
        """Say that this process answers; it does not ask anyone else."""
        return "ok"

    @app.get("/readyz", tags=["service"], response_class=PlainTextResponse)
    async def readyz(gateway: GatewayDep) -> str:
        """Say whether tasks can be accepted and worked on: the Master answers and has a worker."""
        await check_ready(gateway)
        return "ready"


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(ImgrayError)
    async def on_error(_request: Request, error: ImgrayError) -> Response:
        return _render(error)

    @app.exception_handler(RequestValidationError)
    async def on_bad_parameter(_request: Request, error: RequestValidationError) -> Response:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'][1:] or e['loc']))}: {e['msg']}" for e in error.errors())
        return _render(RequestError(f"{problems}."))

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> Response:
        if isinstance(error, RefusedError):
            return _render(error.error)
        where = request.method, request.url.path
        if error.status_code == MethodNotAllowedError.status:
            return _render(MethodNotAllowedError(*where), error.headers)
        if error.status_code == RouteNotFoundError.status:
            return _render(RouteNotFoundError(*where))
        return _render(RequestError(str(error.detail)), error.headers)

    @app.exception_handler(Exception)
    async def on_defect(request: Request, error: Exception) -> Response:
        log.error("action=defect path=%s", request.url.path, exc_info=error)
        return _render(ImgrayError("Something went wrong inside imgray; its log says what."))


def _render(error: ImgrayError, headers: Mapping[str, str] | None = None) -> Response:
    body = ErrorJson(
        code=error.code,
        message=shown(error),
        task_id=error.task_id if isinstance(error, TaskError) else None,
    )
    challenge = {"WWW-Authenticate": "Bearer"} if isinstance(error, UnauthenticatedError) else {}
    content = body.model_dump(exclude_none=True)
    return JSONResponse(content, error.status, {**(headers or {}), **retry_after(error), **challenge})
