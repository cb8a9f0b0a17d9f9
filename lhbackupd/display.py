"""What can be seen over HTTP, put together around an engine, and what making it takes.

Whoever looks waits for no run, and no run for them: history is read on a connection to the journal of its own, and
Longhorn is asked over connections of their own, so that an explanation does not line up behind a thousand runs. What is
made is made in threads of its own.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from structlog.typing import FilteringBoundLogger

from lhbackupd.assembly import Worker, connect
from lhbackupd.clock import Clock
from lhbackupd.config import Config
from lhbackupd.engine.events import Tell
from lhbackupd.engine.journal import Journal
from lhbackupd.longhorn.request import Exchange
from lhbackupd.surface import server, web
from lhbackupd.surface.answers import Answers
from lhbackupd.surface.foresight import Foresight, fits, foresee
from lhbackupd.surface.gauges import Gauges
from lhbackupd.surface.goals import Goals
from lhbackupd.surface.report import Report
from lhbackupd.surface.series import Series
from lhbackupd.surface.status import Sources
from lhbackupd.surface.threads import Threads

#: requests to Longhorn that are under way at once for people who look
CONNECTIONS = 2
#: those who wait for a plan while one is made, or a forecast
PLANS = 8


class Display:
    """Pages, metrics and probes of one daemon. Raises JournalError and Unusable."""

    def __init__(
        self,
        config: Config,
        *,
        sources: Callable[[], Sources],
        report: Callable[[], Report],
        metrics: CollectorRegistry,
        observe: Callable[[Exchange], None],
        alive: Callable[[], str],
        faults: Callable[[], tuple[str, ...]],
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._reader = Worker("reader")
        self._journal = Journal(url=config.state.url, readonly=True)
        self._longhorn = connect(config, clock=clock, observe=observe, connections=CONNECTIONS)
        threads, forecasts = Threads(), Threads(at_once=1, waiting=PLANS)
        self._foresight = Foresight(
            lambda: foresee(sources()),
            fits=lambda found: fits(sources(), found),
            busy=lambda: bool(sources().keeper.active),
            log=log,
            thread=forecasts.own,
        )
        answers = Answers(
            sources=sources,
            report=report,
            longhorn=self._longhorn,
            journal=self._journal,
            offload=self._reader,
            foresight=self._foresight,
        )
        series = Series()
        shown = web.Web(
            report=report,
            metrics=metrics,
            ahead=lambda made: series.ahead(made.volumes),
            alive=alive,
            ready=lambda: sources().unready(),
            history=answers.history,
            plan=answers.plan,
            explain=answers.explain,
            diagnose=answers.diagnose,
            threads=threads,
            forecasts=forecasts,
        )
        for collector in (
            Gauges(report=shown.report, series=series),
            Goals(
                rules=lambda: sources().keeper.rules,
                active=lambda: tuple(dict(sources().keeper.active).values()),
                now=clock.now,
                faults=faults,
            ),
            ProcessCollector(registry=None),
            PlatformCollector(registry=None),
        ):
            metrics.register(collector)
        self._app, self._changes = shown.app, shown.changes
        #: to be told of the engine's events
        self.listeners: tuple[Tell, ...] = (shown.changes, self._foresight)

    async def run(self, *, host: str, port: int, started: Callable[[int], None], stop: asyncio.Event) -> None:
        """Serve all of it until `stop`; `started` is told the port. Raises ListenError if the address cannot be had."""
        async with AsyncExitStack() as stack:
            stack.callback(self._reader.close)
            stack.push_async_callback(self._reader, self._journal.close)
            stack.push_async_callback(self._longhorn.aclose)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._changes.run(stop), name="changes")
                tasks.create_task(self._foresight.run(stop), name="foresight")
                await server.serve(self._app, host=host, port=port, started=started, stop=stop)
