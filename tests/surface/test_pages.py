"""The pages of volumes, of one volume and of runs, as documents."""

import ast
import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from lhbackupd.core.cluster import Backup, Replica
from lhbackupd.core.exposure import Exposure
from lhbackupd.core.model import Exclude, Keep, Match, Outcome, Phase, Run
from lhbackupd.core.naming import LABEL_ORIGIN, LABEL_POLICY
from lhbackupd.core.rpo import Rpo
from lhbackupd.surface import pages
from lhbackupd.surface.findings import Diagnosis, Level, fault
from lhbackupd.surface.markup import Html, badge, el, text
from lhbackupd.surface.pages.frame import Frame
from lhbackupd.surface.pages.phases import spent
from lhbackupd.surface.pages.plot import ages, plot
from lhbackupd.surface.pages.strip import DAYS, strip
from lhbackupd.surface.pages.volumes import _ORDERS, ROWS, Row, Wanted, chosen, rows_of, volumes
from tests.deploy.pages import parse
from tests.surface.house import HOURLY, NIGHTLY, NOON, ORIGIN, TODAY, House, ended, queued, volume
from tests.surface.shown import web
from tests.surface.test_web import read, shown


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(shown(house)), base_url="http://lhbackupd") as made:
        yield made


def past(days: float, outcome: Outcome, **fields: Any) -> Run:
    """A run of pvc-a so many days ago."""
    run, by = ended("pvc-a", outcome, f"because of {outcome.value}"), timedelta(days=days)
    assert run.finished_at
    return replace(run, id=f"run-{days}", due=run.due - by, finished_at=run.finished_at - by, **fields)


# Markup


@given(words=st.text(), key=st.sampled_from(["title", "href", "data_x"]))
def test_no_text_becomes_markup(words: str, key: str) -> None:
    made = el("p", words, **{key: words})
    document = read(made)
    assert document.tags == {"p"}
    assert document.attributes == {key.replace("_", "-")}
    assert made.count("<") == made.count(">") == 2


def test_text_does_not_become_markup_by_being_equal_to_markup_that_was_shown_before() -> None:
    assert badge(Html("<b>a</b>"), "good") == '<span class="badge good"><b>a</b></span>'
    assert badge("<b>a</b>", "good") == '<span class="badge good">&lt;b&gt;a&lt;/b&gt;</span>'


def test_markup_is_not_escaped_twice_and_text_is_never_markup() -> None:
    assert el("p", el("b", "<")) == "<p><b>&lt;</b></p>"
    assert text(text("<")) == "&lt;"
    assert not isinstance("<b>", Html)
    assert el("input", disabled=True, name=None, value=False) == "<input disabled>"


# Volumes


def rows(house: House, **wanted: Any) -> list[str]:
    return [row.name for row in chosen(rows_of(house.report()), Wanted(**wanted))]


@pytest.fixture
def shop(house: House) -> House:
    house.has(volume("pvc-a"), volume("pvc-b"), volume("pvc-c", pvc="", pvc_namespace=""), volume("pvc-d"))
    house.has(volume("pvc-db"), policy=HOURLY)
    house.look(volumes={**house.inventory.picture.volumes, "pvc-x": volume("pvc-x", pvc_namespace="lost")})
    house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY), ended("pvc-b", Outcome.FAILED))
    house.knows(ended("pvc-c", Outcome.SUSPENDED), ended("pvc-d", Outcome.COMPLETED, protected_until=NOON))
    return house


