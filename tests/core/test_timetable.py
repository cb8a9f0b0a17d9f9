"""Cron lines, next to APScheduler's own reading where the two agree, and in nights in which clocks are moved."""

from calendar import isleap
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger as Oracle
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from lhbackupd.core.timetable import (
    Cron,
    count_due,
    longest_gap,
    minutes_of_week,
    next_due,
    offset_change,
    parse_cron,
    parse_zone,
    previous_due,
    shortest_gap,
)

BERLIN, SYDNEY, LORD_HOWE = ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Sydney"), ZoneInfo("Australia/Lord_Howe")
ZONES = (BERLIN, SYDNEY, LORD_HOWE, ZoneInfo("UTC"), ZoneInfo("America/Sao_Paulo"), ZoneInfo("Asia/Beirut"))

moments = st.integers(0, 20 * 366 * 86400).map(
    lambda seconds: datetime(2015, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
zones = st.sampled_from(ZONES)
minutes = st.integers(0, 59)
hours = st.integers(0, 23)


def field(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    interval = st.tuples(number, number).map(sorted).map(lambda pair: f"{pair[0]}-{pair[1]}")
    step = st.tuples(st.one_of(st.just("*"), interval), st.integers(1, 12)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    one_item = st.one_of(number.map(str), interval, step)
    return st.one_of(st.just("*"), st.lists(one_item, min_size=1, max_size=3).map(",".join))


lines = st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 7)).map(" ".join)


def due_times(line: str, zone: ZoneInfo, after: datetime, until: datetime) -> list[datetime]:
    cron, found, due = parse_cron(line), [], after
    while (due := next_due(cron, zone, due)) <= until:
        found.append(due)
    return found


def local(text: str, zone: ZoneInfo, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("line", "same_as"),
    [
        ("0 2 * * 7", "0 2 * * 0"),
        ("0 2 * * sun", "0 2 * * 0"),
        ("0 2 * * 5-7", "0 2 * * fri,sat,sun"),
        ("0 2 * * Mon-FRI", "0 2 * * 1-5"),
        ("0 2 ? * ?", "0 2 * * *"),
        ("5/20 2 * * *", "5,25,45 2 * * *"),
        ("0 2 1 jan-mar *", "0 2 1 1,2,3 *"),
        ("10-20/5 2 * * *", "10,15,20 2 * * *"),
        ("  0\t2  *  *  * ", "0 2 * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("0 2 * * 1/3", "0 2 * * 1,4"),
        ("0 2 * * 7/3", "0 2 * * 0,3,6"),
    ],
)
def test_lines_that_mean_the_same_are_equal(line: str, same_as: str) -> None:
    assert parse_cron(line) == parse_cron(same_as)


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("0 25 * * *", "the hour is 0 to 23"),
        ("60 * * * *", "the minute is 0 to 59"),
        ("0 0 0 * *", "the day of the month is 1 to 31"),
        ("0 0 32 * *", "the day of the month is 1 to 31"),
        ("0 0 * 13 *", "the month is 1 to 12, or jan to dec"),
        ("0 0 * * 8", "the weekday is 0 to 7, or sun to sat"),
        ("0 0 * * foo", "the weekday is 0 to 7, or sun to sat"),
        ("0 mon * * *", "the hour is 0 to 23"),
        ("0 2 * *", "five fields (minute, hour, day of the month, month, weekday), not 4"),
        ("0 0 2 * * *", "five fields (minute, hour, day of the month, month, weekday), not 6"),
        ("", "five fields (minute, hour, day of the month, month, weekday), not 0"),
        ("every day", "five fields (minute, hour, day of the month, month, weekday), not 2"),
        ("*/0 * * * *", "the step of the minute is 1 or more"),
        ("0 5-2 * * *", "a range of the hour goes upwards"),
        ("0 2 * * fri-sun", "a range of the weekday goes upwards"),
        ("0 2 30 2 *", "it never fires: no such month has that day"),
        ("0 2 31 4,6,9,11 *", "it never fires: no such month has that day"),
        ("@every 1h", '"@every" is no time of day'),
        ("@noon", "five fields, or one of @yearly"),
        ("TZ=Europe/Berlin 0 2 * * *", 'the zone belongs into "timezone"'),
        ("CRON_TZ=UTC 0 2 * * *", 'the zone belongs into "timezone"'),
        ("0 2 L * *", "the day of the month is 1 to 31"),
        ("1,,2 * * * *", "the minute is 0 to 59"),
        ("*-5 * * * *", "the minute is 0 to 59"),
        ("-1 * * * *", "the minute is 0 to 59"),
        ("1-2-3 * * * *", "the minute is 0 to 59"),
        ("1/2/3 * * * *", "the minute is 0 to 59"),
        ("\u0661 * * * *", "the minute is 0 to 59"),
    ],
)
def test_a_line_that_is_wrong_says_what_is_allowed(line: str, allowed: str) -> None:
    with pytest.raises(ValueError) as fault:
        parse_cron(line)
    assert allowed in str(fault.value)
    assert "\n" not in str(fault.value)


@given(st.text(max_size=30))
def test_any_text_is_a_line_or_a_fault(text: str) -> None:
    try:
        parsed = parse_cron(text)
    except ValueError:
        return
    assert isinstance(parsed, Cron)


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "Australia/Lord_Howe"])
def test_a_zone_is_found_by_its_name(name: str) -> None:
    assert parse_zone(name).key == name


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "Europe", "../etc/passwd", "/etc/localtime", "right/UTC", "\0", "localtime"]
)
def test_a_zone_that_is_none_says_what_is_allowed(name: str) -> None:
    with pytest.raises(ValueError, match="IANA name"):
        parse_zone(name)


