"""Windows, next to a clock on the wall that is looked at minute by minute, and in nights in which clocks move."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lhbackupd.core.windows import Window, next_open, open_at, open_week, parse_window

BERLIN, SYDNEY, LORD_HOWE = ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Sydney"), ZoneInfo("Australia/Lord_Howe")
ZONES = (BERLIN, SYDNEY, LORD_HOWE, ZoneInfo("UTC"))
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTE = timedelta(minutes=1)

#: hours around which clocks move in 2026, UTC: Berlin, Sydney and Lord Howe, spring and autumn; and an ordinary day
NIGHTS = tuple(
    datetime.fromisoformat(text).replace(tzinfo=UTC)
    for text in (
        "2026-03-29T01:00", "2026-10-25T01:00", "2026-04-04T16:00", "2026-10-03T16:00",
        "2026-04-04T15:00", "2026-10-03T15:30", "2026-06-10T12:00",
    )
)  # fmt: skip

texts = st.builds(
    lambda days, start, length: (
        f"{','.join(days)} " * bool(days)
        + f"{start // 60:02}:{start % 60:02}-{(start + length) % 1440 // 60:02}:{(start + length) % 60:02}"
    ),
    st.lists(st.sampled_from(DAYS), max_size=3),
    st.integers(0, 1439),
    st.integers(1, 1439),
)
several = st.lists(texts, max_size=3)
zones = st.sampled_from(ZONES)
moments = st.builds(
    lambda night, seconds: night + timedelta(seconds=seconds),
    st.sampled_from(NIGHTS),
    st.integers(-36 * 3600, 36 * 3600),
)


def read(texts: list[str]) -> tuple[Window, ...]:
    return tuple(parse_window(text) for text in texts)


def on_the_wall(texts: list[str], local: datetime) -> bool:
    """Whether one of the windows is on at a time of the wall's clock, read from its text in another way."""
    for text in texts:
        *days, hours = text.split(" ")
        start, end = hours.split("-")
        clock, today, yesterday = f"{local:%H:%M}", DAYS[local.weekday()], DAYS[local.weekday() - 1]
        begun = not days or today in days[0].split(",")
        began = not days or yesterday in days[0].split(",")
        evening, morning = begun and start <= clock, (began if end <= start else begun) and clock < end
        found = evening and morning if start < end else evening or morning
        if found:
            return True
    return False


@settings(deadline=None)  # a machine may be busy
@given(several, several, zones, moments)
def test_a_moment_is_open_as_the_clock_on_the_wall_says(
    windows: list[str], blackouts: list[str], zone: ZoneInfo, moment: datetime
) -> None:
    local = moment.astimezone(zone)
    expected = (not windows or on_the_wall(windows, local)) and not on_the_wall(blackouts, local)
    assert open_at(read(windows), read(blackouts), zone, moment) is expected


