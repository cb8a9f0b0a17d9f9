"""What the daemon would serve for a house, with a Longhorn that has nothing to add."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry

from lhbackupd.core.cluster import Backup
from lhbackupd.display import PLANS
from lhbackupd.engine.closeup import CloseUp
from lhbackupd.surface.explain import check_known, explain
from lhbackupd.surface.explanation import Explanation
from lhbackupd.surface.findings import Diagnosis, Finding, Level, ok
from lhbackupd.surface.foresight import Foreseen
from lhbackupd.surface.plan import plan
from lhbackupd.surface.threads import Threads
from lhbackupd.surface.web import Web
from tests.surface.house import NOON, House


def web(
    house: House,
    *,
    findings: Iterable[Finding] = (),
    backups: Iterable[Backup] | None = (),
    foreseen: Callable[[], Foreseen | None] = lambda: None,
    **instead: Any,
) -> Web:
    """The application; parts of it can be others."""

    async def look(name: str) -> Callable[[], Explanation]:
        house.settle()
        check_known(house.sources, name)
        seen = CloseUp(
            backups=None if backups is None else tuple(backups), faults=() if backups is not None else ("no",)
        )
        return partial(explain, house.sources, name, seen, foreseen())

    async def examine() -> Diagnosis:
        found = (ok("config", "no faults; policies nightly"), *findings)
        return Diagnosis(at=NOON, worst=max((one.level for one in found), key=tuple(Level).index), findings=found)

    parts: dict[str, Any] = {
        "report": house.report,
        "metrics": CollectorRegistry(),
        "ahead": lambda report: None,
        "alive": lambda: "",
        "ready": house.sources.unready,
        "history": house.history,
        "plan": lambda span: plan(house.sources, span),
        "explain": look,
        "diagnose": examine,
        "threads": Threads(),
        "forecasts": Threads(at_once=1, waiting=PLANS),
    }
    return Web(**{**parts, **instead})