@given(lines, zones, moments)
def test_the_next_due_time_is_later_aware_and_in_utc(line: str, zone: ZoneInfo, after: datetime) -> None:
    due = next_due(parse_cron(line), zone, after)
    assert due > after
    assert due.tzinfo is UTC
    assert due.second == due.microsecond == 0


@given(lines, zones, moments)
def test_previous_and_next_meet_in_each_due_time(line: str, zone: ZoneInfo, after: datetime) -> None:
    cron = parse_cron(line)
    due = next_due(cron, zone, after)
    assert previous_due(cron, zone, due) == due
    assert previous_due(cron, zone, due - timedelta(microseconds=1)) <= after
    before = previous_due(cron, zone, after)
    assert next_due(cron, zone, before - timedelta(microseconds=1)) == before
    assert next_due(cron, zone, before) == due


@settings(deadline=None)  # a machine may be busy
@given(lines, zones, moments, st.timedeltas(timedelta(0), timedelta(days=3)))
def test_the_count_is_what_stepping_through_finds(line: str, zone: ZoneInfo, after: datetime, span: timedelta) -> None:
    until = after + span
    assert count_due(parse_cron(line), zone, after, until) == len(due_times(line, zone, after, until))


def test_nothing_is_due_in_an_interval_that_goes_backwards() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert count_due(parse_cron("* * * * *"), BERLIN, now, now - timedelta(days=3)) == 0


@st.composite
def both_readings(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """A line with at most one day field, and the same for APScheduler, which counts weekdays from Monday."""
    minute, hour, month = draw(field(0, 59)), draw(field(0, 23)), draw(field(1, 12))
    if draw(st.booleans()):
        weekdays = sorted(draw(st.sets(st.integers(0, 6), min_size=1)))
        translated = ",".join(str((weekday - 1) % 7) for weekday in weekdays)
        line = f"{minute} {hour} * {month} {','.join(map(str, weekdays))}"
        return line, {"minute": minute, "hour": hour, "month": month, "day": "*", "day_of_week": translated}
    day = draw(field(1, 28))
    fields = {"minute": minute, "hour": hour, "month": month, "day": day, "day_of_week": "*"}
    return f"{minute} {hour} {day} {month} *", fields


@given(both_readings(), moments, zones)
def test_it_agrees_with_apscheduler_where_no_clock_is_moved(
    readings: tuple[str, dict[str, str]], after: datetime, zone: ZoneInfo
) -> None:
    line, fields = readings
    try:
        oracle = Oracle(timezone=zone, **fields)
    except ValueError:  # it refuses a step that is wider than its range
        reject()
    expected = oracle.get_next_fire_time(None, after + timedelta(microseconds=1))
    due = next_due(parse_cron(line), zone, after)
    offsets = {(due + timedelta(days=d)).astimezone(zone).utcoffset() for d in (-1, 0, 1)}
    assume(len(offsets) == 1 and after.astimezone(zone).utcoffset() in offsets)
    assert due == expected


@pytest.mark.parametrize(
    ("line", "days"),
    [
        ("0 0 13 * 5", [2, 9, 13, 16, 23, 30]),  # Fridays, and the 13th
        ("0 0 13 * *", [13]),
        ("0 0 * * 5", [2, 9, 16, 23, 30]),
        ("0 0 */10 * 5", [1, 2, 9, 11, 16, 21, 23, 30, 31]),  # a step restricts, as Kubernetes has it
        ("0 0 */1 * 5", [2, 9, 16, 23, 30]),
        ("0 0 ? * 5", [2, 9, 16, 23, 30]),
    ],
)
def test_if_both_day_fields_are_restricted_one_that_fits_is_enough(line: str, days: list[int]) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC) - timedelta(minutes=1)
    found = due_times(line, ZoneInfo("UTC"), start, start + timedelta(days=31))
    assert [due.day for due in found] == days


