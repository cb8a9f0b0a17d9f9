"""The simulated Longhorn over HTTP: an ASGI application, and uvicorn to serve it.

Every request first lets the cluster catch up with its clock, then is answered at once. Faults may delay, bend
or cut the answer. The application owns no task; only websocket streams wait.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from email.utils import format_datetime
from urllib.parse import unquote

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lhbackupd.long import Long
from lhbackupd.simulator import api, httpfaults, side
from lhbackupd.simulator.call import Answer, Call
from lhbackupd.simulator.clock import Clock
from lhbackupd.simulator.cluster import Cluster
from lhbackupd.simulator.stream import Streams
from lhbackupd.simulator.volumewire import Cache

METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"]


def base_of(request: Request) -> str:
    """The address by which the client called, proxies included."""
    headers = request.headers
    scheme = headers.get("x-forwarded-proto", "http").split(",")[0].strip()
    host = headers.get("x-forwarded-host", headers.get("host", "localhost")).split(",")[0].strip()
    return f"{scheme}://{host}"


class Front:
    """Answers requests for one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.cache = Cache(cluster.world)
        self.encoder = msgspec.json.Encoder()
        self.faults = httpfaults.Faults()

    async def longhorn(self, request: Request) -> Response:
        """A request of Longhorn's API."""
        raw = await request.body()
        self.cluster.advance()
        path = unquote(request.url.path)
        base = base_of(request)
        if len(path) > 1 and path.endswith("/"):
            return Response(status_code=301, headers={"Location": path.rstrip("/")})
        action = request.query_params.get("action", "")
        call = Call(self.cluster.world, request.method, path, action, raw, base)
        pattern, _ = api.pattern_of(path)
        counted = f"{request.method} {pattern}" + (f"?action={action}" if action else "")
        self.cluster.world.ledger.requests[counted] += 1
        struck = self.faults.strike(request.method, path, action)
        if struck:
            return await self.disturbed(struck, call, counted)
        return self.respond(self.answer(call), base)

    def answer(self, call: Call) -> Answer:
        """Longhorn's own answer."""
        if (call.method, call.path) == ("GET", "/v1/volumes"):
            return Answer(body=self.cache.volumes(call.base))
        return api.dispatch(call)

    async def disturbed(self, struck: list[httpfaults.HttpFault], call: Call, counted: str) -> Response:
        """An answer that faults interfere with; the ledger tells so when the request has come in."""
        wait = sum(fault.seconds for fault in struck if fault.kind == "delay" and fault.act != "after")
        volume, ledger = httpfaults.volume_of(call.path), self.cluster.world.ledger
        for each in struck:
            ledger.add("fault-struck", volume, fault=each.id, what=each.kind, request=counted, seconds=wait)
        if wait:
            await self.cluster.clock.sleep(wait)
            self.cluster.advance()
        fault = next((fault for fault in struck if fault.kind != "delay"), None)
        if fault is None:
            response = self.respond(self.answer(call), call.base)
            late = sum(fault.seconds for fault in struck if fault.act == "after")
            if late:
                await self.cluster.clock.sleep(late)
            return response
        acts = fault.kind not in {"status", "reset", "down"} or fault.act in {"before", "after"}
        answer = self.answer(call) if acts else Answer(fault.status, None, None)
        if fault.kind in {"reset", "down"}:
            return Severed()
        if fault.kind == "status":
            return Response(fault.body.encode(), status_code=fault.status, media_type=fault.content_type)
        whole = self.respond(answer, call.base)
        bent = httpfaults.bend(fault, bytes(whole.body))
        if fault.kind == "truncate":
            return Severed(whole, bent)
        kind = "text/html" if fault.kind == "not-json" else whole.headers.get("content-type")
        return Response(bent, status_code=whole.status_code, media_type=kind)

    def respond(self, answer: Answer, base: str) -> Response:
        """Turn an Answer into bytes."""
        body = answer.body if isinstance(answer.body, bytes) else None
        if body is None:
            body = b"" if answer.body is None else self.encoder.encode(answer.body)
        response = Long(body, status_code=answer.status)
        if answer.content_type:
            response.headers["content-type"] = answer.content_type
            response.headers["x-api-schemas"] = f"{base}/v1/schemas"
        # by the cluster's clock, which may be sped up: clients judge their own clock by it
        response.headers["date"] = format_datetime(self.cluster.world.now(), usegmt=True)
        for name, value in answer.headers:
            response.headers[name] = value
        return response

    async def side(self, request: Request) -> Response:
        """A request of the side API."""
        raw = await request.body()
        self.cluster.advance()
        query = dict(request.query_params)
        answer = side.dispatch(self.cluster.world, self.faults, request.method, unquote(request.url.path), query, raw)
        return self.respond(answer, base_of(request))


