from dataclasses import replace
from datetime import timedelta

import pytest

from lhbackupd.core.cluster import Fault, FaultKind, Node, Setting, Target
from lhbackupd.core.model import Outcome, Phase
from lhbackupd.core.pausing import Pause
from lhbackupd.engine.events import Moved
from lhbackupd.surface.pages.frame import Frame
from lhbackupd.surface.pages.overview import ROWS, overview
from tests.surface.house import HOURLY, NOON, House, ended, queued, running, volume
from tests.surface.test_web import Document, read


def page(house: House) -> str:
    return overview(Frame(report=house.report(), version="v", path=""))


def shown(house: House) -> Document:
    return read(page(house))


def test_an_empty_house_knows_nothing_yet(house: House) -> None:
    said = shown(house).said
    assert "No volumes are known yet" in said
    assert "Nothing is known yet." in said
    assert "Nothing is scheduled." in said


@pytest.mark.parametrize(
    ("outcomes", "verdict", "tone"),
    [
        ([Outcome.COMPLETED], "The one volume is protected", "good"),
        ([Outcome.COMPLETED, Outcome.UNCHANGED], "All 2 volumes are protected", "good"),
        ([Outcome.COMPLETED, Outcome.SUSPENDED], "1 of 2 volumes is not protected, by configuration", "warn"),
        ([Outcome.COMPLETED, Outcome.FAILED, Outcome.REFUSED], "2 of 3 volumes are not protected", "bad"),
    ],
)
def test_the_verdict_is_one_sentence(house: House, outcomes: list[Outcome], verdict: str, tone: str) -> None:
    for number, outcome in enumerate(outcomes):
        house.has(volume(f"pvc-{number}"))
        house.knows(ended(f"pvc-{number}", outcome))
    text = page(house)
    assert f'<h1 class="{tone}">{verdict}</h1>' in text
    assert f"<title>{verdict} · shop-backups</title>" in text


def test_it_says_what_is_not_protected_and_why(house: House) -> None:
    house.has(volume("pvc-a"), volume("pvc-b"))
    house.look(volumes={**house.inventory.picture.volumes, "pvc-x": volume("pvc-x", pvc="", pvc_namespace="")})
    house.knows(ended("pvc-a", Outcome.FAILED, "no replica can be used"))
    said = shown(house).said
    assert "failed: no replica can be used" in said
    assert "no run has finished yet" in said
    assert "no policy matches it" in said


def test_it_says_what_runs_what_waits_and_what_is_next(house: House) -> None:
    house.has(volume("pvc-a"), volume("pvc-b"), volume("pvc-c"))
    house.keeper.active["a"] = running(
        "pvc-a", progress=62, attempt=2, waiter="pod shop/a-0", waiting_since=NOON - timedelta(seconds=14)
    )
    house.keeper.active["b"] = running("pvc-b", Phase.ATTACHING)
    house.keeper.waiting["b"] = queued("pvc-b", reason="waits for one of 1 places on node-1 (limits.per_node)")
    house.keeper.waiting["c"] = queued("pvc-c", attempt=3, not_before=NOON + timedelta(minutes=7), reason="again")
    document = shown(house)
    assert "pod shop/a-0 waits for the volume, for 14 s" in document.said
    assert "62 %" in document.said
    assert "waits for one of 1 places on node-1 (limits.per_node)" in document.said
    assert "in 7 min" in document.said
    assert "in 14 h" in document.said
    assert "progress" in document.tags


def test_troubles_come_first(house: House) -> None:
    house.keeper.books.trouble = "disk is full"
    house.look(
        fault=Fault(FaultKind.UNREACHABLE, "no route"),
        setting=Setting.UNREAD,
        nodes={"n": Node(name="n", ready=False, message="gone"), "m": Node(name="m", ready=True, cordoned=True)},
        targets={"t": Target(name="t", available=False, message="no NFS")},
    )
    text = page(house)
    for alarm in (
        "lhbackupd is not ready: journal: disk is full",
        "Longhorn cannot be polled: no route. Volumes are shown as last seen.",
        "Backup target t is not available: no NFS",
        "Node n is not Ready: gone",
    ):
        assert text.index(f'<p class="alarm">{alarm}</p>') < text.index(">Not protected")


def test_what_ended_lately_is_shown_with_who_waited(house: House) -> None:
    done = ended("pvc-a", Outcome.COMPLETED, "backup b holds it", waiter="pod shop/a-0", waited=12.0)
    house.recent(Moved(None, done))
    house.recent(Moved(None, replace(done, finished_at=None, outcome=None)))
    said = shown(house).said
    assert "pod shop/a-0 waited 12 s" in said
    assert "never" in said


def test_a_long_table_is_cut_and_says_so(house: House) -> None:
    house.has(*(volume(f"pvc-{number}") for number in range(ROWS + 3)))
    text = page(house)
    assert 'and 3 more: see <a href="volumes">all volumes</a>' in text


def test_what_is_wrong_comes_with_its_next_step(house: House) -> None:
    house.has(volume("pvc-a"), volume("pvc-b"), volume("pvc-c"))
    house.look(volumes={**house.inventory.picture.volumes, "pvc-x": volume("pvc-x", pvc_namespace="other")})
    house.knows(ended("pvc-a", Outcome.FAILED, "no replica can be used"))
    house.knows(ended("pvc-b", Outcome.SUSPENDED), ended("pvc-c", Outcome.BELOW_THRESHOLD))
    said = shown(house).said
    assert "lhbackupd backup pvc-a --policy nightly" in said
    assert 'detached = "always"' in said
    assert "min_new_bytes" in said
    assert "Let a [[policy]] match it" in said


def test_the_coming_day_is_drawn_and_said(house: House) -> None:
    house.has(volume("pvc-a"), volume("pvc-b"))
    house.has(volume("pvc-db"), policy=HOURLY)
    house.has(volume("pvc-db"), policy=replace(HOURLY, name="minutely", cron="* * * * *"))
    house.has(volume("pvc-db"), policy=replace(HOURLY, name="yearly", cron="0 0 1 1 *"))
    text = page(house)
    assert text.count("<circle") == 1 + 24
    assert text.count('class="band"') == 1
    said = read(text).said
    assert "in 14 h: 2 volumes" in said
    assert "in 1 h: 1 volume, 24 times in 24 h" in said
    assert "more than 48 times in 24 h" in said


def test_a_day_without_anything_due_says_when_there_is(house: House) -> None:
    house.has(volume("pvc-db"), policy=replace(HOURLY, name="yearly", cron="0 0 1 1 *"))
    assert "Nothing in the next 24 hours. yearly is due 2027-01-01 00:00" in shown(house).said


def test_a_pause_is_an_alarm_at_the_top(house: House) -> None:
    until = NOON + timedelta(hours=1)
    pause = Pause(policy="nightly", since=NOON, until=until, by="uid 0", reason="<b>disks</b>")
    house.keeper.orders._pauses = {"nightly": pause}
    assert (
        "Policy nightly is paused since 2026-10-22 12:00:00 UTC by uid 0: <b>disks</b>; "
        "until 2026-10-22 13:00:00 UTC. What is due waits." in shown(house).said
    )