def test_a_leap_day_is_found_eight_years_ahead() -> None:
    cron = parse_cron("0 0 29 2 *")
    assert next_due(cron, ZoneInfo("UTC"), datetime(2096, 3, 1, tzinfo=UTC)) == datetime(2104, 2, 29, tzinfo=UTC)
    assert previous_due(cron, ZoneInfo("UTC"), datetime(2104, 2, 28, tzinfo=UTC)) == datetime(2096, 2, 29, tzinfo=UTC)


@settings(deadline=None)  # a machine may be busy
@given(minutes, hours, st.sampled_from((BERLIN, SYDNEY, LORD_HOWE, *ZONES)), st.integers(2015, 2035))
def test_a_named_time_happens_once_on_each_day_of_a_year(minute: int, hour: int, zone: ZoneInfo, year: int) -> None:
    start = local(f"{year}-01-01", zone) - timedelta(microseconds=1)
    end = local(f"{year + 1}-01-01", zone) - timedelta(microseconds=1)
    found = due_times(f"{minute} {hour} * * *", zone, start, end)
    days = [due.astimezone(zone).date() for due in found]
    assert len(days) == len(set(days)) == 366 - (not isleap(year))


@pytest.mark.parametrize(
    ("line", "zone", "day", "expected"),
    [
        # Berlin, 29 March 2026: 02:00 becomes 03:00
        ("30 2 * * *", BERLIN, "2026-03-29", [(3, 0, 0)]),
        ("0 2 * * *", BERLIN, "2026-03-29", [(3, 0, 0)]),
        ("0,30 2 * * *", BERLIN, "2026-03-29", [(3, 0, 0)]),
        ("0 2,3 * * *", BERLIN, "2026-03-29", [(3, 0, 0)]),
        ("15 1-3 * * *", BERLIN, "2026-03-29", [(1, 15, 0), (3, 0, 0), (3, 15, 0)]),
        # Berlin, 25 October 2026: 03:00 becomes 02:00
        ("30 2 * * *", BERLIN, "2026-10-25", [(2, 30, 0)]),
        ("0 2,3 * * *", BERLIN, "2026-10-25", [(2, 0, 0), (3, 0, 0)]),
        # Lord Howe: half an hour, 4 October 2026 from 02:00 and 5 April 2026 back from 02:00
        ("15 2 * * *", LORD_HOWE, "2026-10-04", [(2, 30, 0)]),
        ("45 1 * * *", LORD_HOWE, "2026-04-05", [(1, 45, 0)]),
        # Beirut, 29 March 2026: midnight becomes 01:00
        ("0 0 * * *", ZoneInfo("Asia/Beirut"), "2026-03-29", [(1, 0, 0)]),
        # wildcards in the spring keep their rhythm, and lose nothing
        ("0 */2 * * *", BERLIN, "2026-03-29", [(h, 0, 0) for h in (0, 3, *range(4, 24, 2))]),
    ],
)
def test_a_time_in_the_night_clocks_move(
    line: str, zone: ZoneInfo, day: str, expected: list[tuple[int, int, int]]
) -> None:
    start = local(day, zone) - timedelta(microseconds=1)
    shown = [due.astimezone(zone) for due in due_times(line, zone, start, start + timedelta(hours=30))]
    assert [(due.hour, due.minute, due.fold) for due in shown if due.date().isoformat() == day] == expected


@pytest.mark.parametrize("zone", ZONES, ids=str)
@pytest.mark.parametrize("year", [2017, 2026])
def test_every_half_hour_stays_every_half_hour_all_year(zone: ZoneInfo, year: int) -> None:
    start = datetime(year, 1, 1, tzinfo=UTC)
    found = due_times("*/30 * * * *", zone, start, start + timedelta(days=366))
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=30)}


