"""Where the pages are: each made in a thread, from the report and from the journal's history where it shows that."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Protocol

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from lhbackupd.core.model import Run
from lhbackupd.engine.journal import JournalError
from lhbackupd.surface.changes import Shown
from lhbackupd.surface.explain import Unknown
from lhbackupd.surface.explanation import Explanation
from lhbackupd.surface.findings import Diagnosis
from lhbackupd.surface.kept import Recalled
from lhbackupd.surface.pages import plan as plan_page
from lhbackupd.surface.pages import runs as runs_page
from lhbackupd.surface.pages import volumes as volumes_page
from lhbackupd.surface.pages.doctor import doctor
from lhbackupd.surface.pages.frame import Frame
from lhbackupd.surface.pages.overview import overview
from lhbackupd.surface.pages.volume import RUNS, known, volume
from lhbackupd.surface.plan import Plan, read_span
from lhbackupd.surface.rows import finished
from lhbackupd.surface.threads import Busy, Few, Threads

#: seconds for which the look at a volume and a plan are shown again, and what the doctor said
_LOOK, _EXAMINE = 15.0, 60.0
#: those who wait while the journal's history is read for a page
_READERS = 16
#: seconds that a page waits for Longhorn
_PATIENCE = 5.0


class History(Protocol):
    """Reads finished runs from the journal, newest first. Raises JournalError."""

    async def __call__(self, *, volume: str | None, policy: str | None, limit: int) -> tuple[Run, ...]: ...


class Pages:
    """Makes each page, in `threads`. `shown` is called there, and `plan` in `forecasts`."""

    def __init__(
        self,
        *,
        shown: Callable[[], Shown],
        history: History,
        plan: Callable[[timedelta], Plan],
        explain: Callable[[str], Awaitable[Callable[[], Explanation]]],
        diagnose: Callable[[], Awaitable[Diagnosis]],
        threads: Threads,
        forecasts: Threads,
    ) -> None:
        self._shown = shown
        self._history = history
        self._threads = threads
        self._readers = Few(at_once=1, waiting=_READERS)

        async def look(name: str) -> Explanation:
            return await threads(await explain(name))

        async def examine(_: str) -> Diagnosis:
            return await diagnose()

        async def forecast(reach: str) -> Plan:
            return await forecasts(partial(plan, read_span(reach)))

        self._looked, self._examined = Recalled(look, seconds=_LOOK), Recalled(examine, seconds=_EXAMINE)
        self._forecast = Recalled(forecast, seconds=_LOOK)

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/", self._overview),
            Route("/volumes", self._volumes),
            Route("/volumes/{name}", self._volume),
            Route("/runs", self._runs),
            Route("/plan", self._plan),
            Route("/doctor", self._doctor),
        ]

    def _frame(self, path: str) -> Frame:
        report, version = self._shown()
        return Frame(report=report, version=version, path=path)

    async def _made(self, make: Callable[[Frame], str], path: str) -> Response:
        return HTMLResponse(await self._threads(lambda: make(self._frame(path))))

    async def _overview(self, _: Request) -> Response:
        return await self._made(overview, "")

    async def _volumes(self, request: Request) -> Response:
        wanted = volumes_page.Wanted.read(request.query_params)
        return await self._made(lambda frame: volumes_page.volumes(frame, wanted), "volumes")

    async def _volume(self, request: Request) -> Response:
        name = request.path_params["name"]
        frame = await self._threads(lambda: self._frame(f"volumes/{name}"))
        if not known(frame.report, name):
            return PlainTextResponse("no such volume\n", status_code=404)
        found, trouble = await self._read(volume=name, policy=None, limit=RUNS)
        seen = await self._near(name)
        return HTMLResponse(await self._threads(lambda: volume(frame, name, found, seen, trouble)))

    async def _runs(self, request: Request) -> Response:
        asked = request.query_params
        wanted = runs_page.Wanted(
            volume=asked.get("volume", "").strip(), policy=asked.get("policy", ""), outcome=asked.get("outcome", "")
        )
        limit = runs_page.LOOKED_THROUGH if wanted.outcome else runs_page.ROWS + 1
        found, trouble = await self._read(volume=wanted.volume or None, policy=wanted.policy or None, limit=limit)
        ended = tuple(map(finished, found))
        return await self._made(lambda frame: runs_page.runs(frame, ended, wanted, trouble), "runs")

    async def _plan(self, request: Request) -> Response:
        asked = request.query_params.get("next", "24h")
        reach = asked if asked in plan_page.SPANS else "24h"
        made = await self._forecast(reach)
        return await self._made(lambda frame: plan_page.plan(frame, made, reach), "plan")

    async def _doctor(self, _: Request) -> Response:
        found = await self._examined("")
        return await self._made(lambda frame: doctor(frame, found), "doctor")

    async def _read(self, *, volume: str | None, policy: str | None, limit: int) -> tuple[tuple[Run, ...], str]:
        """Finished runs, or why they cannot be read. Raises Busy where too many ask: one thread reads for all."""
        try:
            async with self._readers.place():
                return await self._history(volume=volume, policy=policy, limit=limit), ""
        except JournalError as error:
            return (), str(error)

    async def _near(self, name: str) -> Explanation | str:
        """The volume as Longhorn shows it, or why it cannot be said."""
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._looked(name)
        except TimeoutError:
            return f"Longhorn has not answered for {_PATIENCE:.0f} s"
        except (Busy, Unknown) as error:
            return str(error) or "too many ask at the moment"
