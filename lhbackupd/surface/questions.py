"""Questions that cost something to answer, over HTTP: the plan, and what there is to say of one volume.

Read-only, as all on that port. Each is answered in a thread, and one after the other, so that asking many times cannot
take the processor from the runs. What is asked for is checked before anything is made of it.
"""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lhbackupd.surface.plan import Plan, read_span

#: a volume's name as Longhorn takes it: it names Kubernetes objects
NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_USUAL_SPAN = "7d"


def routes(*, plan: Callable[[timedelta], Plan]) -> list[Route]:
    """What `web.application` serves besides; `plan` is called from a thread."""
    turn = asyncio.Lock()

    async def show_plan(request: Request) -> Response:
        try:
            span = read_span(request.query_params.get("next", _USUAL_SPAN))
        except ValueError as error:
            return PlainTextResponse(f"next is not {error}\n", status_code=400)
        async with turn:
            return _json(await asyncio.to_thread(lambda: msgspec.json.encode(plan(span))))

    return [Route("/plan.json", show_plan)]


def _json(raw: bytes) -> Response:
    return Response(raw, media_type="application/json")