@settings(deadline=None)  # a machine may be busy
@given(several, several, zones, moments)
def test_the_next_opening_is_the_first_open_moment_and_never_past(
    windows: list[str], blackouts: list[str], zone: ZoneInfo, moment: datetime
) -> None:
    args = read(windows), read(blackouts), zone
    found = next_open(*args, moment)
    if found is None:
        assert not any(open_week(*args[:2]))
        return
    assert found.tzinfo is UTC
    assert found >= moment
    assert open_at(*args, found)
    if open_at(*args, moment):
        assert found == moment
        return
    assume(found - moment < timedelta(days=3))
    start = moment.replace(second=0, microsecond=0)
    closed = range((found - start) // MINUTE)
    assert not any(open_at(*args, start + MINUTE * count) for count in closed)
    assert found == start + MINUTE * len(closed)


def opened(texts: list[str], zone: ZoneInfo, day: str, blackouts: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """The stretches in which it is open on a local date, as UTC times, minute by minute."""
    start = datetime.fromisoformat(day).replace(tzinfo=zone).astimezone(UTC)
    shown = [start + MINUTE * count for count in range(25 * 60 + 1)]
    shown = [moment for moment in shown if f"{moment.astimezone(zone):%Y-%m-%d}" == day]
    is_open = [open_at(read(texts), read(list(blackouts)), zone, moment) for moment in shown]
    edges = [moment for (was, now), moment in zip(pairwise([False, *is_open]), shown, strict=True) if was != now]
    edges += [shown[-1] + MINUTE] * (len(edges) % 2)
    return [(f"{one:%H:%M}", f"{other:%H:%M}") for one, other in zip(edges[::2], edges[1::2], strict=True)]


@pytest.mark.parametrize(
    ("text", "zone", "day", "expected"),
    [
        ("02:00-03:00", BERLIN, "2026-06-10", [("00:00", "01:00")]),
        # Berlin, 29 March 2026: 02:00 becomes 03:00, at 01:00 UTC
        ("02:00-03:00", BERLIN, "2026-03-29", []),
        ("01:30-02:30", BERLIN, "2026-03-29", [("00:30", "01:00")]),
        ("02:30-03:30", BERLIN, "2026-03-29", [("01:00", "01:30")]),
        # Berlin, 25 October 2026: 03:00 becomes 02:00, at 01:00 UTC
        ("02:00-03:00", BERLIN, "2026-10-25", [("00:00", "02:00")]),
        ("01:30-02:30", BERLIN, "2026-10-25", [("23:30", "00:30"), ("01:00", "01:30")]),
        # Lord Howe: half an hour; 02:00 becomes 02:30 on 4 October, and 01:30 on 5 April 2026
        ("02:00-02:30", LORD_HOWE, "2026-10-04", []),
        ("01:30-02:00", LORD_HOWE, "2026-04-05", [("14:30", "15:30")]),
        # Sydney, 4 October 2026: 02:00 becomes 03:00, at 16:00 UTC of the day before
        ("00:00-24:00", SYDNEY, "2026-10-04", [("14:00", "13:00")]),
    ],
)
def test_a_window_in_the_night_clocks_move(
    text: str, zone: ZoneInfo, day: str, expected: list[tuple[str, str]]
) -> None:
    assert opened([text], zone, day) == expected


def test_a_window_that_clocks_jump_into_opens_at_the_jump() -> None:
    before = datetime(2026, 3, 29, 0, 59, 30, tzinfo=UTC)
    assert next_open(read(["02:30-04:00"]), (), BERLIN, before) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    # the same hour comes again: the end of its first pass opens it once more
    after = datetime(2026, 10, 25, 0, 45, 30, tzinfo=UTC)
    assert next_open(read(["02:00-02:30"]), (), BERLIN, after) == datetime(2026, 10, 25, 1, 0, tzinfo=UTC)


def test_a_window_that_a_night_leaves_out_opens_the_night_after() -> None:
    before = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert next_open(read(["02:00-03:00"]), (), BERLIN, before) == datetime(2026, 3, 30, 0, 0, tzinfo=UTC)
    sundays = next_open(read(["sun 02:00-03:00"]), (), BERLIN, before)
    assert sundays == datetime(2026, 4, 5, 0, 0, tzinfo=UTC)


def test_days_are_those_on_which_a_window_begins() -> None:
    friday = read(["fri 22:00-06:00"])
    saturday = datetime(2026, 3, 7, 5, 59, tzinfo=UTC)
    assert open_at(friday, (), ZoneInfo("UTC"), saturday)
    assert not open_at(friday, (), ZoneInfo("UTC"), saturday + MINUTE)
    assert not open_at(friday, (), ZoneInfo("UTC"), saturday - timedelta(days=1))
    # Sunday's goes on into Monday, the first minutes of the week
    assert open_at(read(["sun 22:00-06:00"]), (), ZoneInfo("UTC"), datetime(2026, 3, 9, 3, tzinfo=UTC))


def test_a_blackout_wins_over_a_window() -> None:
    night, hole = ["22:00-06:00"], ("23:00-01:00",)
    assert opened(night, ZoneInfo("UTC"), "2026-03-03", hole) == [("01:00", "06:00"), ("22:00", "23:00")]
    inside = datetime(2026, 3, 3, 23, 30, tzinfo=UTC)
    assert next_open(read(night), read([*hole]), ZoneInfo("UTC"), inside) == datetime(2026, 3, 4, 1, tzinfo=UTC)


def test_a_blackout_alone_leaves_the_rest_open() -> None:
    assert opened([], ZoneInfo("UTC"), "2026-03-03", ("08:00-18:00",)) == [("00:00", "08:00"), ("18:00", "00:00")]


def test_what_never_opens_has_no_next_opening() -> None:
    now = datetime(2026, 3, 3, tzinfo=UTC)
    assert next_open(read(["22:00-06:00"]), read(["20:00-08:00"]), BERLIN, now) is None
    assert next_open((), read(["00:00-24:00"]), BERLIN, now) is None


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("22:00-06:00", "mon-sun 22:00-06:00"),
        ("fri-mon 10:00-11:00", "fri,sat,sun,mon 10:00-11:00"),
        ("Sat,SUN  00:00-24:00", "sun,sat 00:00 - 24:00"),
        ("22:00-24:00", "22:00-00:00"),
        (" mon-mon 10:00-11:00 ", "mon 10:00-11:00"),
    ],
)
def test_windows_that_mean_the_same_are_equal(text: str, same_as: str) -> None:
    assert parse_window(text) == parse_window(same_as)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("", 'such as "22:00-06:00"'),
        ("22-06", 'such as "22:00-06:00"'),
        ("9:00-17:00", 'such as "22:00-06:00"'),
        ("22:00-06:00 mon", 'such as "22:00-06:00"'),
        ("25:00-06:00", "times from 00:00 to 24:00"),
        ("22:60-23:00", "times from 00:00 to 24:00"),
        ("24:01-06:00", "times from 00:00 to 24:00"),
        ("24:00-06:00", 'midnight is "00:00" there'),
        ("22:00-22:00", 'the whole day is "00:00-24:00"'),
        ("monday 22:00-06:00", "days from mon to sun"),
        ("mon- 22:00-06:00", "days from mon to sun"),
        ("mon,,tue 22:00-06:00", "days from mon to sun"),
        ("mon-tue-wed 22:00-06:00", "days from mon to sun"),
    ],
)
def test_a_window_that_is_wrong_says_what_is_allowed(text: str, allowed: str) -> None:
    with pytest.raises(ValueError) as fault:
        parse_window(text)
    assert allowed in str(fault.value)
    assert "\n" not in str(fault.value)


@given(st.text(max_size=30))
def test_any_text_is_a_window_or_a_fault(text: str) -> None:
    try:
        parsed = parse_window(text)
    except ValueError:
        return
    assert isinstance(parsed, Window)
