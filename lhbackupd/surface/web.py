"""What the daemon shows over HTTP: pages, metrics, probes, the report as JSON. Nothing can be changed here.

Whatever costs something is made in one of two threads, and plans in a third, with a few more waiting, so that neither a
thousand volumes nor a thousand clients hold up the loop; who comes when all of that is taken is told to come again.
Probes answer at once. A probe's answer is one word, or the reasons why not.
"""

import gzip
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from importlib import resources

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lhbackupd.long import Long
from lhbackupd.surface import questions
from lhbackupd.surface.changes import Changes, Shown, Versions
from lhbackupd.surface.explanation import Explanation
from lhbackupd.surface.findings import Diagnosis
from lhbackupd.surface.kept import Kept
from lhbackupd.surface.pages.routes import History, Pages
from lhbackupd.surface.plan import Plan
from lhbackupd.surface.report import Report
from lhbackupd.surface.series import exposition
from lhbackupd.surface.threads import Busy, Threads

#: seconds for which what was so may be shown, where thousands of volumes make it costly to see what is so now
_LINGER = 5.0
#: gzip's level: the highest saves little more, and takes five times as long
_QUICKLY = 1
#: what is accepted where metrics come in each of their forms: in one version of it, as each is kept
_FORMS = ("text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0")
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FILES = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}


class Web:
    """The ASGI application, `changes`, which is to be told of events and to be run, and the `report` that all show.

    `alive` gives why the daemon is not alive, or ""; `ready` why it is not ready. `report` and the collectors of
    `metrics` are called in `threads`, and `plan`, which may take seconds, in `forecasts`; `ahead` prepares what a
    scrape says of a report, for which no page waits; `history` reads the journal; `explain` and `diagnose` look at
    Longhorn, `explain` raising Unknown for what is no volume.
    """

    def __init__(
        self,
        *,
        report: Callable[[], Report],
        metrics: CollectorRegistry,
        ahead: Callable[[Report], object],
        alive: Callable[[], str],
        ready: Callable[[], tuple[str, ...]],
        history: History,
        plan: Callable[[timedelta], Plan],
        explain: Callable[[str], Awaitable[Callable[[], Explanation]]],
        diagnose: Callable[[], Awaitable[Diagnosis]],
        threads: Threads,
        forecasts: Threads,
    ) -> None:
        versions = Versions()
        shown = Kept(lambda: versions(report()), linger=_LINGER, aside=threads.aside)
        #: the report that all show; to be called from threads
        self.report = lambda: shown().report
        self.changes = Changes(version=lambda: _prepared(shown.fresh(), ahead), thread=threads.own)
        pages = Pages(
            shown=shown,
            history=history,
            plan=plan,
            explain=explain,
            diagnose=diagnose,
            threads=threads,
            forecasts=forecasts,
        )
        self.app = Starlette(
            routes=[
                *pages.routes,
                *questions.routes(plan=plan, explain=explain, threads=threads, forecasts=forecasts),
                *_machines(report=self.report, metrics=metrics, threads=threads),
                *_probes(alive=alive, ready=ready),
                Route("/events", self._events),
                *(Route(f"/{name}", _file(name, kind)) for name, kind in _FILES.items()),
            ],
            middleware=[Middleware(_ReadOnly)],
            exception_handlers={Busy: _busy, Exception: _defect},
        )
        # a redirect would be to wherever the request's Host says
        self.app.router.redirect_slashes = False

    async def _events(self, request: Request) -> Response:
        if self.changes.full:
            return PlainTextResponse("too many listen already\n", status_code=503, headers={"Retry-After": "60"})
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        return StreamingResponse(self.changes.stream(), media_type="text/event-stream")


def _prepared(shown: Shown, ahead: Callable[[Report], object]) -> str:
    ahead(shown.report)
    return shown.version


def _machines(*, report: Callable[[], Report], metrics: CollectorRegistry, threads: Threads) -> list[Route]:
    """What other programs read."""

    def shown(content_type: str, make: Callable[[], bytes]) -> Callable[[Request], Awaitable[Response]]:
        plain, packed = Kept(make), Kept(lambda: gzip.compress(make(), _QUICKLY))
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}

        async def show(request: Request) -> Response:
            if "gzip" in request.headers.get("accept-encoding", ""):  # as Prometheus always asks: a fifth of the bytes
                return Long(await threads(packed), headers={**headers, "Content-Encoding": "gzip"})
            return Long(await threads(plain), headers=headers)

        return show

    forms = {
        _kind(content_type): shown(content_type, partial(exposition, metrics, encode))
        for encode, content_type in map(choose_encoder, _FORMS)
    }

    async def show_metrics(request: Request) -> Response:
        _, wanted = choose_encoder(request.headers.get("accept", ""))
        return await forms[_kind(wanted)](request)

    show_report = shown("application/json", lambda: msgspec.json.encode(report()))
    return [Route("/status.json", show_report), Route("/metrics", show_metrics)]


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0]


def _probes(*, alive: Callable[[], str], ready: Callable[[], tuple[str, ...]]) -> list[Route]:
    async def show_alive(_: Request) -> Response:
        fault = alive()
        return PlainTextResponse(f"{fault or 'alive'}\n", status_code=503 if fault else 200)

    async def show_ready(_: Request) -> Response:
        reasons = ready()
        return PlainTextResponse("\n".join((*(reasons or ("ready",)), "")), status_code=503 if reasons else 200)

    return [Route("/livez", show_alive), Route("/readyz", show_ready)]


def _file(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    content = resources.files("lhbackupd.surface.pages").joinpath(name).read_bytes()

    async def show(_: Request) -> Response:
        return Response(content, media_type=kind)

    return show


async def _busy(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("too many requests; come again\n", status_code=503, headers={"Retry-After": "1"})


async def _defect(_request: Request, _error: Exception) -> Response:
    """The answer to a defect of ours: uvicorn logs the error itself."""
    return PlainTextResponse("internal error; see the log\n", status_code=500, headers=HEADERS)


class _ReadOnly:
    """Answers nothing but GET and HEAD, and adds the headers that keep browsers strict.

    A request with a body is answered without reading it, and its connection is closed, so that no more of it comes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        more: Mapping[str, str] = {"Connection": "close"} if _has_body(scope) else {}

        async def send_strictly(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update({**HEADERS, **more})
            await send(message)

        app = self._app
        if scope["type"] == "http" and scope["method"] not in {"GET", "HEAD"}:
            app = PlainTextResponse("read-only: GET or HEAD\n", status_code=405, headers={"Allow": "GET, HEAD"})
        await app(scope, receive, send_strictly)


def _has_body(scope: Scope) -> bool:
    if scope["type"] != "http":
        return False
    headers = Headers(scope=scope)
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