@settings(deadline=None)  # a machine may be busy
@given(minutes, st.sampled_from((BERLIN, SYDNEY, ZoneInfo("UTC"))), st.sampled_from(["*", "0-23", "*/1"]))
def test_every_hour_stays_every_hour_in_both_nights(minute: int, zone: ZoneInfo, hour: str) -> None:
    for start in (
        datetime(2026, 3, 27, tzinfo=UTC),
        datetime(2026, 4, 3, tzinfo=UTC),
        datetime(2026, 10, 23, tzinfo=UTC),
    ):
        found = due_times(f"{minute} {hour} * * *", zone, start, start + timedelta(days=4))
        assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(hours=1)}


@settings(deadline=None)  # a machine may be busy
@given(st.integers(2, 12), minutes, st.sampled_from((BERLIN, SYDNEY, LORD_HOWE)))
def test_every_few_hours_never_leaves_a_wider_hole_than_on_other_days(n: int, minute: int, zone: ZoneInfo) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    found = due_times(f"{minute} */{n} * * *", zone, start, start + timedelta(days=366))
    night = timedelta(hours=1)  # what a moved clock adds to a day when nothing is due in the repeated hour
    assert max(later - earlier for earlier, later in pairwise(found)) <= timedelta(hours=n) + night


def test_a_repeated_hour_is_done_twice_only_by_a_wildcard() -> None:
    start, end = datetime(2026, 10, 24, 23, tzinfo=UTC), datetime(2026, 10, 25, 2, tzinfo=UTC)
    twice = [local("2026-10-25T02:30", BERLIN, fold) for fold in (0, 1)]
    assert due_times("30 */2 * * *", BERLIN, start, end) == twice
    assert due_times("30 2 * * *", BERLIN, start, end) == twice[:1]


def test_a_day_that_a_zone_left_out_is_made_up_at_once() -> None:
    apia = ZoneInfo("Pacific/Apia")  # went from 29 to 31 December 2011
    found = due_times("0 2 * * *", apia, local("2011-12-29", apia), local("2011-12-31T23:00", apia))
    assert [(due.astimezone(apia).day, due.astimezone(apia).hour) for due in found] == [(29, 2), (31, 0), (31, 2)]


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        next_due(parse_cron("* * * * *"), BERLIN, datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None))


@pytest.mark.parametrize(
    ("line", "gap"),
    [
        ("0 2 * * *", timedelta(days=1)),
        ("*/15 * * * *", timedelta(minutes=15)),
        ("*/25 * * * *", timedelta(minutes=10)),
        ("0 2,23 * * *", timedelta(hours=3)),
        ("0 2,23 * * 0", timedelta(hours=21)),
        ("0 2 * * 1,3", timedelta(days=2)),
        ("0 2 1 * *", timedelta(days=28)),
        ("0 2 29 2 *", timedelta(days=4 * 365 + 1)),
        ("0 2 13 * 5", timedelta(days=1)),
    ],
)
def test_the_shortest_time_between_two_due_times(line: str, gap: timedelta) -> None:
    assert shortest_gap(parse_cron(line)) == gap


@settings(deadline=None)  # a machine may be busy
@given(lines, moments)
def test_no_two_due_times_are_closer_than_the_shortest_gap(line: str, after: datetime) -> None:
    cron, zone = parse_cron(line), ZoneInfo("UTC")
    first = next_due(cron, zone, after)
    assert next_due(cron, zone, first) - first >= shortest_gap(cron)


def test_the_minutes_of_a_week_at_which_a_line_may_be_due() -> None:
    assert minutes_of_week(parse_cron("30 2 * * 1,0")) == {150, 150 + 6 * 1440}
    assert minutes_of_week(parse_cron("0 0 1 * *")) == {day * 1440 for day in range(7)}
    assert minutes_of_week(parse_cron("0 0 13 * 5")) == {day * 1440 for day in range(7)}


def test_the_second_at_which_clocks_move() -> None:
    day = datetime(2026, 3, 28, 12, 0, 0, tzinfo=UTC)
    assert offset_change(BERLIN, day, day + timedelta(days=3)) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert offset_change(BERLIN, day, day + timedelta(hours=3)) is None


def test_the_longest_time_between_two_due_moments() -> None:
    workdays, berlin = parse_cron("0 2 * * 1-5"), parse_zone("Europe/Berlin")
    monday = datetime(2026, 3, 2, tzinfo=UTC)
    assert longest_gap(workdays, berlin, monday, 4) == timedelta(days=1)
    assert longest_gap(workdays, berlin, monday, 5) == timedelta(days=3)
