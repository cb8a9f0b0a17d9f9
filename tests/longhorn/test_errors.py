"""What becomes of answers and failures that are no success, and what they show."""

import asyncio
import base64
import json
import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from lhbackupd.core.cluster import FaultKind
from lhbackupd.longhorn.client import Longhorn
from lhbackupd.longhorn.errors import SHOWN, LonghornError, Refused, Unreachable, WrongShape, visible
from tests.longhorn.replay import URL, answer, client, failing, recorded, saying

SECRET = "s3cr3t-t0ken"


async def fault(longhorn: Longhorn) -> LonghornError:
    """The error of a request that changes something."""
    with pytest.raises(LonghornError) as caught:
        await longhorn.detach("rec-a", "bk-1")
    return caught.value


@pytest.mark.parametrize(
    ("error", "ambiguous"),
    [
        (httpx.ConnectError("refused"), False),
        (httpx.ConnectTimeout("slow"), False),
        (httpx.PoolTimeout("busy"), False),
        (httpx.ReadTimeout("slow"), True),
        (httpx.WriteTimeout("slow"), True),
        (httpx.ReadError("reset"), True),
        (httpx.RemoteProtocolError("cut"), True),
        (ConnectionResetError("reset"), True),
    ],
)
async def test_failed_connection_is_ambiguous_once_something_may_have_been_sent(
    error: Exception, ambiguous: bool
) -> None:
    raised = await fault(failing(error))
    assert isinstance(raised, Unreachable)
    assert raised.ambiguous is ambiguous
    assert raised.fault.ambiguous is ambiguous
    assert raised.__cause__ is error
    assert str(raised).startswith("POST /v1/volumes/rec-a?action=detach: ")


async def test_failed_look_is_never_ambiguous() -> None:
    with pytest.raises(Unreachable) as caught:
        await failing(httpx.ReadTimeout("slow")).snapshots("rec-a")
    assert not caught.value.ambiguous


@pytest.mark.parametrize(
    ("status", "body", "kind", "ambiguous"),
    [
        (408, "", FaultKind.UNREACHABLE, False),
        (429, "", FaultKind.UNREACHABLE, False),
        (502, "", FaultKind.UNREACHABLE, True),
        (503, "", FaultKind.UNREACHABLE, False),
        (504, "", FaultKind.UNREACHABLE, True),
        (500, "<h1>oops</h1>", FaultKind.UNREACHABLE, True),
        (500, '{"type":"error","message":"no"}', FaultKind.REFUSED, False),
        (404, "", FaultKind.UNREACHABLE, False),
        (404, "404 page not found\n", FaultKind.UNREACHABLE, False),
        (404, '{"type":"error","message":"gone"}', FaultKind.MISSING, False),
        (405, "", FaultKind.REFUSED, False),
        (401, "", FaultKind.REFUSED, False),
        (403, "", FaultKind.REFUSED, False),
        (422, '{"type":"error","message":"no"}', FaultKind.REFUSED, False),
    ],
)
async def test_status_is_sorted_by_what_to_do(status: int, body: str, kind: FaultKind, ambiguous: bool) -> None:
    raised = await fault(saying(status, body))
    assert raised.fault.kind is kind
    assert raised.ambiguous is ambiguous
    assert str(status) in str(raised)


@pytest.mark.parametrize("status", [401, 403])
async def test_closed_door_hints_at_the_credentials(status: int) -> None:
    assert "token_file" in str(await fault(saying(status)))


async def test_every_recorded_no_is_refused_in_longhorns_words() -> None:
    for number in ("204", "252", "253", "217", "320", "321", "275"):
        raised = await fault(saying(500, answer(number)))
        assert isinstance(raised, Refused)
        assert visible(recorded(number)["response"]["body"]["message"])[:40] in str(raised)


@pytest.mark.parametrize("location", ["https://elsewhere.test/login", "/ui/", "http://longhorn.test:9500/v1/volumes/x"])
async def test_redirect_is_not_followed(location: str) -> None:
    asked = []

    async def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(302, headers={"Location": location})

    raised = await fault(client(handler))
    assert isinstance(raised, Unreachable)
    assert location in str(raised)
    assert len(asked) == 1


@pytest.mark.parametrize("length", [10, SHOWN, SHOWN + 1, 10_000_000])
async def test_longhorns_text_is_cut(length: int) -> None:
    body = json.dumps({"type": "error", "message": "x" * length})
    assert len(str(await fault(saying(500, body)))) < SHOWN + 60


