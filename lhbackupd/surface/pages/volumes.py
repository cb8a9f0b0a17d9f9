"""All volumes, sorted and filtered here and not in the browser, so that ten thousand of them do not freeze it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from msgspec import Struct

from lhbackupd.core.coverage import Cover
from lhbackupd.core.rpo import Rpo
from lhbackupd.surface.markup import Column, Html, badge, el, join, table
from lhbackupd.surface.pages.frame import Frame, alarms, as_of, document
from lhbackupd.surface.pages.parts import (
    QUIET,
    UNCOVERED,
    WARN,
    link,
    nothing,
    rpo_badge,
    section,
    standing_badge,
    state_of,
    volume_link,
    when,
)
from lhbackupd.surface.pages.search import Choice, search
from lhbackupd.surface.report import CoveredVolume, Report, UncoveredVolume
from lhbackupd.surface.standing import Standing

#: rows of one page
ROWS = 200
#: worst first; whom no policy covers stands between those that are broken and those that are left alone
STATES = (
    Standing.FAILING.value,
    Standing.UNPROTECTED.value,
    UNCOVERED,
    Standing.SUSPENDED.value,
    Standing.SHADOW.value,
    Cover.NATIVE.value,
    Cover.EXCLUDED.value,
    Standing.PROTECTED.value,
)

_NEVER = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


class Row(Struct, frozen=True, kw_only=True):
    """A volume under one policy, or under none."""

    volume: str
    pvc: str
    namespace: str
    #: what people know it by
    name: str
    policy: str
    state: str
    rpo: Rpo
    why: str
    covered: CoveredVolume | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for: words, state, RPO and policy, "" for any; order, "-" for its opposite; page."""

    q: str = ""
    state: str = ""
    rpo: str = ""
    policy: str = ""
    sort: str = "state"
    page: int = 1

    @classmethod
    def read(cls, asked: Mapping[str, str]) -> "Wanted":
        """From the page's address; what makes no sense there asks for nothing."""
        sort, page = asked.get("sort", ""), asked.get("page", "")
        return cls(
            q=asked.get("q", "").strip()[:253],
            state=asked.get("state", ""),
            rpo=asked.get("rpo", ""),
            policy=asked.get("policy", ""),
            sort=sort if sort.removeprefix("-") in _ORDERS else "state",
            page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 6 else 1,  # noqa: PLR2004
        )


_ORDERS: dict[str, Callable[[Row], Any]] = {
    "volume": attrgetter("name"),
    "state": lambda row: STATES.index(row.state),
    "policy": attrgetter("policy"),
    "until": lambda row: (row.covered and row.covered.protected_until) or _NEVER,
    "looked": lambda row: (row.covered and row.covered.last_check) or _NEVER,
    "next": lambda row: (row.covered and row.covered.next_due) or _LAST,
}


def _name(row: CoveredVolume | UncoveredVolume) -> str:
    return f"{row.pvc_namespace}/{row.pvc}" if row.pvc else row.volume


def rows_of(report: Report) -> list[Row]:
    """Every volume there is, once for each of its policies."""
    found = [
        Row(
            volume=row.volume,
            pvc=row.pvc,
            namespace=row.pvc_namespace,
            name=_name(row),
            policy=row.policy,
            state=row.standing,
            rpo=row.rpo,
            why=row.reason,
            covered=row,
        )
        for row in report.volumes
    ]
    found += [
        Row(
            volume=row.volume,
            pvc=row.pvc,
            namespace=row.pvc_namespace,
            name=_name(row),
            policy="",
            state=state_of(row),
            rpo=Rpo.NONE,
            why=row.reason,
            covered=None,
        )
        for row in (*report.uncovered, *report.elsewhere)
    ]
    return found


