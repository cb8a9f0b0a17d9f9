"""Questions that cost something to answer, over HTTP: the plan, and what there is to say of one volume.

Read-only, as all on that port. Plans are made one after the other, and so are explanations, so that asking many times
cannot take the processor from the runs; where too many wait, who comes next is told so. What is asked for is checked
before anything is made of it.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lhbackupd.long import Long
from lhbackupd.surface.explain import Unknown
from lhbackupd.surface.explanation import NAME, NO_NAME, Explanation
from lhbackupd.surface.plan import Plan, read_span
from lhbackupd.surface.threads import Few, Threads

_USUAL_SPAN = "7d"
#: those who wait while one is answered
_WAITING = 8


def routes(
    *,
    plan: Callable[[timedelta], Plan],
    explain: Callable[[str], Awaitable[Callable[[], Explanation]]],
    threads: Threads,
    forecasts: Threads,
) -> list[Route]:
    """What `web.Web` serves besides.

    `plan` is called in `forecasts`. `explain` looks at a volume, or raises Unknown, and returns what makes the
    explanation, which is called in `threads`.
    """
    look = Few(at_once=1, waiting=_WAITING)

    async def show_plan(request: Request) -> Response:
        try:
            span = read_span(request.query_params.get("next", _USUAL_SPAN))
        except ValueError as error:
            return PlainTextResponse(f"next is not {error}\n", status_code=400)
        return _json(await forecasts(lambda: msgspec.json.encode(plan(span))))

    async def show_volume(request: Request) -> Response:
        name = request.path_params["volume"]
        if not NAME.fullmatch(name):
            return PlainTextResponse(f"{NO_NAME}\n", status_code=404)
        async with look.place():
            try:
                made = await explain(name)
            except Unknown as error:
                return PlainTextResponse(f"{error}\n", status_code=404)
            return _json(await threads.admitted(lambda: msgspec.json.encode(made())))

    return [Route("/plan.json", show_plan), Route("/explain/{volume:str}.json", show_volume)]


def _json(raw: bytes) -> Response:
    return Long(raw, media_type="application/json")
