import threading
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import httpx
import msgspec
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families as plain_metrics

from lhbackupd.core.model import Outcome
from lhbackupd.surface.gauges import Gauges
from lhbackupd.surface.report import Report
from lhbackupd.surface.web import HEADERS, application
from tests.surface.house import House, ended, volume

PATHS = ("/", "/style.css", "/status.json", "/metrics", "/livez", "/readyz")


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    registry = CollectorRegistry()
    registry.register(Gauges(report=house.report))
    app = application(report=house.report, metrics=registry, alive=lambda: "", ready=house.sources.unready)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lhbackupd") as made:
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


async def test_the_report_comes_as_json(client: httpx.AsyncClient, house: House) -> None:
    house.has(volume("pvc-a"))
    answer = await client.get("/status.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert msgspec.json.decode(answer.content, type=Report) == house.report()


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
    app = application(
        report=house.report, metrics=CollectorRegistry(), alive=lambda: "the loop is stuck", ready=lambda: ()
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lhbackupd") as client:
        answer = await client.get("/livez")
    assert (answer.status_code, answer.text) == (503, "the loop is stuck\n")


async def test_a_defect_is_an_answer_without_details(house: House) -> None:
    def fails() -> Report:
        raise ZeroDivisionError("secret")

    app = application(report=fails, metrics=CollectorRegistry(), alive=lambda: "", ready=lambda: ())
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
    app = application(report=report, metrics=registry, alive=lambda: "", ready=lambda: ())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lhbackupd") as client:
        for path in ("/", "/status.json", "/metrics"):
            await client.get(path)
    assert len(seen) == 3
    assert threading.main_thread() not in seen


class Document(HTMLParser):
    """Checks that what is opened is closed, and keeps what a strict browser would load or run."""

    VOID = frozenset({"meta", "link", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.classes: set[str] = set()
        self.attributes: set[str] = set()
        self.said = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
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


async def test_the_page_survives_hostile_names_and_reasons(client: httpx.AsyncClient, house: House) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\x1b[2J\u202e"
    house.has(volume("pvc-" + evil, pvc=evil, pvc_namespace="shop"))
    house.look(broken={evil: evil})
    house.knows(ended("pvc-" + evil, Outcome.FAILED, evil))
    document = read((await client.get("/")).text)
    assert not document.tags & {"script", "img"}
    assert not {name for name in document.attributes if name.startswith("on")}
    assert document.said.count("<script>alert(1)</script>") >= 3
    assert "\x1b" not in document.said
    assert "\u202e" not in document.said


async def test_the_page_loads_nothing_that_its_policy_forbids(client: httpx.AsyncClient) -> None:
    document = read((await client.get("/")).text)
    assert not document.tags & {"script", "img", "iframe", "style", "form"}
    assert "style" not in document.attributes
