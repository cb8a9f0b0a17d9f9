"""Whose attachment tickets these are, and which of them are to be given back.

Longhorn's tickets have no owner, no expiry and no reaper (longhorn/longhorn#13633). Ours say in their id whose they
are: instance, journal, run, deadline. With our journal's id and no live run: given back at once. With our instance but
another journal's id, left by a lost disk or held by a living twin, which look alike: only after their deadline; a
younger one means that we start no work. Of other instances: never touched, only reported.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .cluster import Volume
from .model import Origin
from .naming import PREFIX, TicketName


class Claim(StrEnum):
    """What a ticket of lhbackupd is to us."""

    #: a live run of ours holds it
    LIVE = "live"
    #: ours, and no run of ours knows it: to be given back
    ORPHAN = "orphan"
    #: of our instance with another journal, and not yet expired
    TWIN = "twin"
    #: of our instance with another journal, and expired: to be given back
    EXPIRED = "expired"
    #: of another instance of lhbackupd
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A ticket of lhbackupd, of whichever instance."""

    volume: str
    ticket: str
    claim: Claim
    instance: str
    journal: str
    deadline: datetime

    @property
    def due(self) -> bool:
        """Whether it is to be given back now."""
        return self.claim in {Claim.ORPHAN, Claim.EXPIRED}


def leases(volumes: Iterable[Volume], *, origin: Origin, live: Collection[str], now: datetime) -> tuple[Lease, ...]:
    """All tickets of lhbackupd on `volumes`; `live` are the ids of those that runs of ours hold."""
    found: list[Lease] = []
    for volume in volumes:
        for ticket in volume.tickets:
            if not ticket.id.startswith(f"{PREFIX}:") or (name := TicketName.parse(ticket.id)) is None:
                continue
            claim = _claim(name, ticket.id, origin, live, now)
            found.append(
                Lease(
                    volume=volume.name,
                    ticket=ticket.id,
                    claim=claim,
                    instance=name.instance,
                    journal=name.journal,
                    deadline=name.deadline,
                )
            )
    return tuple(found)


def _claim(name: TicketName, ticket: str, origin: Origin, live: Collection[str], now: datetime) -> Claim:
    if ticket in live:
        return Claim.LIVE
    if name.instance != origin.instance:
        return Claim.FOREIGN
    if name.journal == origin.journal:
        return Claim.ORPHAN
    return Claim.EXPIRED if name.deadline <= now else Claim.TWIN


def blocked(found: Iterable[Lease]) -> str:
    """Why no work may start, in words; "" if it may."""
    twins = [lease for lease in found if lease.claim is Claim.TWIN]
    if not twins:
        return ""
    first = min(twins, key=lambda lease: lease.deadline)
    return (
        f"{len(twins)} attachment ticket(s) of this instance come from another journal ({first.journal}), the first on "
        f"volume {first.volume}: another daemon with this instance's name is alive, or its disk was lost; they are "
        f"given back when their deadlines pass ({first.deadline:%H:%M:%S} UTC), or at once by `lhbackupd adopt`"
    )
