import asyncio
import re
import threading
from collections import Counter
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from itertools import count
from typing import Any
from urllib.parse import quote, urldefrag, urljoin

import httpx
import msgspec
import pytest
from msgspec import structs
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families as plain_metrics
from starlette.applications import Starlette

from lhbackupd.core.model import Outcome, Run
from lhbackupd.engine.journal import JournalError
from lhbackupd.long import PIECE, Long
from lhbackupd.surface.gauges import Gauges
from lhbackupd.surface.report import Report
from lhbackupd.surface.threads import AT_ONCE, WAITING
from lhbackupd.surface.web import HEADERS
from tests.surface.house import TODAY, House, ended, queued, running, volume
from tests.surface.shown import web

FILES = ("/page.css", "/page.js", "/icon.svg")
PAGES = ("/", "/volumes", "/runs", "/plan", "/doctor")
PATHS = (*PAGES, *FILES, "/plan.json", "/status.json", "/metrics", "/livez", "/readyz")


def shown(house: House, **instead: Any) -> Starlette:
    return web(house, **instead).app


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    registry = CollectorRegistry()
    registry.register(Gauges(report=house.report))
    transport = httpx.ASGITransport(shown(house, metrics=registry))
    async with httpx.AsyncClient(transport=transport, base_url="http://lhbackupd") as made:
        yield made


@pytest.mark.parametrize("path", PATHS)
async def test_everything_can_be_read_and_nothing_else(client: httpx.AsyncClient, path: str) -> None:
    for method in ("GET", "HEAD"):
        assert (await client.request(method, path)).status_code == 200
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        answer = await client.request(method, path)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", [*PATHS, "/nowhere"])
async def test_browsers_are_kept_strict_everywhere(client: httpx.AsyncClient, path: str) -> None:
    for method in ("GET", "POST"):
        headers = (await client.request(method, path)).headers
        assert {name: headers[name] for name in HEADERS} == HEADERS
        assert "Server" not in headers


