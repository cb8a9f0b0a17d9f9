import errno
import io
import json
import logging
import os
import warnings

import pytest

from lhbackupd.surface.logs import Form, Level, configure, logger
from tests.surface.house import NOON


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def set_up(stream: io.StringIO, form: Form = "json", level: Level = "info") -> io.StringIO:
    configure(form=form, level=level, stream=stream, now=lambda: NOON)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_the_time_of_the_clock() -> None:
    stream = set_up(io.StringIO(), form="auto")
    logger().info("all is well", action="test", volume="pvc-a")
    assert lines(stream) == [
        {
            "event": "all is well",
            "action": "test",
            "volume": "pvc-a",
            "level": "info",
            "timestamp": "2026-10-22T12:00:00.000Z",
        }
    ]


def test_a_terminal_gets_a_console_and_anything_can_be_asked_for() -> None:
    stream = set_up(Terminal(), form="auto")
    logger().info("all is well")
    assert "\x1b[" in stream.getvalue()
    plain = set_up(io.StringIO(), form="console")
    logger().info("all is well", volume="pvc-a")
    assert "\x1b[" not in plain.getvalue()
    assert "all is well volume=pvc-a" in plain.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
def test_foreign_text_cannot_break_a_line_or_steer_a_terminal(form: Form) -> None:
    stream = set_up(io.StringIO(), form=form)
    evil = "x\n2026-01-01 [info] all is well \x1b[2J\u202e\x00"
    logger().warning(f"volume {evil} is left out", reason=evil, names=[evil])
    logging.getLogger("somebody").warning("and %s", evil)
    shown = stream.getvalue()
    assert shown.count("\n") == 2
    assert all(character.isprintable() for character in shown.replace("\n", ""))


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_values(form: Form) -> None:
    stream = set_up(io.StringIO(), form=form)

    def fails() -> None:
        password = "hunter" + str(2)
        raise ValueError(f"a line\nof {len(password)} characters \x1b[2J")

    try:
        fails()
    except ValueError as error:
        logger().error("it failed", exc_info=error)
    shown = stream.getvalue()
    assert "fails()" in shown
    assert "hunter2" not in shown
    assert "\x1b" not in shown


def test_lines_of_libraries_come_the_same_way_and_chatter_does_not() -> None:
    stream = set_up(io.StringIO(), level="debug")
    logging.getLogger("httpx").info('HTTP Request: GET http://longhorn/v1 "200"')
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("apscheduler.executors.default").error("it went %s", "wrong")
    [line] = lines(stream)
    assert (line["event"], line["logger"], line["level"]) == (
        "it went wrong",
        "apscheduler.executors.default",
        "error",
    )


def test_warnings_are_lines_too() -> None:
    stream = set_up(io.StringIO())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old habits", stacklevel=1)
    assert "old habits" in str(lines(stream)[0]["event"])


def test_below_its_level_nothing_is_written_and_setting_up_again_replaces() -> None:
    first = set_up(io.StringIO(), level="warning")
    logger().info("not this")
    second = set_up(io.StringIO(), level="debug")
    logger().debug("this")
    assert first.getvalue() == ""
    assert [line["event"] for line in lines(second)] == ["this"]


def test_a_reader_that_goes_away_takes_nobody_with_it() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        configure(form="json", level="info", stream=stream, now=lambda: NOON)
        os.close(reader)
        logger().info("into nowhere")
        logger().info("and on")
        stream.flush()  # what the interpreter does at exit


class FullDisk(io.StringIO):
    def write(self, text: str, /) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_and_a_stream_closed_at_our_end_are_no_reason_to_die(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(FullDisk())
    logger().info("no room")
    assert capsys.readouterr().err == ""
    set_up(io.StringIO()).close()
    logger().info("no stream")
    assert "ValueError" in capsys.readouterr().err
