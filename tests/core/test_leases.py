"""Whose a ticket is, and which ones are given back."""

from datetime import timedelta

import pytest

from lhbackupd.core.cluster import Volume
from lhbackupd.core.leases import Claim, Lease, blocked, leases
from lhbackupd.core.model import Origin
from lhbackupd.core.naming import TicketName

from .examples import ORIGIN, T0, TWIN, attached, detached, pod_ticket, run, ticket

STRANGER = Origin(instance="elsewhere", journal="j0urnal")


def name(origin: Origin = ORIGIN, *, minutes: float = 15, run_id: str = "r1") -> str:
    deadline = T0 + timedelta(minutes=minutes)
    return str(TicketName(instance=origin.instance, journal=origin.journal, run=run_id, deadline=deadline))


def held_by(*ids: str, volume: str = "vol") -> Volume:
    return attached(*(ticket(id=each) for each in ids), name=volume)


def found(*volumes: Volume, live: frozenset[str] = frozenset()) -> tuple[Lease, ...]:
    return leases(volumes, origin=ORIGIN, live=live, now=T0)


@pytest.mark.parametrize(
    ("ticket_id", "claim", "due"),
    [
        (name(), Claim.ORPHAN, True),
        (name(minutes=-600), Claim.ORPHAN, True),
        (name(TWIN), Claim.TWIN, False),
        (name(TWIN, minutes=0), Claim.EXPIRED, True),
        (name(TWIN, minutes=-1), Claim.EXPIRED, True),
        (name(STRANGER), Claim.FOREIGN, False),
        (name(STRANGER, minutes=-600), Claim.FOREIGN, False),
    ],
)
def test_a_ticket_says_whose_it_is(ticket_id: str, claim: Claim, due: bool) -> None:
    (lease,) = found(held_by(ticket_id))
    assert (lease.claim, lease.due, lease.volume, lease.ticket) == (claim, due, "vol", ticket_id)


def test_a_ticket_that_a_run_holds_is_live_whatever_its_deadline() -> None:
    old = name(minutes=-600)
    (lease,) = found(held_by(old), live=frozenset({old}))
    assert (lease.claim, lease.due) == (Claim.LIVE, False)


def test_a_lease_tells_instance_journal_and_deadline() -> None:
    (lease,) = found(held_by(name(TWIN)))
    assert (lease.instance, lease.journal, lease.deadline) == ("lhbackupd", "an0ther", T0 + timedelta(minutes=15))


@pytest.mark.parametrize(
    "ticket_id",
    [
        "",
        "csi-1",
        "backup-controller-backup-1",
        "lhbackupd",
        "lhbackupd:",
        "lhbackupd:lhbackupd:j0urnal:r1",
        "lhbackupd:lhbackupd:j0urnal:r1:tomorrow",
        "lhbackupd:lhbackupd:j0urnal:r1:20260301T021500Z ",
        "Lhbackupd:lhbackupd:j0urnal:r1:20260301T021500Z",
        "x" + name(),
    ],
)
def test_what_is_not_plainly_ours_is_nobodys_lease(ticket_id: str) -> None:
    assert found(held_by(ticket_id)) == ()


def test_all_volumes_and_all_their_tickets_are_looked_through() -> None:
    both = attached(ticket(id=name(run_id="r1")), pod_ticket(), ticket(id=name(TWIN)), name="a")
    everything = found(both, detached(name="b"), held_by(name(run_id="r2"), volume="c"))
    assert [(lease.volume, lease.claim) for lease in everything] == [
        ("a", Claim.ORPHAN),
        ("a", Claim.TWIN),
        ("c", Claim.ORPHAN),
    ]


def test_only_a_twins_ticket_blocks_and_the_first_deadline_is_named() -> None:
    others = [name(), name(STRANGER), name(TWIN, minutes=-1)]
    assert blocked(found(held_by(*others))) == ""
    words = blocked(found(held_by(name(TWIN, minutes=9), volume="late"), held_by(name(TWIN, minutes=5), volume="soon")))
    assert words.startswith("2 attachment ticket(s) of this instance come from another journal (an0ther)")
    assert "the first on volume soon" in words
    assert "(02:05:00 UTC)" in words
    assert "`lhbackupd adopt`" in words


def test_the_ticket_of_a_run_is_one_of_ours() -> None:
    assert found(held_by(run(phase=run().phase.ATTACHING).ticket))[0].claim is Claim.ORPHAN