async def test_a_long_answer_comes_in_pieces_between_which_others_have_the_loop() -> None:
    body, sent, turns = bytes(range(256)) * (PIECE // 100), list[dict[str, Any]](), 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    working = asyncio.create_task(others())
    answer = Long(body, media_type="application/json")
    await answer({"type": "http", "method": "GET"}, receive, send)
    working.cancel()
    assert dict(sent[0]["headers"])[b"content-length"] == str(len(body)).encode()
    assert b"".join(message["body"] for message in sent[1:]) == body
    assert [message.get("more_body", False) for message in sent[1:]] == [True, True, True, False]
    assert turns >= 3


async def test_the_report_is_compressed_for_who_asks(client: httpx.AsyncClient, house: House) -> None:
    house.has(*(volume(f"pvc-{number}") for number in range(40)))
    packed = await client.get("/status.json")
    plain = await client.get("/status.json", headers={"Accept-Encoding": "identity"})
    assert (packed.headers["Content-Encoding"], plain.headers.get("Content-Encoding")) == ("gzip", None)
    assert int(packed.headers["Content-Length"]) * 4 < int(plain.headers["Content-Length"]) == len(plain.content)
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept, Accept-Encoding"


async def test_the_report_comes_as_json(client: httpx.AsyncClient, house: House) -> None:
    house.has(volume("pvc-a"))
    answer = await client.get("/status.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert msgspec.json.decode(answer.content, type=Report) == house.report()


async def test_a_page_says_the_version_of_the_very_report_that_it_shows(house: House) -> None:
    house.has(volume("pvc-a"))
    base, numbers = house.report(), count(2)

    def changing() -> Report:
        told = structs.replace(base.totals, protected=next(numbers), unprotected=0, uncovered=0)
        return structs.replace(base, totals=told)

    transport = httpx.ASGITransport(web(house, report=changing).app)
    seen: dict[str, set[str]] = {}
    async with httpx.AsyncClient(transport=transport, base_url="http://lhbackupd") as client:
        for _ in range(20):
            page = (await client.get("/")).text
            (version,) = re.findall(r'data-version="([^"]+)"', page)
            seen.setdefault(version, set()).update(re.findall(r"All (\d+) volumes are protected", page))
    assert len(seen) > 1
    assert all(len(shown) == 1 for shown in seen.values())
    assert len(set.union(*seen.values())) == len(seen)


async def test_no_page_waits_for_what_the_next_scrape_says_and_a_look_for_changes_prepares_it(house: House) -> None:
    prepared: list[Report] = []
    made = web(house, ahead=prepared.append)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(made.app), base_url="http://lhbackupd") as client:
        assert (await client.get("/")).status_code == 200
        assert prepared == []
        stream = made.changes.stream()
        await anext(stream)
        assert [report.volumes for report in prepared] == [house.report().volumes]
        await stream.aclose()


async def test_metrics_come_in_the_form_that_is_asked_for(client: httpx.AsyncClient) -> None:
    plain = await client.get("/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert any(family.name == "lhbackupd_ready" for family in plain_metrics(plain.text))
    opened = await client.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0,*/*;q=0.1"})
    assert opened.headers["Content-Type"].startswith("application/openmetrics-text")
    assert "Content-Encoding" in opened.headers  # httpx asks for it, as Prometheus does
    raw = await client.get("/metrics", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in raw.headers
    assert "lhbackupd_ready" in raw.text
    assert opened.text.endswith('\nlhbackupd_build_info{version="0.1.0"} 1.0\n# EOF\n')


async def test_readiness_is_red_with_its_reasons(client: httpx.AsyncClient, house: House) -> None:
    assert (await client.get("/readyz")).text == "ready\n"
    house.keeper.books.trouble = "disk is full"
    house.clock.turn(60)
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.text == "journal: disk is full\nscheduler: its loop has not turned for 1 min\n"
    assert (await client.get("/livez")).status_code == 200


async def test_liveness_says_why_not(house: House) -> None:
    app = shown(house, alive=lambda: "the loop is stuck")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lhbackupd") as client:
        answer = await client.get("/livez")
    assert (answer.status_code, answer.text) == (503, "the loop is stuck\n")


async def test_a_defect_is_an_answer_without_details(house: House) -> None:
    def fails() -> Report:
        raise ZeroDivisionError("secret")

    app = shown(house, report=fails)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://lhbackupd") as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.text) == (500, "internal error; see the log\n")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_reports_are_made_off_the_loop(house: House) -> None:
    seen: list[threading.Thread] = []

    def report() -> Report:
        seen.append(threading.current_thread())
        return house.report()

    registry = CollectorRegistry()
    registry.register(Gauges(report=report))
    app = shown(house, report=report, metrics=registry)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lhbackupd") as client:
        for path in ("/", "/volumes", "/runs", "/status.json", "/metrics"):
            await client.get(path)
    assert len(seen) >= 2
    assert threading.main_thread() not in seen


class Document(HTMLParser):
    """Checks that what is opened is closed, and keeps what a strict browser would load or run."""

    VOID = frozenset({"meta", "link", "br", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.classes: set[str] = set()
        self.attributes: set[str] = set()
        self.said = ""
        self.scripts: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = dict(attrs)
        if tag == "script":
            self.scripts.append(found.get("src") or "inline")
        self.links += [found[name] or "" for name in ("href", "src", "action") if name in found]
        self.attributes |= {name for name, _ in attrs}
        self.classes |= {word for name, value in attrs if name == "class" for word in (value or "").split()}
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data


def read(text: str) -> Document:
    document = Document()
    document.feed(text)
    document.close()
    assert document.open == []
    return document


EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\x1b[2J\u202e"


def evil_house(house: House) -> None:
    house.has(volume("pvc-" + EVIL, pvc=EVIL, pvc_namespace="shop"))
    house.look(broken={EVIL: EVIL})
    run = ended("pvc-" + EVIL, Outcome.FAILED, EVIL)
    house.knows(run)
    house.recent.runs = (run,)
    house.keeper.active["a"] = running("pvc-" + EVIL, reason=EVIL, node=EVIL, waiter=EVIL, waiting_since=TODAY)
    house.keeper.waiting["b"] = queued("pvc-" + EVIL, reason=EVIL)
    house.keep(run)


@pytest.mark.parametrize(
    "path", ["/", "/volumes", "/runs", f"/volumes?q={quote(EVIL)}&policy={quote(EVIL)}", f"/runs?volume={quote(EVIL)}",
             f"/volumes/{quote('pvc-' + EVIL, safe='').replace('%2F', '/')}"]
)  # fmt: skip
async def test_pages_survive_hostile_names_and_reasons(client: httpx.AsyncClient, house: House, path: str) -> None:
    evil_house(house)
    document = read((await client.get(path)).text)
    assert document.scripts in (["page.js"], ["../page.js"], [])
    assert "img" not in document.tags
    assert not {name for name in document.attributes if name.startswith("on")}
    assert "\x1b" not in document.said
    assert "\u202e" not in document.said


async def test_hostile_names_are_shown_as_they_are(client: httpx.AsyncClient, house: House) -> None:
    evil_house(house)
    assert read((await client.get("/")).text).said.count("<script>alert(1)</script>") >= 3


@pytest.mark.parametrize("path", [*PAGES, "/volumes/pvc-a"])
async def test_pages_load_nothing_that_their_policy_forbids(client: httpx.AsyncClient, house: House, path: str) -> None:
    house.has(volume("pvc-a"))
    text = (await client.get(path)).text
    document = read(text)
    assert not document.tags & {"img", "iframe", "style", "object"}
    assert "style" not in document.attributes
    assert "http:" not in text.replace("http://longhorn-backend:9500", "")
    assert "https:" not in text


async def test_every_link_of_every_page_leads_somewhere(client: httpx.AsyncClient, house: House) -> None:
    house.has(*(volume(f"pvc-{number}") for number in range(3)), volume("pvc-odd.name", pvc=""))
    house.knows(ended("pvc-0", Outcome.FAILED))
    house.recent.runs = (ended("pvc-1", Outcome.COMPLETED),)
    house.keeper.active["2"] = running("pvc-2")
    left, seen = ["http://lhbackupd/"], set[str]()
    while left:
        here = left.pop()
        answer = await client.get(here)
        assert answer.status_code == 200, here
        if not answer.headers["Content-Type"].startswith("text/html"):
            continue
        there = {urldefrag(urljoin(here, link)).url for link in read(answer.text).links} - seen
        seen |= there
        left += sorted(there)
    assert {
        "http://lhbackupd/volumes/pvc-0",
        "http://lhbackupd/page.css",
        "http://lhbackupd/volumes?state=failing",
    } <= seen


@pytest.mark.parametrize("path", ["/volumes/nobody", "/volumes/", "/volumes/a/b", "//", "/Volumes", "/page.py"])
async def test_what_is_not_there_is_not_found_and_redirects_nowhere(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"http://lhbackupd{path}", headers={"Host": "evil.example"})
    assert answer.status_code == 404
    assert "Location" not in answer.headers


async def test_a_journal_that_cannot_be_read_is_said_and_the_rest_is_shown(house: House) -> None:
    async def fails(**_: object) -> tuple[Run, ...]:
        raise JournalError("journal sqlite:///x cannot be read: disk I/O error")

    house.has(volume("pvc-a"))
    transport = httpx.ASGITransport(shown(house, history=fails))
    async with httpx.AsyncClient(transport=transport, base_url="http://lhbackupd") as client:
        for path in ("/runs", "/volumes/pvc-a"):
            answer = await client.get(path)
            assert answer.status_code == 200
            assert "The history cannot be read: journal sqlite:///x cannot be read: disk I/O error" in answer.text


async def test_who_comes_when_too_many_wait_is_told_to_come_again(house: House) -> None:
    opened, entered = threading.Event(), threading.Semaphore(0)

    def slow() -> Report:
        entered.release()
        opened.wait(20)
        return house.report()

    many = AT_ONCE + WAITING
    transport = httpx.ASGITransport(shown(house, report=slow))
    async with httpx.AsyncClient(transport=transport, base_url="http://lhbackupd") as client:
        try:
            async with asyncio.TaskGroup() as tasks:
                asked = [tasks.create_task(client.get("/status.json")) for _ in range(many + 5)]
                await asyncio.to_thread(entered.acquire)
                refused = [task for task in asked if task.done()]
                assert (await client.get("/livez")).status_code == 200
                opened.set()
        finally:
            opened.set()
    assert len(refused) <= 5
    codes = Counter(task.result().status_code for task in asked)
    assert codes == {200: many, 503: 5}
    assert all(task.result().headers.get("Retry-After") == "1" for task in asked if task.result().status_code == 503)


async def test_metrics_come_in_one_version_of_each_form_whatever_is_asked_for(client: httpx.AsyncClient) -> None:
    forms = {"text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0"}
    asked = [
        f"{form}; version={version}; escaping={way}"
        for form in ("text/plain", "application/openmetrics-text")
        for version in ("0.0.1", "0.0.4", "1.0.0", "2.0", *(f"1.0.{number}" for number in range(1, 20)))
        for way in ("underscores", "dots", "values", "allow-utf-8")
    ]
    kinds = {(await client.get("/metrics", headers={"Accept": accept})).headers["Content-Type"] for accept in asked}
    assert len(kinds) == len(forms), "each would be made, and kept, for itself"
    assert all(any(kind.startswith(form) for kind in kinds) for form in forms)