async def test_foreign_text_cannot_write_on_the_terminal() -> None:
    body = json.dumps({"type": "error", "message": "\x1b[2J\r\n\u202eevil\x00"})
    raised = await fault(saying(500, body))
    assert str(raised).isprintable()
    assert r"\x1b[2J\r\n\u202eevil\x00" in str(raised)
    assert str(await fault(saying(500, "\x1b[2J\nplain"))).isprintable()


async def test_answer_that_trickles_ends_at_the_time_limit() -> None:
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.001)

    async def handler(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=trickle())

    raised = await fault(client(handler, timeout=0.05))
    assert isinstance(raised, Unreachable)
    assert raised.ambiguous
    assert "TimeoutError" in str(raised)


async def test_answer_without_end_is_not_read_to_the_end() -> None:
    read = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 2**20
            yield b" " * 2**20

    async def handler(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=flood())

    raised = await fault(client(handler))
    assert isinstance(raised, Unreachable)
    assert "more than" in str(raised)
    assert read <= 18 * 2**20


async def test_deeply_nested_answer_is_of_the_wrong_shape() -> None:
    assert isinstance(await fault(saying(200, b"[" * 100_000)), WrongShape)
    assert isinstance(await fault(saying(500, b'{"type":' + b"[" * 100_000)), Unreachable)


async def test_token_is_sent_and_shown_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(SECRET + "\n")
    sent = []

    async def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["Authorization"])
        raise httpx.ReadError("reset")

    longhorn = client(handler, token_file=file)
    raised = await fault(longhorn)
    shown = "".join(traceback.format_exception(raised)) + repr(raised) + repr(longhorn) + repr(vars(longhorn))
    assert sent == [f"Bearer {SECRET}"]
    assert SECRET not in shown


async def test_password_is_sent_as_basic_and_shown_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(SECRET)
    sent = []

    async def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["Authorization"])
        return httpx.Response(403)

    longhorn = client(handler, username="backup", password_file=file)
    raised = await fault(longhorn)
    coded = base64.b64encode(f"backup:{SECRET}".encode()).decode()
    assert sent == [f"Basic {coded}"]
    shown = "".join(traceback.format_exception(raised)) + repr(longhorn) + repr(vars(longhorn))
    assert SECRET not in shown
    assert coded not in shown


async def test_rotated_token_is_read_again_after_a_401(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")

    async def handler(request: httpx.Request) -> httpx.Response:
        good = request.headers["Authorization"] == "Bearer new"
        return httpx.Response(200, content=answer("103")) if good else httpx.Response(401)

    longhorn = client(handler, token_file=file)
    with pytest.raises(Refused):
        await longhorn.volume("rec-a")
    file.write_text("new")
    assert await longhorn.volume("rec-a") is not None


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"two\nlines", "t\u00f6ken".encode()])
async def test_token_that_cannot_be_used_sends_nothing_and_is_not_shown(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    raised = await fault(failing(AssertionError("sent"), token_file=file))
    assert isinstance(raised, Unreachable)
    assert not raised.ambiguous
    shown = "".join(traceback.format_exception(raised))
    assert "lines" not in shown
    assert "xff" not in shown
    assert "t\u00f6ken" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "http://backup:hunter2@longhorn.test",
        "http://hunter2@longhorn.test",
        "http://:hunter2@longhorn.test",
        "http://backup:hun/ter2@longhorn.test",
        "ftp://longhorn.test",
        "longhorn.test:9500",
        "http://",
        "http://[",
        "http://longhorn.test:99999",
        "http://longhorn.test/?token=hunter2",
        "",
    ],
)
def test_url_that_will_not_do_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"Longhorn|credentials") as caught:
        Longhorn(url=url)
    assert "hun" not in "".join(traceback.format_exception(caught.value)).replace(repr(url), "")


def test_half_a_pair_and_both_kinds_of_credentials_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="together"):
        Longhorn(url=URL, username="backup")
    with pytest.raises(ValueError, match="not both"):
        Longhorn(url=URL, username="b", password_file=tmp_path / "p", token_file=tmp_path / "t")


@pytest.mark.parametrize(
    "base", ["http://door.test/longhorn", "http://door.test/longhorn/", "http://door.test/longhorn/v1"]
)
async def test_path_before_the_api_is_kept(base: str) -> None:
    asked = []

    async def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, content=answer("040"))

    await Longhorn(url=base, transport=httpx.MockTransport(handler)).volumes()
    assert asked == ["http://door.test/longhorn/v1/volumes"]


async def test_certificate_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Longhorn(url=URL, client_cert=tmp_path / "cert", client_key=tmp_path / "key")
    with pytest.raises(FileNotFoundError):
        Longhorn(url=URL, ca_file=tmp_path / "ca")
