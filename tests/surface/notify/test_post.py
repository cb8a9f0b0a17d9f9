"""Messages and pings to a real HTTP server on loopback, and what is said when it does not take them."""

import asyncio
import logging
import threading
from functools import partial
from pathlib import Path

import pytest

from lhbackupd.config import Notify
from lhbackupd.messengers import refused, senders
from lhbackupd.surface.notify.aside import Aside
from lhbackupd.surface.notify.letter import Letter
from lhbackupd.surface.notify.outbox import Undelivered
from lhbackupd.surface.notify.pinger import Call, call
from lhbackupd.surface.notify.post import send, takes
from lhbackupd.surface.notify.rounds import Ping
from tests.surface.notify.receivers import service

SECRET = "hush4711"
LETTER = Letter(title="shop: title", body="one\ntwo")


def url(port: int) -> str:
    return f"json://user:{SECRET}@127.0.0.1:{port}/{SECRET}/hook?rto=0.3"


def why(port: int) -> str:
    with pytest.raises(Undelivered) as caught:
        send(lambda: url(port), LETTER)
    assert caught.value.__cause__ is None
    assert SECRET not in repr(caught.value)
    return str(caught.value)


def test_a_message_arrives_as_plain_text() -> None:
    with service() as known:
        send(lambda: url(known.port), LETTER)
    (message,) = known.messages
    assert (message["title"], message["message"]) == ("shop: title", "one\ntwo")


@pytest.mark.parametrize(
    ("answer", "words"),
    [(500, "the service answered 500"), (401, "the service answered 401"), (None, "no connection to the service")],
)
def test_a_failure_says_why_and_no_secret(
    answer: int | None, words: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with service() as known:
        known.answers = [answer]
        assert words in why(known.port)
    out, err = capfd.readouterr()
    assert SECRET not in out + err + caplog.text


def test_a_receiver_that_is_not_there_is_no_connection() -> None:
    with service() as known:
        pass
    assert why(known.port) == "no connection to the service, or it was cut"


@pytest.mark.parametrize("wrong", ["json://", "nothing://host", "tgram://hush4711", "hush4711"])
def test_what_apprise_does_not_take_is_told_without_being_shown(wrong: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert not takes(wrong)
    with pytest.raises(Undelivered, match="does not take"):
        send(lambda: wrong, LETTER)
    assert "hush" not in "".join(capfd.readouterr())


async def test_a_changed_url_is_used_from_the_next_message_on(tmp_path: Path) -> None:
    file = tmp_path / "urls"
    with service() as first, service() as second:
        file.write_text(f"ops={url(first.port)}\n")
        send_to = senders(Notify(urls_file=file))
        await send_to["ops"](LETTER)
        file.write_text(f"# moved\nops={url(second.port)}\n")
        await send_to["ops"](LETTER)
        assert (len(first.calls), len(second.calls)) == (1, 1)
        file.write_text(f"mail={url(second.port)}\n")
        with pytest.raises(Undelivered, match="its file is not a file with a URL for ops") as caught:
            await send_to["ops"](LETTER)
        file.unlink()
        with pytest.raises(Undelivered, match="No such file"):
            await send_to["ops"](LETTER)
    assert SECRET not in str(caught.value)


def test_channels_that_apprise_does_not_take_are_named_by_their_line(tmp_path: Path) -> None:
    file = tmp_path / "urls"
    file.write_text(f"\n# mail\nops={url(1)}\nnothing://{SECRET}\n")
    (line,) = refused(Notify(urls_file=file))
    assert line.startswith(f"{file}: line 4 (line-4): Apprise does not take this URL")
    assert SECRET not in line


async def test_a_thread_that_hangs_is_left_alone_and_not_joined_by_another() -> None:
    end = threading.Event()
    aside = Aside(name="test", timeout=0.05)
    with pytest.raises(Undelivered, match="no answer came"):
        await aside(partial(_wait, end))
    with pytest.raises(Undelivered, match="has not come back"):
        await aside(partial(_wait, end))
    end.set()
    while any(thread.name == "test" for thread in threading.enumerate()):  # noqa: ASYNC110 -- it ends by itself
        await asyncio.sleep(0.01)
    await aside(partial(_wait, end))


def _wait(end: threading.Event) -> None:
    end.wait(10)


async def test_what_the_thread_raises_comes_out() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Aside(name="test")(broken)


def test_pings_call_the_url_its_start_and_its_fail() -> None:
    with service() as known:
        base = f"http://127.0.0.1:{known.port}/{SECRET}?create=1"
        for what in (Call(ping=Ping.START), Call(ping=Ping.SUCCESS), Call(ping=Ping.FAIL, body="backups fail: db")):
            call(base, what)
    assert known.calls == [
        ("GET", f"/{SECRET}/start?create=1", ""),
        ("GET", f"/{SECRET}?create=1", ""),
        ("POST", f"/{SECRET}/fail?create=1", "backups fail: db"),
    ]


@pytest.mark.parametrize(("answer", "words"), [(404, "the service answered 404"), (None, "no connection")])
def test_a_ping_that_fails_says_why_and_no_secret(answer: int | None, words: str) -> None:
    with service() as known:
        known.answers = [answer]
        if answer is None:
            known.end.set()  # closes the connection instead
        with pytest.raises(Undelivered, match=words) as caught:
            call(f"http://127.0.0.1:{known.port}/{SECRET}", Call(ping=Ping.SUCCESS))
    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_what_is_too_long_for_a_service_comes_in_parts() -> None:
    lines = [f"- failing: pvc-{number:04}: {'so ' * 60}" for number in range(400)]
    with service() as known:
        send(lambda: url(known.port), Letter(title="shop: title", body="\n".join(lines)))
    parts = [message["message"] for message in known.messages]
    assert len(parts) == 3, "a message of this service holds 32,768 characters"
    assert all(any(f"pvc-{number:04}" in part for part in parts) for number in range(400))
