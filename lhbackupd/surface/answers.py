"""What pages and commands ask a running daemon for besides its report: history, plan, explanations, a diagnosis."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from lhbackupd.core.model import Run
from lhbackupd.engine.closeup import close_up
from lhbackupd.engine.intake import Offload
from lhbackupd.engine.journal import Journal
from lhbackupd.longhorn.api import Api
from lhbackupd.longhorn.client import Longhorn
from lhbackupd.surface.explain import check_known, explain
from lhbackupd.surface.explanation import Explanation
from lhbackupd.surface.findings import Diagnosis
from lhbackupd.surface.foresight import Foresight
from lhbackupd.surface.housecall import house_call
from lhbackupd.surface.plan import Plan, plan
from lhbackupd.surface.report import Report
from lhbackupd.surface.status import Sources

#: runs of a volume that explain it
_FEW = 5


class Answers:
    """Answers from what the daemon knows; those about one volume, and the diagnosis, with a look at Longhorn."""

    def __init__(
        self,
        *,
        sources: Callable[[], Sources],
        report: Callable[[], Report],
        longhorn: Longhorn,
        journal: Journal,
        offload: Offload,
        foresight: Foresight,
    ) -> None:
        self._sources = sources
        self._report = report
        self._longhorn = longhorn
        self._api = Api(longhorn=longhorn)
        self._journal = journal
        self._offload = offload
        self._foresight = foresight

    async def history(self, *, volume: str | None, policy: str | None, limit: int) -> tuple[Run, ...]:
        """Finished runs, newest first. Raises JournalError."""
        return await self._offload(partial(self._journal.history, volume=volume, policy=policy, limit=limit))

    def plan(self, span: timedelta) -> Plan:
        """What would run in the coming `span`; to be called from a thread."""
        return plan(self._sources(), span)

    async def explain(self, volume: str) -> Callable[[], Explanation]:
        """Look at a volume, and return what explains it, to be called from a thread. Raises Unknown."""
        sources = self._sources()
        await self._offload(check_known, sources, volume)
        seen = await close_up(self._api, volume, self.history(volume=volume, policy=None, limit=_FEW))
        foresight = self._foresight
        return partial(explain, sources, volume, seen, foresight.latest, costly=foresight.costly)

    async def diagnose(self) -> Diagnosis:
        """What `lhbackupd doctor` would say, of this daemon's own eyes."""
        return await house_call(
            sources=self._sources(),
            report=self._report,
            longhorn=self._longhorn,
            journal=self._journal,
            offload=self._offload,
        )