class Severed(Response):
    """A connection that ends without an answer, or in the middle of one."""

    def __init__(self, whole: Response | None = None, part: bytes = b"") -> None:
        super().__init__()
        self._whole, self._part = whole, part

    async def __call__(
        self,
        scope: Scope,
        receive: Receive,  # noqa: ARG002
        send: Send,
    ) -> None:
        """Send what there is and cut the connection; without a real one, raise."""
        if self._whole is not None:
            status, headers = self._whole.status_code, self._whole.raw_headers
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": self._part, "more_body": True})
        transport = getattr(scope.get("simulator.protocol"), "transport", None)
        if transport is None:
            raise ConnectionResetError("a fault of the simulated network")
        if self._whole is None:
            transport.abort()
        else:
            transport.close()
        while not getattr(scope["simulator.protocol"], "disconnected", True):  # noqa: ASYNC110 -- nothing to wait for tells
            await asyncio.sleep(0)


class Exposed:
    """Shows the application the server's connection, which faults cut and streams write frames into.

    Answers are dated by the cluster's clock: by `Date` a client notices that its clock and Longhorn's disagree.
    """

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with the connection in the scope."""
        scope["simulator.protocol"] = getattr(send, "__self__", None)

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self._clock.now(), usegmt=True).encode()
                message = {**message, "headers": [*message.get("headers", []), (b"date", date)]}
            await send(message)

        with contextlib.suppress(ClientDisconnect):  # it left before it had said all: there is nobody to answer
            await self._app(scope, receive, dated)


def application(cluster: Cluster) -> Starlette:
    """The ASGI application of one cluster: `/v1` and the side API `/sim`."""
    front = Front(cluster)
    return Starlette(
        routes=[
            WebSocketRoute("/v1/ws/{rest:path}", Streams(cluster, front.cache)),
            Route("/sim{rest:path}", front.side, methods=METHODS),
            Route("/{rest:path}", front.longhorn, methods=METHODS),
        ]
    )


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs the loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int, managers: int) -> list[socket.socket]:
    """The listening sockets: on loopback one per manager, since answers may name another manager."""
    first = socket.create_server((host, port))
    found = [first]
    if host == "127.0.0.1":
        for number in range(2, managers + 1):
            with contextlib.suppress(OSError):
                found.append(socket.create_server((f"127.0.0.{number}", first.getsockname()[1])))
    for each in found:
        # accepted connections inherit it; asyncio sets it only where the socket's protocol is named. An answer of two
        # segments would wait 40 ms for the client's delayed acknowledgement of the first; Go's server does not wait
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


async def serve(
    cluster: Cluster,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    ready: Callable[[int], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until `stop` is set; `ready` is told the port."""
    config = uvicorn.Config(
        Exposed(application(cluster), cluster.clock),
        http="h11",
        ws="websockets-sansio",
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        date_header=False,
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as tasks:
        sockets = listen(host, port, len(cluster.world.nodes))
        running = tasks.create_task(server.serve(sockets))
        while not server.started and not running.done():  # noqa: ASYNC110 -- nothing to wait for tells
            await asyncio.sleep(0.01)
        if ready and server.started:
            ready(sockets[0].getsockname()[1])
        if stop:
            await stop.wait()
            server.should_exit = True
