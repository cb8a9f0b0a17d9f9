"""What people are sent, and that foreign words in it do no harm."""

import re
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core.notices import Key, Kind
from lhbackupd.surface.notify.letter import LONGEST, Notice, letter, plain, together

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NASTY = st.text(st.one_of(st.characters(), st.sampled_from("<>@_*`[](){}|~\n\r\x1b\u202e#!:/")))


def notice(number: int, kind: Kind = Kind.FAILURE) -> Notice:
    key = Key(kind=kind, policy="nightly", volume=f"v{number}")
    return Notice(
        kind=kind,
        about=key,
        at=NOON + timedelta(seconds=number),
        title=f"title {number}",
        lines=(f"first {number}", "2nd"),
    )


@given(NASTY)
def test_foreign_text_breaks_no_line_and_brings_no_markup_mention_or_link(text: str) -> None:
    shown = plain(text)
    assert shown.isprintable()
    assert not set(shown) & set("<>`*~|")
    assert "](" not in shown
    assert not re.search(r"(?<!\w)@\w", shown)
    assert len(shown) <= LONGEST


def test_what_people_need_to_read_stays_as_it_is() -> None:
    text = (
        "backup target s3://bucket@eu-west-1/path: no_such_key, 40 % of 8 GiB (attempt 2) [db-0]: dial tcp 10.0.0.1:443"
    )
    assert plain(text) == text


def test_a_password_of_a_url_is_taken_out_and_what_is_cut_shows_it() -> None:
    assert plain("cifs://user:hush!@host/share failed") == "cifs://user:hidden@host/share failed"
    assert plain("x" * 1000).endswith("…")


def test_a_single_notice_is_told_in_full() -> None:
    made = letter("shop", [notice(1)])
    assert (made.title, made.body) == ("shop: title 1", "first 1\n2nd\n(2026-03-02 12:00:01 UTC)")


def test_many_come_in_one_message_that_says_how_many_it_does_not_show() -> None:
    made = letter("shop", [*map(notice, range(23)), notice(24, Kind.RECOVERY)])
    assert made.title == "shop: 24 messages: 23 failure, 1 recovery"
    assert "- title 9\n  first 9 (" in made.body
    assert "title 10" not in made.body
    assert "\nand 14 more\n" in made.body


def test_a_digest_goes_alone() -> None:
    waiting = [notice(1), notice(2), notice(3, Kind.DIGEST), notice(4)]
    assert [together(waiting[start:]) for start in range(4)] == [2, 1, 1, 1]
