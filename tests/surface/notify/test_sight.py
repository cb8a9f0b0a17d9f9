"""What of the report is a trouble, when it is over, and how both are said."""

from dataclasses import replace
from datetime import timedelta

from lhbackupd.core.exposure import Exposure
from lhbackupd.core.model import Outcome
from lhbackupd.core.notices import Kind, Memory
from lhbackupd.surface.notify.sight import notices
from tests.surface.house import NIGHTLY, NOON, TODAY, House, ended, volume

HOUR = timedelta(hours=1)
CLEAR = Exposure(policy="nightly", volume="pvc-a", born=TODAY - 99 * HOUR, clear=TODAY)


def test_a_missed_rpo_is_told_once_and_its_end_too(house: House) -> None:
    house.has(volume("pvc-a"), policy=replace(NIGHTLY, rpo=26 * HOUR))
    house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
    house.exposed(replace(CLEAR, since=NOON - 27 * HOUR, sign="attached read-write by csi-attacher on node-1"))
    news, (said,) = notices(house.report(), Memory(), wants=lambda kind, policy: True)
    assert (said.kind, said.title) == (Kind.RPO, "shop/a misses its RPO")
    assert "its RPO of 1 d 2 h was missed at 2026-10-22 11:00:00 UTC" in said.lines[0]
    assert "lhbackupd explain pvc-a" in said.lines[-1]
    assert notices(house.report(), news.memory, wants=lambda kind, policy: True)[1] == []
    house.exposed(CLEAR)
    _, (over,) = notices(house.report(), news.memory, wants=lambda kind, policy: True)
    assert (over.kind, over.title) == (Kind.RECOVERY, "shop/a keeps its RPO again")


def test_a_failure_is_over_also_where_the_volume_has_been_let_alone_since(house: House) -> None:
    """A volume is let alone only after a run that did what its policy asks, which nobody may have seen."""
    house.has(volume("pvc-a"))
    house.knows(ended("pvc-a", Outcome.FAILED, "no node"))
    news, (began,) = notices(house.report(), Memory(), wants=lambda kind, policy: True)
    assert began.kind is Kind.FAILURE
    house.let_alone("pvc-a")
    _, (over,) = notices(house.report(), news.memory, wants=lambda kind, policy: True)
    assert over.kind is Kind.RECOVERY
    assert "not inspected since" in over.lines[0]


def test_a_backup_that_somebody_deleted_is_told_until_there_is_another(house: House) -> None:
    house.has(volume("pvc-a"))
    house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
    words = house.keeper.books.protections
    words["nightly", "pvc-a"] = replace(words["nightly", "pvc-a"], lost="backup b2 is no longer on its backup target")
    news, (began,) = notices(house.report(), Memory(), wants=lambda kind, policy: True)
    assert (began.kind, began.title) == (Kind.FAILURE, "Backup of shop/a is gone")
    assert "b2 is no longer" in began.lines[0]
    words["nightly", "pvc-a"] = replace(words["nightly", "pvc-a"], lost="")
    _, (over,) = notices(house.report(), news.memory, wants=lambda kind, policy: True)
    assert over.kind is Kind.RECOVERY
