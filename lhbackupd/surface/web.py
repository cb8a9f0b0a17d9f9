"""What the daemon shows over HTTP: metrics, probes, the report as JSON and as a page. Nothing can be changed here.

Reports, metrics and pages are made in a thread, so that a thousand volumes do not hold up the loop. A probe's answer is
one word, or the reasons why not.
"""

from collections.abc import Callable, Sequence
from importlib import resources

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lhbackupd.surface.page import page
from lhbackupd.surface.report import Report

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def application(
    *,
    report: Callable[[], Report],
    metrics: CollectorRegistry,
    alive: Callable[[], str],
    ready: Callable[[], tuple[str, ...]],
    more: Sequence[Route] = (),
) -> Starlette:
    """The ASGI application. `alive` gives why the daemon is not alive, or ""; `ready` why it is not ready.

    `report` and the collectors of `metrics` are called from threads. `more` is served besides.
    """
    style = resources.files("lhbackupd.surface").joinpath("page.css").read_bytes()

    def show_metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(metrics), headers={"Content-Type": content_type})

    async def show_alive(_: Request) -> Response:
        fault = alive()
        return PlainTextResponse(f"{fault or 'alive'}\n", status_code=503 if fault else 200)

    async def show_ready(_: Request) -> Response:
        reasons = ready()
        return PlainTextResponse("\n".join((*(reasons or ("ready",)), "")), status_code=503 if reasons else 200)

    def show_report(_: Request) -> Response:
        return Response(msgspec.json.encode(report()), media_type="application/json")

    def show_page(_: Request) -> Response:
        return Response(page(report()), media_type="text/html")

    async def show_style(_: Request) -> Response:
        return Response(style, media_type="text/css")

    return Starlette(
        routes=[
            Route("/", show_page),
            Route("/style.css", show_style),
            Route("/status.json", show_report),
            Route("/metrics", show_metrics),
            Route("/livez", show_alive),
            Route("/readyz", show_ready),
            *more,
        ],
        middleware=[Middleware(_ReadOnly)],
        exception_handlers={Exception: _defect},
    )


async def _defect(_request: Request, _error: Exception) -> Response:
    """The answer to a defect of ours: uvicorn logs the error itself."""
    return PlainTextResponse("internal error; see the log\n", status_code=500, headers=HEADERS)


class _ReadOnly:
    """Answers nothing but GET and HEAD, and adds the headers that keep browsers strict."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_strictly(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        app = self._app
        if scope["type"] == "http" and scope["method"] not in {"GET", "HEAD"}:
            app = PlainTextResponse("read-only: GET or HEAD\n", status_code=405, headers={"Allow": "GET, HEAD"})
        await app(scope, receive, send_strictly)