def test_volumes_are_shown_worst_first(shop: House) -> None:
    assert rows(shop) == ["shop/b", "shop/db", "lost/x", "pvc-c", "shop/a", "shop/d"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"sort": "volume"}, ["lost/x", "pvc-c", "shop/a", "shop/b", "shop/d", "shop/db"]),
        ({"sort": "-volume"}, ["shop/db", "shop/d", "shop/b", "shop/a", "pvc-c", "lost/x"]),
        ({"sort": "-until"}, ["shop/d", "shop/a", "lost/x", "pvc-c", "shop/b", "shop/db"]),
        ({"sort": "next"}, ["shop/db", "pvc-c", "shop/a", "shop/b", "shop/d", "lost/x"]),
        ({"state": "protected"}, ["shop/a", "shop/d"]),
        ({"state": "uncovered"}, ["lost/x"]),
        ({"state": "nonsense"}, []),
        ({"policy": "hourly"}, ["shop/db"]),
        ({"q": "SHOP/D"}, ["shop/db", "shop/d"]),
        ({"q": "pvc-c"}, ["pvc-c"]),
    ],
)
def test_volumes_are_sorted_and_filtered(shop: House, wanted: dict[str, str], found: list[str]) -> None:
    assert rows(shop, **wanted) == found


@given(st.dictionaries(st.sampled_from(["q", "state", "policy", "sort", "page", "x"]), st.text(max_size=40)))
def test_any_question_has_an_answer(asked: dict[str, str]) -> None:
    wanted = Wanted.read(asked)
    assert 1 <= wanted.page < 100_000
    assert wanted.sort.removeprefix("-") in _ORDERS
    assert chosen([], wanted) == []


def test_two_hundred_rows_are_one_page(house: House) -> None:
    house.has(*(volume(f"pvc-{number:03}") for number in range(2 * ROWS + 1)))
    frame = Frame(report=house.report(), version="v", path="volumes")
    seen: list[str] = []
    for page, here in ((1, "1 to 200 of 401"), (2, "201 to 400 of 401"), (3, "401 to 401 of 401"), (9, "401 to 401")):
        document = read(volumes(frame, Wanted(page=page)))
        assert here in document.said
        seen += [] if page == 9 else sorted({link for link in document.links if link.startswith("volumes/")})
    assert len(seen) == len(set(seen)) == 2 * ROWS + 1


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=20), st.sampled_from(sorted(_ORDERS)))
def test_filtering_takes_away_and_sorting_does_not(names: list[str], sort: str) -> None:
    bare = Row(
        volume="", pvc="", namespace="", name="", policy="", state="uncovered", rpo=Rpo.NONE, why="", covered=None
    )
    made = [structs.replace(bare, volume=name, name=name) for name in names]
    found = chosen(made, Wanted(sort=sort))
    assert sorted(row.name for row in found) == sorted(names)
    assert chosen(found, Wanted(q="a")) == [row for row in found if row.name == "a"]


# One volume


async def test_a_volume_says_why_its_last_run_failed_and_when_the_next_is(
    client: httpx.AsyncClient, house: House
) -> None:
    house.has(volume("pvc-a"))
    runs = [past(1, Outcome.COMPLETED), past(0, Outcome.FAILED)]
    house.knows(*runs)
    house.keep(*runs)
    house.keeper.waiting["a"] = queued("pvc-a", attempt=2, reason="waits for one of 1 places")
    said = read((await client.get("/volumes/pvc-a")).text).said
    assert "failed: because of failed" in said
    assert "2026-10-23 02:00 in 14 h" in said
    assert "waits for one of 1 places" in said
    assert "Longhorn lists none." in said
    assert "attaching 7 s, backing-up 22 s, detaching 10 s" in said


async def test_a_volume_that_is_let_alone_says_what_that_rests_on_and_what_was_hidden(
    client: httpx.AsyncClient, house: House
) -> None:
    house.has(volume("pvc-a"), policy=replace(NIGHTLY, no_touch=timedelta(days=7)))
    house.knows(ended("pvc-a", Outcome.COMPLETED, new_bytes=4096, hidden=True, protected_until=TODAY))
    house.let_alone("pvc-a")
    said = read((await client.get("/volumes/pvc-a")).text).said
    assert "protected as of 2026-10-22 02:00:00 UTC, not inspected since" in said
    assert "let alone: no attach but ours in Longhorn's events" in said
    assert "to be inspected again by 2026-10-29 02:00 UTC" in said
    assert "Hidden writesinspections that found data which no sign had shown: 1" in said


