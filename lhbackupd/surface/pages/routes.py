"""Where the pages are: each made in a thread, from the report and from the journal's history where it shows that."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from lhbackupd.core.model import Run
from lhbackupd.engine.journal import JournalError
from lhbackupd.surface.pages import runs as runs_page
from lhbackupd.surface.pages import volumes as volumes_page
from lhbackupd.surface.pages.frame import Frame
from lhbackupd.surface.pages.overview import overview
from lhbackupd.surface.pages.volume import RUNS, known, volume
from lhbackupd.surface.report import Report
from lhbackupd.surface.rows import finished
from lhbackupd.surface.threads import Threads


class History(Protocol):
    """Reads finished runs from the journal, newest first. Raises JournalError."""

    async def __call__(self, *, volume: str | None, policy: str | None, limit: int) -> tuple[Run, ...]: ...


def pages(
    *, report: Callable[[], Report], version: Callable[[], str], history: History, threads: Threads
) -> list[Route]:
    """The routes. `report` and `version` are called from threads."""
    # runs write into the journal through the one thread in which it is read: never are two readers before them
    turn = asyncio.Lock()

    async def read(*, volume: str | None, policy: str | None, limit: int) -> tuple[tuple[Run, ...], str]:
        try:
            async with turn:
                return await history(volume=volume, policy=policy, limit=limit), ""
        except JournalError as error:
            return (), str(error)

    def frame(path: str) -> Frame:
        return Frame(report=report(), version=version(), path=path)

    async def show_overview(_: Request) -> Response:
        return HTMLResponse(await threads(lambda: overview(frame(""))))

    async def show_volumes(request: Request) -> Response:
        wanted = volumes_page.Wanted.read(request.query_params)
        return HTMLResponse(await threads(lambda: volumes_page.volumes(frame("volumes"), wanted)))

    async def show_volume(request: Request) -> Response:
        name = request.path_params["name"]
        here = await threads(partial(frame, f"volumes/{name}"))
        if not known(here.report, name):
            return PlainTextResponse("no such volume\n", status_code=404)
        found, trouble = await read(volume=name, policy=None, limit=RUNS)
        return HTMLResponse(await threads(partial(volume, here, name, found, trouble)))

    async def show_runs(request: Request) -> Response:
        asked = request.query_params
        wanted = runs_page.Wanted(
            volume=asked.get("volume", "").strip(), policy=asked.get("policy", ""), outcome=asked.get("outcome", "")
        )
        limit = runs_page.LOOKED_THROUGH if wanted.outcome else runs_page.ROWS + 1
        found, trouble = await read(volume=wanted.volume or None, policy=wanted.policy or None, limit=limit)

        def made() -> str:
            return runs_page.runs(frame("runs"), tuple(map(finished, found)), wanted, trouble)

        return HTMLResponse(await threads(made))

    return [
        Route("/", show_overview),
        Route("/volumes", show_volumes),
        Route("/volumes/{name}", show_volume),
        Route("/runs", show_runs),
    ]