def chosen(rows: Iterable[Row], wanted: Wanted) -> list[Row]:
    """The rows that are asked for, in the order that is asked for; equals go by name."""
    words = wanted.q.casefold()
    found = [
        row
        for row in rows
        if wanted.state in ("", row.state)
        and wanted.rpo in ("", row.rpo)
        and wanted.policy in ("", row.policy)
        and (not words or words in row.name.casefold() or words in row.volume.casefold())
    ]
    found.sort(key=attrgetter("name", "volume", "policy"))
    found.sort(key=_ORDERS[wanted.sort.removeprefix("-")], reverse=wanted.sort.startswith("-"))
    return found


def volumes(frame: Frame, wanted: Wanted) -> str:
    """The document."""
    report = frame.report
    everything = rows_of(report)
    found = chosen(everything, wanted)
    first = min((wanted.page - 1) * ROWS, max(0, len(found) - 1) // ROWS * ROWS)
    shown = found[first : first + ROWS]
    form = search(
        "volumes",
        Choice(name="state", label="State", values=STATES, chosen=wanted.state),
        Choice(name="rpo", label="RPO", values=tuple(rpo.value for rpo in Rpo), chosen=wanted.rpo),
        Choice(
            name="policy",
            label="Policy",
            values=tuple(sorted({row.policy for row in report.volumes})),
            chosen=wanted.policy,
        ),
        words=wanted.q,
        words_name="q",
        words_label="Name contains",
        keep="" if wanted.sort == "state" else wanted.sort,
    )
    count = len({row.volume for row in everything})
    inner = _table(shown, wanted, report.at) if shown else nothing("No volume is like that.")
    return document(
        frame,
        el("h1", "1 volume" if count == 1 else f"{count:,} volumes"),
        as_of(report),
        alarms(report),
        section("Volumes and their policies", form, _pages(len(found), first, wanted), inner, id_="volumes"),
        title="Volumes",
    )


def _table(shown: list[Row], wanted: Wanted, now: datetime) -> Html:
    columns = (
        _column("Volume", "volume", wanted),
        _column("State", "state", wanted),
        _column("Policy", "policy", wanted),
        Column("Why"),
        _column("Protected until", "until", wanted),
        _column("Looked at", "looked", wanted),
        _column("Next run", "next", wanted),
    )
    return table(columns, (_row(row, now) for row in shown), caption="Volumes, one row for each of their policies")


def _column(name: str, order: str, wanted: Wanted) -> Column:
    now, back = wanted.sort == order, wanted.sort == f"-{order}"
    mark = el("span", " ▲" if now else " ▼" if back else "", aria_hidden="true")
    head = link(join((name, mark)), "volumes", **_query(wanted, sort=f"-{order}" if now else order))
    return Column(name, head, "ascending" if now else "descending" if back else None)


def _query(wanted: Wanted, **instead: object) -> dict[str, object]:
    asked: dict[str, object] = {name: getattr(wanted, name) for name in ("q", "state", "rpo", "policy", "sort")}
    asked |= instead
    return {key: value for key, value in asked.items() if (key, value) != ("sort", "state")}


def _row(row: Row, now: datetime) -> tuple[object, ...]:
    name = volume_link(row.volume, row.pvc, row.namespace)
    known = row.covered
    if known is None:
        nobody = el("span", "none", class_=QUIET)
        return name, badge(row.state, WARN if row.state == UNCOVERED else QUIET), nobody, row.why, "", "", ""
    return (
        name,
        join((standing_badge(known.standing), " ", rpo_badge(known.rpo))),
        row.policy,
        row.why,
        when(known.protected_until, now),
        when(known.last_check, now),
        when(known.next_due, now),
    )


def _pages(count: int, first: int, wanted: Wanted) -> Html:
    """Which rows are shown, and the way to the others."""
    last = min(first + ROWS, count)
    page = first // ROWS + 1
    words = el("span", f"{first + 1:,} to {last:,} of {count:,}" if count else "none")
    before = link("Previous", "volumes", **_query(wanted, page=page - 1)) if page > 1 else ""
    after = link("Next", "volumes", **_query(wanted, page=page + 1)) if last < count else ""
    return el("nav", words, before, after, class_="paging", aria_label="Pages of volumes")