def listed(number: int, **fields: Any) -> Backup:
    """A backup of pvc-a, made so many days ago by the policy."""
    at = TODAY - timedelta(days=number)
    labels = {LABEL_POLICY: "nightly", LABEL_ORIGIN: ORIGIN.journal}
    made = Backup(name=f"b-{number}", volume="pvc-a", snapshot=f"s-{number}", state="Completed", labels=labels)
    return replace(made, created=at, snapshot_created=at, size=3 * 2**20, **fields)


async def test_a_volume_says_of_each_backup_what_retention_says(house: House) -> None:
    house.has(volume("pvc-a"), policy=replace(NIGHTLY, keep=Keep(last=1)))
    app = shown(house, backups=[listed(1), listed(2), listed(3, labels={})])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lhbackupd") as client:
        said = read((await client.get("/volumes/pvc-a")).text).said
    assert "b-1nightly2026-10-21 02:00 1 d 10 h ago3.0 MiBCompletedkept: " in said
    assert "b-2nightly2026-10-20 02:00 2 d 10 h ago3.0 MiBCompletedgoes no rule keeps it" in said
    assert "not made by lhbackupd: let alone" in said


async def test_backups_that_cannot_be_read_are_said(house: House) -> None:
    house.has(volume("pvc-a"))

    async def fails(_: str) -> Any:
        await asyncio.Event().wait()

    for instead in ({"backups": None}, {"explain": fails}):
        app = shown(house, **instead)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("lhbackupd.surface.pages.routes._PATIENCE", 0.2)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lhbackupd") as client:
                said = read((await client.get("/volumes/pvc-a")).text).said
        assert "They cannot be shown: " in said


async def test_who_is_left_out_on_purpose_is_said_and_not_counted_as_wrong(
    client: httpx.AsyncClient, house: House
) -> None:
    house.has(volume("pvc-a"))
    house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
    house.look(volumes={**house.inventory.picture.volumes, "pvc-x": volume("pvc-x", pvc_namespace="lost")})
    exclude = Exclude(match=Match(namespace=("lost",)), reason="scratch")
    unused = replace(NIGHTLY, name="unused", match=Match(namespace=("nowhere",)))
    policies = {**house.keeper.rules.policies, "unused": unused}
    house.keeper.rules = replace(house.keeper.rules, excludes=(exclude,), policies=policies)
    said = read((await client.get("/")).text).said
    assert "The one volume is protected" in said
    assert "1 left out on purpose" in said
    assert "Policies that match no volume: unused." in said
    assert [row.state for row in rows_of(house.report())] == ["protected", "excluded"]
    assert "scratch" in read((await client.get("/volumes/pvc-x")).text).said


async def test_an_rpo_is_shown_as_kept_at_risk_missed_or_unknown(client: httpx.AsyncClient, house: House) -> None:
    house.has(*(volume(f"pvc-{name}") for name in "abcd"), policy=replace(NIGHTLY, rpo=timedelta(hours=26)))
    born = NOON - timedelta(days=9)
    for name, known in {
        "a": {"clear": TODAY},
        "b": {"clear": TODAY, "since": NOON - timedelta(hours=20), "sign": "its head has grown"},
        "c": {"clear": TODAY, "since": NOON - timedelta(hours=30), "sign": "a pod uses it"},
        "d": {"clear": TODAY, "doubt": NOON - timedelta(hours=1), "why": "Longhorn was not polled"},
    }.items():
        house.knows(ended(f"pvc-{name}", Outcome.COMPLETED, protected_until=TODAY))
        house.exposed(Exposure(policy="nightly", volume=f"pvc-{name}", born=born, **known))
    found = {row.volume: row.rpo for row in rows_of(house.report())}
    assert [found[f"pvc-{name}"] for name in "abcd"] == [Rpo.COMPLIANT, Rpo.AT_RISK, Rpo.VIOLATED, Rpo.UNCERTAIN]
    said = read((await client.get("/")).text).said
    assert "1 of 4 volumes is not protected" in said
    assert "1RPO violated1RPO at-risk1RPO uncertain" in said
    assert "RPO at risk 2" in said
    assert "its head has grown" in said
    assert [row.volume for row in chosen(rows_of(house.report()), Wanted(rpo="at-risk"))] == ["pvc-b"]
    said = read((await client.get("/volumes/pvc-c")).text).said
    assert "its RPO of 1 d 2 h was missed at" in said
    assert "a pod uses it" in said


# Plan and doctor


async def test_the_plan_says_what_runs_when_and_what_cannot_be_kept(client: httpx.AsyncClient, house: House) -> None:
    promising = replace(NIGHTLY, rpo=timedelta(hours=12))
    house.has(volume("pvc-a", replicas=(Replica(name="r", node="node-1"),)), policy=promising)
    said = read((await client.get("/plan")).text).said
    assert "1 run in the next 24 hours, " in said
    assert "RPO violated from" in said
    assert "node-1: 1 of 1" in said
    assert "2026-10-23 02:00 in 14 h" in said
    assert "7 runs in the next 7 days" in read((await client.get("/plan?next=7d")).text).said
    assert "in the next 24 hours" in read((await client.get("/plan?next=999999d")).text).said


async def test_the_doctor_says_what_is_wrong_first(house: House) -> None:
    bad = fault("nodes", "node-3 is not Ready", "see to it")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(shown(house, findings=[bad])), base_url="http://x") as c:
        said = read((await c.get("/doctor")).text).said
    assert "1 thing is not right" in said
    assert said.index("node-3 is not Ready") < said.index("no faults; policies nightly")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(shown(house)), base_url="http://x") as c:
        assert "Nothing is wrong" in read((await c.get("/doctor")).text).said


async def test_longhorn_is_asked_once_however_often_a_page_is(house: House) -> None:
    asked = 0

    async def diagnose() -> Diagnosis:
        nonlocal asked
        asked += 1
        return Diagnosis(at=NOON, worst=Level.OK, findings=())

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(shown(house, diagnose=diagnose)), base_url="http://x"
    ) as c:
        for _ in range(5):
            assert (await c.get("/doctor")).status_code == 200
    assert asked == 1


async def test_a_volume_of_no_policy_says_so(client: httpx.AsyncClient, house: House) -> None:
    house.look(volumes={"pvc-x": volume("pvc-x", pvc="", pvc_namespace="lost")})
    said = read((await client.get("/volumes/pvc-x")).text).said
    assert "no policy matches it" in said
    assert "No run has ended yet." in said


def test_a_day_is_judged_by_its_last_run_that_looked() -> None:
    runs = [
        past(0, Outcome.SKIPPED),
        past(0.01, Outcome.COMPLETED),
        past(0.02, Outcome.FAILED),
        past(1, Outcome.FAILED),
        past(1.01, Outcome.COMPLETED),
        past(2, Outcome.UNCHANGED),
        past(3, Outcome.SUSPENDED),
        past(4, Outcome.NOT_INSPECTED),
        past(5, Outcome.NOT_INSPECTED),
        past(5.01, Outcome.UNCHANGED),
        past(200, Outcome.FAILED),
    ]
    made = strip(runs, NOON)
    assert made.count("<li") == DAYS
    marks = "".join(part[0] for part in made.split('aria-hidden="true">')[1::2])
    assert marks == "·" * (DAYS - 6) + "=○~=✗✓"
    assert "2026-10-22: 1 skipped, 1 completed, 1 failed" in made
    assert "2026-10-16: no run" in made


def test_phases_are_what_lies_between_their_beginnings() -> None:
    run = ended("pvc-a", Outcome.COMPLETED)
    assert spent(run) == [(Phase.QUEUED, 1), (Phase.ATTACHING, 7), (Phase.BACKING_UP, 22), (Phase.DETACHING, 10)]
    never = replace(run, entered={}, started_at=None)
    assert spent(never) == [(Phase.QUEUED, 40)]


def test_the_age_of_what_is_protected_grows_and_falls() -> None:
    runs = [
        past(1, Outcome.FAILED),
        past(2, Outcome.UNCHANGED, protected_until=TODAY - timedelta(days=2)),
        past(5, Outcome.COMPLETED, protected_until=TODAY - timedelta(days=5)),
    ]
    points = ages(runs, NOON)
    assert [round(age) for _, age in points] == [40, 3 * 86400 + 40, 40, 2 * 86400 + 10 * 3600]
    assert "is 2 d 10 h old now; in 30 days it was at most 3 d old" in plot(runs, NOON)
    assert plot([past(1, Outcome.FAILED)], NOON) == ""


@given(st.lists(st.tuples(st.floats(0, 40), st.floats(-1, 40), st.sampled_from(list(Outcome))), max_size=12))
def test_no_age_is_negative_whatever_clocks_did(history: list[tuple[float, float, Outcome]]) -> None:
    runs = [past(d, outcome, protected_until=TODAY - timedelta(days=u)) for d, u, outcome in sorted(history)]
    assert all(age >= 0 for _, age in ages(runs, NOON))
    plot(runs, NOON)


# Runs


async def test_ended_runs_are_found_by_outcome_policy_and_volume(client: httpx.AsyncClient, house: House) -> None:
    house.has(volume("pvc-a"))
    house.keep(past(0, Outcome.FAILED), past(1, Outcome.COMPLETED), past(2, Outcome.COMPLETED, policy="hourly"))
    house.keep(replace(past(3, Outcome.COMPLETED), volume="pvc-b"))
    for query, count in (
        ("", 4),
        ("?outcome=completed", 3),
        ("?policy=hourly", 1),
        ("?volume=pvc-b", 1),
        ("?volume=pvc-b&outcome=failed", 0),
        ("?outcome=nonsense", 0),
    ):
        page = (await client.get(f"/runs{query}")).text
        assert page.count('data-name="Outcome"') == count, query
        assert ("No run that has ended is like that." in page) == (count == 0)


async def test_a_long_history_is_cut_and_says_so(client: httpx.AsyncClient, house: House) -> None:
    house.keep(*(past(number / 100, Outcome.COMPLETED) for number in range(ROWS + 3)))
    page = (await client.get("/runs")).text
    assert page.count('data-name="Outcome"') == ROWS
    assert "lhbackupd history --limit 10000" in read(page).said


def commands_to_copy() -> list[list[str]]:
    """Arguments of our commands as the pages' sources have them, with `x` for what is put in."""
    found: list[list[str]] = []
    for path in Path(pages.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            parts = node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.Tuple) else []
            words = [part.value if isinstance(part, ast.Constant) else "x" for part in parts]
            if words[:1] == ["lhbackupd"]:
                found.append(list(map(str, words[1:])))
    return found


def test_the_command_line_takes_every_command_that_a_page_shows() -> None:
    shown = commands_to_copy()
    assert {"backup", "cancel", "doctor", "explain", "history", "plan"} <= {words[0] for words in shown}
    for words in shown:
        parse(words)


async def test_who_asks_for_much_history_keeps_nobody_from_the_probes(house: House) -> None:
    never = asyncio.Event()

    async def history(**_wanted: Any) -> tuple[Run, ...]:
        await never.wait()
        return ()

    transport = httpx.ASGITransport(web(house, history=history).app)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://lhbackupd") as client,
        asyncio.TaskGroup() as all_,
    ):
        asked = [all_.create_task(client.get("/runs?outcome=failed")) for _ in range(100)]
        for _ in range(1000):
            await asyncio.sleep(0)
        told = [task.result().status_code for task in asked if task.done()]
        never.set()
    assert len(told) >= 80
    assert set(told) == {503}
